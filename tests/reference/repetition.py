"""This module compares nodes at all shifts by loops that follow the definition."""

from __future__ import annotations

import numpy as np


def products(first, second):
    """Return Σ a(c, y, x) b(c, y + dy, x + dx) of two images [C, H, W] by shift, {(dy, dx): sum}."""
    _, height, width = first.shape
    found = {}
    for dy in range(-(height - 1), height):
        for dx in range(-(width - 1), width):
            total = 0.0
            for y in range(height):
                for x in range(width):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        total += float(first[:, y, x] @ second[:, y + dy, x + dx])
            found[dy, dx] = total
    return found


def similarity(first, second):
    """Return the largest cosine of two images over shifts, 0 unless it lies more than 2 pixels away alone."""
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    found = products(first, second)
    near = max(value for shift, value in found.items() if max(map(abs, shift)) <= 2)
    far = max((value for shift, value in found.items() if max(map(abs, shift)) > 2), default=0.0)
    return far / norm if norm and far > 0 and far > near + 1e-6 * norm else 0.0


def pairs(images):
    """Return the similarity of all pairs of images [K, C, H, W]."""
    images = np.asarray(images, np.float64)
    found = np.zeros((len(images), len(images)))
    for j in range(len(images)):
        for k in range(j):
            found[j, k] = found[k, j] = similarity(images[j], images[k])
    return found
