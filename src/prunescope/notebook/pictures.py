"""These functions make small pictures of masks, as PNG data in a URI, without matplotlib."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import ImageShape, Mask
from prunescope.observables.downscaling import block_means

LARGEST = 192  # pixels of a side
# How large a picture of a whole mask is shown: at most so wide and high, and a pixel of it so large.
MOST_WIDTH, MOST_HEIGHT, LARGEST_PIXEL = 384, 256, 6


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """Return a picture [H, W] or [H, W, 3] as a URI that holds it as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def matrix_uri(mask: Mask) -> tuple[str, float, int]:
    """Return a picture of a whole mask, units from top to bottom, the kept share of its brightest pixel, and its width.

    A pixel of a large mask is a block of weights; the block with most kept weights is white.
    """
    shares = block_means(mask.array, LARGEST, 2 * LARGEST)
    brightest = float(shares.max())
    height, width = shares.shape
    enlarged = max(1, round(width * min(MOST_WIDTH / width, MOST_HEIGHT / height, LARGEST_PIXEL)))
    return png_uri(_bytes(shares / brightest if brightest else shares)), brightest, enlarged


def node_uri(row: NDArray[np.bool_], shape: ImageShape) -> str:
    """Return a picture of a node's mask [C·H·W]: in colour for three channels, else the share of channels that are kept.

    A series [C, 1, L] has a row for each channel.
    """
    channels, height, width = shape
    image = row.reshape(shape)
    if height == 1 and width > 1:
        return png_uri(_bytes(block_means(image[:, 0], LARGEST, LARGEST)))
    if channels == 3:
        parts = [block_means(channel, LARGEST, LARGEST) for channel in image]
        return png_uri(_bytes(np.stack(parts, axis=-1)))
    return png_uri(_bytes(block_means(image.mean(axis=0), LARGEST, LARGEST)))


def _bytes(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.round(255 * shares).astype(np.uint8)
