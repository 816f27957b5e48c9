"""This module turns image files that Pillow opens into pixels of one byte, by rules that all readers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prunescope.data.raw import Pixels
from prunescope.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_ORIENTATION = 0x0112  # the tag of EXIF
_SIXTEEN_BITS = 257  # 65535 is 257 · 255, so that white stays white
_WIDE_FORMATS = ("PNG", "PPM")  # whose 32-bit images hold 16 bits, 65535 being white


def is_grey(image: PillowImage) -> bool:
    """Return whether an opened image has one channel of brightness; nothing but its header is read."""
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


def upright(image: PillowImage) -> PillowImage:
    """Return an opened image turned as its EXIF orientation says, so that it stands as viewers show it."""
    from PIL import ImageOps

    return image if image.getexif().get(_ORIENTATION, 1) == 1 else ImageOps.exif_transpose(image)


def flat(image: PillowImage, mode: str, where: str) -> PillowImage:
    """Return an opened image, upright, in the mode "L" or "RGB".

    Brightness of 16 bits is divided by 257, floats in [0, 1] are multiplied by 255, and transparent parts are black.
    Raises InputError, which names the place as ``where``, for colour where ``mode`` is "L", and for values whose
    white is not known.
    """
    from PIL import Image

    image.load()  # since a PNG image may state its orientation after its pixels
    if image.mode == mode and image.format == "PNG" and not image.info:
        return image  # as are most images of large sets, which shall not wait for the questions below
    if mode == "L" and not is_grey(image):
        raise InputError(
            f"{where} is in colour, the training images are grey: make all of them one or the other"
        )
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_as_bytes(upright(image), where, image.format in _WIDE_FORMATS))
        return image if image.mode == mode else image.convert(mode)
    image = upright(image)
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, (0, 0, 0, 255)), clear)
    return image if image.mode == mode else image.convert(mode)


def _as_bytes(image: PillowImage, where: str, wide: bool) -> Pixels:
    """Return wide integers or floats as uint8 [H, W]; ``wide``: 65535 is white in 32 bits too."""
    values = np.asarray(image)
    if image.mode == "F":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise InputError(f"{where} holds floats outside [0, 1]: save it with 8 or 16 bits")
        return np.rint(255 * values.astype(np.float64)).astype(np.uint8)
    if values.dtype != np.uint16 and not wide:
        raise InputError(f"{where} holds integers of 32 bits, of which white is not known: save 8 or 16 bits")
    if values.min() < 0 or values.max() > 65535:
        raise InputError(f"{where} holds integers from {values.min()} to {values.max()}: save 8 or 16 bits")
    return np.rint(values / _SIXTEEN_BITS).astype(np.uint8)
