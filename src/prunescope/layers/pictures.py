"""Small arrays of a layer's mask that pages and figures draw: a picture of it, and masks of its most connected units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.layers.kinds import LayerMask
from prunescope.layers.spatial import unit_inputs
from prunescope.mask import Mask
from prunescope.observables.downscaling import block_means
from prunescope.observables.locality import locality
from prunescope.observables.receptive_fields import most_connected

# The most rows and columns of the picture of a mask, and the most units whose masks are kept as images.
PICTURE_SIDE, UNITS = 256, 32


def drawn_arrays(layer: LayerMask) -> dict[str, NDArray[Any]]:
    """Return what is drawn of a layer's mask beside its numbers, by name; a few hundred kilobytes at most.

    ``fan_in`` int64 [n_out] and ``fan_out`` int64 [n_in]. ``picture`` uint8 [rows, columns], at most 256 of each: the
    kept share of each block of weights over the largest such share, 255 for it, and ``picture_white`` float64 [1], that
    share; a mask of at most 256 rows and columns has blocks of one weight. Where a unit's inputs lie in an image, on a
    grid or in a large kernel, ``units`` int64 [K], the most connected ones, ``unit_masks`` bool [K, C, H, W], and
    ``same_pairs`` int64 [2H-1, 2W-1], S_sc(d).
    """
    mask = layer.mask
    picture, white = mask_picture(mask)
    found: dict[str, NDArray[Any]] = {
        "fan_in": mask.fan_in,
        "fan_out": mask.fan_out,
        "picture": picture,
        "picture_white": np.array([white]),
    }
    inputs = unit_inputs(layer)
    if inputs is not None:
        units = most_connected(mask, UNITS)
        found["units"] = units
        found["unit_masks"] = mask.array[units].reshape(len(units), *inputs)
        found["same_pairs"] = locality(mask, inputs).same
    return found


def mask_picture(mask: Mask, side: int = PICTURE_SIDE) -> tuple[NDArray[np.uint8], float]:
    """Return the kept share of each block of weights as uint8, 255 for the largest share, and that share."""
    shares = block_means(mask.array, side, side)
    white = float(shares.max())
    return np.rint(shares * (255 / white if white else 0.0)).astype(np.uint8), white
