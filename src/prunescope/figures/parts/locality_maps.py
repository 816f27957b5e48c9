"""S(d) and g(d) as images around d = 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from prunescope.figures.parts.style import INK

# characters in a line beside a map
# d = 0, which is no pair, and displacements with too few pairs: neither end of any colour scale.
REMOVED = "#8A8F96"


def show_pairs(axes: Axes, values: np.ndarray, *, without_centre: bool, **colours: Any) -> AxesImage:
    """S(d) or g(d) [2H-1, 2W-1] as an image around d = 0, scaled from 0 to its maximum unless told otherwise."""
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
    """Ticks at -L, 0 and L pixels of each axis, labels only at the outer panels."""
    for axis, limits, shown in ((axes.xaxis, axes.get_xlim(), bottom), (axes.yaxis, axes.get_ylim(), left)):
        reach = 5 * max(1, int(max(map(abs, limits)) // 5))
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
