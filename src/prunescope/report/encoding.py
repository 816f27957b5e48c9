"""Arrays as short text: what the page's script (decode.js) reads back."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import ImageShape
from prunescope.report.standalone import as_base64

# Sheets of pictures above this many raw bytes are compressed with loss, to keep the page portable.
LOSSLESS_BYTES = 8_000_000
SHEET_COLUMNS = 32


def bits(array: NDArray[np.bool_]) -> str:
    """Booleans, eight a byte, as base64."""
    return as_base64(np.packbits(array).tobytes())


def levels_of_256(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values in [low, high] as 0 … 255; all 128 when low = high."""
    if not high > low:
        return np.full(values.shape, 128, np.uint8)
    return np.rint(255 * (values.astype(np.float64) - low) / (high - low)).astype(np.uint8)


def octets(array: NDArray[np.uint8]) -> str:
    """Bytes as base64."""
    return as_base64(array.tobytes())


def counts(array: NDArray[Any]) -> dict[str, Any]:
    """Non-negative counts [rows, columns] relative to their largest, 16 bits each, little-endian."""
    largest = int(array.max())
    scaled = np.rint(array * (65535 / max(largest, 1))).astype("<u2")
    return {
        "rows": array.shape[0],
        "columns": array.shape[1],
        "max": largest,
        "data": as_base64(scaled.tobytes()),
    }


def numbers(values: Any, digits: int = 4) -> list[float | None]:
    """Floats of so many significant digits; None where not finite (JSON has no nan)."""
    return [number(value, digits) for value in np.asarray(values, dtype=np.float64)]


def number(value: float | None, digits: int = 6) -> float | None:
    """One float of so many significant digits; None stays and nan becomes None."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


class SpriteSheet:
    """Pictures of one size, each kept once, in one image."""

    def __init__(self, shape: ImageShape) -> None:
        self.shape = shape
        self._places: dict[bytes, int] = {}

    def add(self, pixels: NDArray[np.uint8]) -> int:
        """The place of a picture [C·H·W], which is added unless it is there."""
        return self._places.setdefault(pixels.tobytes(), len(self._places))

    def to_json(self) -> dict[str, Any] | None:
        """The sheet as a data URI, and its geometry; None without pictures.

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
    """Smallest and largest of values and 0."""
    return min(0.0, *map(float, values)), max(0.0, *map(float, values))
