"""This module draws how the density of connected pairs depends on their direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from prunescope.analysis.directions import AngularDensity
from prunescope.analysis.statistics import band
from prunescope.figures.parts.style import BLUE, FAINT, MUTED


def draw_angles(axes: Axes, one: AngularDensity, arms: Sequence[float]) -> None:
    """Draw the density of pairs, over that of isotropic ones, against their direction in degrees.

    ``arms`` are the directions of the images' own axes in degrees, drawn as dashed lines. The grey band is the
    mean ± 2 sd of shuffled masks. docs/science.md, "Scalars".
    """
    degrees = np.append(one.degrees, 180.0)
    closed = np.append(one.density, one.density[0])
    shuffled = np.column_stack([one.shuffled, one.shuffled[:, 0]])
    axes.fill_between(degrees, *band(shuffled), color=FAINT, lw=0)
    for arm in arms:
        axes.axvline(arm, color=MUTED, lw=0.7, ls="--", zorder=1)
    axes.plot(degrees, closed, "-o", color=BLUE, ms=2)
    axes.set(xlim=(0, 180), xticks=[0, 45, 90, 135, 180], xlabel="direction of $d$ (degrees)")
    axes.set_title("pairs / isotropic ones")
