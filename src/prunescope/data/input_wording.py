"""This module says in words what inputs are: images of pixels, series of samples, or rows of features."""

from __future__ import annotations

from prunescope.mask import ImageShape

# What an input consists of, and what inputs are called in the plural, by data.geometry.
UNITS = {"image": "pixels", "series": "samples", "none": "features"}
INPUTS = {"image": "images", "series": "series", "none": "rows"}
_COLOURS = {1: "grey", 3: "colour"}


def size_in_words(shape: ImageShape, geometry: str) -> str:
    """Return the size of an input: ``32×32 pixels, colour``, ``128 samples, 1 channel`` or ``20 features``.

    ``shape``: (C, H, W), for series (C, 1, L), for tables (1, 1, n).
    """
    channels, height, width = shape
    if geometry == "none":
        return f"{width:,} feature{'s' if width > 1 else ''}"
    several = f"{channels} channel{'s' if channels > 1 else ''}"
    if geometry == "series":
        return f"{width:,} samples, {several}"
    return f"{width}×{height} pixels, {_COLOURS.get(channels, several)}"
