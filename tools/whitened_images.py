"""Write whitened copies of images: `python tools/whitened_images.py white.npz data.source=parquet data.root=FOLDER`.

Whitened images have no correlations between pixels, or nearly none, so that what is left in them is of higher order. The
file is a source of images: `prunescope run EXPERIMENT data.source=npz data.root=white.npz`. The fields name the images as for
`prunescope run`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.prepared.preparation import prepare
from prunescope.data.prepared.reading import open_prepared
from prunescope.experiment import load
from prunescope.files import check_file

# Variance, in squared grey levels, below which a direction counts as noise of rounding and is not made as strong as others.
RIDGE = 1.0
LEVELS = 24  # grey levels of one standard deviation, around MIDDLE
MIDDLE = 128
ROWS = 5000  # images in memory at once as float32


def whitening(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean [n0] of images [n, n0] and the symmetric matrix [n0, n0] that whitens them (ZCA).

    It is (C + RIDGE)^(-1/2) with the covariance C, so that a whitened image is nearest to the image itself.
    """
    total = np.zeros(images.shape[1])
    products = np.zeros((images.shape[1],) * 2)
    for start in range(0, len(images), ROWS):
        rows = images[start : start + ROWS].astype(np.float64)
        total += rows.sum(axis=0)
        products += rows.T @ rows
    mean = total / len(images)
    variances, directions = np.linalg.eigh(products / len(images) - np.outer(mean, mean))
    strength = 1 / np.sqrt(np.maximum(variances, 0) + RIDGE)
    return mean.astype(np.float32), ((directions * strength) @ directions.T).astype(np.float32)


def whitened(
    images: NDArray[np.uint8], mean: NDArray[np.float32], matrix: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Return images [n, n0] whitened, as bytes; what lies beyond about five standard deviations is cut off."""
    found = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), ROWS):
        rows = slice(start, start + ROWS)
        white = (images[rows].astype(np.float32) - mean) @ matrix
        found[rows] = np.clip(np.rint(MIDDLE + LEVELS * white), 0, 255)
    return found


def main(words: Sequence[str]) -> None:
    """Whiten the images that the fields after the file's name describe, by the covariance of those for training."""
    out, *fields = words
    check_file(Path(out), "the file")
    source = open_prepared(prepare(load("paper/main", fields).data))
    mean, matrix = whitening(source.images("train"))
    arrays: dict[str, NDArray[Any]] = {}
    for split in ("train", "validation"):
        images = whitened(source.images(split), mean, matrix)
        arrays |= {
            f"{split}_images": images.reshape(-1, *source.shape),
            f"{split}_labels": np.array(source.labels(split)),
        }
    np.savez(out, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main(sys.argv[1:])
