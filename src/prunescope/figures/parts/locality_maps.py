"""These functions draw S(d) and g(d) as images around d = 0, and S(d) of series as curves over the lag."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from prunescope.figures.parts.lags import label_lags, show_lags
from prunescope.figures.parts.style import INK

# The colour of d = 0, which is no pair, and of displacements with too few pairs. No colour scale contains it.
REMOVED = "#8A8F96"


def draw_pairs(
    axes: Axes, values: np.ndarray, *, without_centre: bool, null: np.ndarray | None = None
) -> None:
    """Draw S(d), as show_pairs does for images, and for series [1, 2L-1] as a curve over the lag.

    ``null`` is the S(d) that chance gives, which only the curve shows.
    """
    if len(values) == 1:
        show_lags(axes, values, without_centre=without_centre, null=null)
    else:
        show_pairs(axes, values, without_centre=without_centre)


def label_pairs(axes: Axes, values: np.ndarray, *, bottom: bool, left: bool) -> None:
    """Label what draw_pairs has drawn of these values: displacements of images, lags of series."""
    (label_lags if len(values) == 1 else label_displacements)(axes, bottom=bottom, left=left)


def show_pairs(axes: Axes, values: np.ndarray, *, without_centre: bool, **colours: Any) -> AxesImage:
    """Draw S(d) or g(d) [2H-1, 2W-1] as an image around d = 0 and return the image.

    ``colours`` are keywords of ``Axes.imshow``, such as a norm; without them values are scaled from 0 to their
    maximum. ``without_centre`` leaves d = 0 out.
    """
    rows, columns = values.shape
    image = np.asarray(values, dtype=np.float64)
    if not colours:
        image = image / max(float(image.max()), 1.0)
        colours = {"vmin": 0, "vmax": 1}
    if without_centre:
        image = image.copy()
        image[rows // 2, columns // 2] = np.nan
    reach_y, reach_x = rows / 2, columns / 2
    drawn = axes.imshow(image, extent=(-reach_x, reach_x, reach_y, -reach_y), **colours)
    axes.set_facecolor(REMOVED)
    return drawn


def label_displacements(axes: Axes, *, bottom: bool, left: bool) -> None:
    """Set ticks at -L, 0 and L pixels of each axis, with labels only where ``bottom`` and ``left`` say so.

    L is the largest multiple of 5 pixels within the map, or the largest displacement where that is below 5. Panels inside a grid have no labels.
    """
    for axis, limits, shown in ((axes.xaxis, axes.get_xlim(), bottom), (axes.yaxis, axes.get_ylim(), left)):
        farthest = int(max(map(abs, limits)))
        reach = 5 * (farthest // 5) or max(1, farthest)
        axis.set_ticks([-reach, 0, reach])
        if not shown:
            axis.set_ticklabels([])
    if bottom:
        axes.set_xlabel("$d_x$ (pixels)")
    if left:
        axes.set_ylabel("$d_y$ (pixels)")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(color=INK)
