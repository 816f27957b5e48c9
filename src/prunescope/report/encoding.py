"""Encode arrays as short text, which the page's script (decode.js) decodes."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.mask import ImageShape
from prunescope.report.standalone import as_base64

# Sheets of pictures above this many raw bytes are compressed with loss, to keep the page portable.
LOSSLESS_BYTES = 8_000_000
SHEET_COLUMNS = 32


def bits(array: NDArray[np.bool_]) -> str:
    """Encode booleans, eight to a byte, as base64."""
    return as_base64(np.packbits(array).tobytes())


def levels_of_256(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:
    """Scale values in [low, high] to 0 … 255; return 128 for all when low = high."""
    if not high > low:
        return np.full(values.shape, 128, np.uint8)
    return np.rint(255 * (values.astype(np.float64) - low) / (high - low)).astype(np.uint8)


def octets(array: NDArray[np.uint8]) -> str:
    """Encode bytes as base64."""
    return as_base64(array.tobytes())


def counts(array: NDArray[np.number]) -> dict[str, Any]:
    """Encode non-negative counts [rows, columns] relative to their largest, in 16 bits, little-endian."""
    largest = int(array.max())
    scaled = np.rint(array * (65535 / max(largest, 1))).astype("<u2")
    return {
        "rows": array.shape[0],
        "columns": array.shape[1],
        "max": largest,
        "data": as_base64(scaled.tobytes()),
    }


def numbers(values: ArrayLike, digits: int = 4) -> list[float | None]:
    """Round numbers to so many significant digits, with None where not finite (JSON has no nan)."""
    return [number(value, digits) for value in np.asarray(values, dtype=np.float64)]


def number(value: float | None, digits: int = 6) -> float | None:
    """Round a number to so many significant digits; return None for None, nan and infinity."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


class SpriteSheet:
    """Pictures of one size in one image, each stored once."""

    def __init__(self, shape: ImageShape) -> None:
        self.shape = shape
        self._places: dict[bytes, int] = {}

    def add(self, pixels: NDArray[np.uint8]) -> int:
        """Return the index of a picture [C·H·W], adding it unless it is there."""
        return self._places.setdefault(pixels.tobytes(), len(self._places))

    def to_json(self) -> dict[str, Any] | None:
        """Return the sheet as a data URI with its geometry, or None without pictures.

        Tiles are padded to multiples of 8 pixels, so that compression does not mix neighbours.
        """
        if not self._places:
            return None
        channels, height, width = self.shape
        tile_height, tile_width = -(-height // 8) * 8, -(-width // 8) * 8
        rows = -(-len(self._places) // SHEET_COLUMNS)
        sheet = np.zeros((rows * tile_height, SHEET_COLUMNS * tile_width, 3), np.uint8)
        for place, pixels in enumerate(self._places):
            picture = np.frombuffer(pixels, np.uint8).reshape(channels, height, width).transpose(1, 2, 0)
            y, x = place // SHEET_COLUMNS * tile_height, place % SHEET_COLUMNS * tile_width
            sheet[y : y + height, x : x + width] = picture  # one channel becomes grey
        return {
            "uri": _data_uri(sheet),
            "columns": SHEET_COLUMNS,
            "tile_width": tile_width,
            "tile_height": tile_height,
        }


def _data_uri(picture: NDArray[np.uint8]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "webp", lossless=picture.nbytes <= LOSSLESS_BYTES, quality=90)
    return f"data:image/webp;base64,{as_base64(buffer.getvalue())}"


def finite_range(values: Sequence[float]) -> tuple[float, float]:
    """Return the smallest and the largest of the values and 0."""
    return min(0.0, *map(float, values)), max(0.0, *map(float, values))
