"""This module counts validation images that are also training images, pixel by pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.randomness import generator

Digests = NDArray[np.uint64]

_ROWS = 1000


def row_digests(images: NDArray[Any]) -> Digests:
    """Return a number for each row of ``images`` [n, n0], uint64 [n]; equal rows have equal ones.

    Different rows rarely do. Sums of 32-bit words with fixed random factors take a tenth of a checksum's time.
    """
    pieces = []
    for start in range(0, len(images), _ROWS):
        rows = np.ascontiguousarray(images[start : start + _ROWS]).view(np.uint8)
        if rows.shape[1] % 4:
            rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
        words = rows.view(np.uint32).astype(np.uint64)
        pieces.append(words @ _factors(words.shape[1]))
    return np.concatenate(pieces) if pieces else np.empty(0, np.uint64)


def count_shared(digests: Mapping[str, Digests], images: Mapping[str, NDArray[Any]]) -> int:
    """Return how many of the images "validation" equal one of "train".

    Images whose digests agree are compared by a checksum of 128 bits, which settles it.
    """
    likely = np.isin(digests["validation"], digests["train"])
    if not likely.any():
        return 0
    partners = np.flatnonzero(np.isin(digests["train"], digests["validation"][likely]))
    known = {_checksum(images["train"][row]) for row in partners}
    return sum(_checksum(images["validation"][row]) in known for row in np.flatnonzero(likely))


def _checksum(row: NDArray[Any]) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()


@cache
def _factors(count: int) -> Digests:
    return generator(0, "row digests").integers(0, 1 << 64, count, dtype=np.uint64)
