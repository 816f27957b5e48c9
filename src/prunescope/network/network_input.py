"""This module holds NetworkInput: what turns the pixels of images into what a network reads."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.mask import BoolArray
from prunescope.model import FloatArray


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """What turns rows of pixels [B, n0] into the input of a network.

    ``mean``: float32 [n0], the mean image in pixel units. ``live``: bool [n0], False for pixels that are the same in
    every training image. ``are_bytes``: whether pixels are numbers from 0 to 255, whose input is (pixel - mean)/255;
    others, those of streams and of series, are the input as they are.
    """

    mean: FloatArray
    live: BoolArray
    are_bytes: bool
