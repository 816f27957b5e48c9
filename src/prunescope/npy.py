"""Headers of arrays in NumPy's own format, read without a word of Python's parser about what a damaged one holds."""

from __future__ import annotations

import warnings
from typing import IO, Any

import numpy as np


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether columns come one after the other, and type of the array that a stream goes on with.

    Raises ValueError, and any error of Python's parser, for a damaged header.
    """
    version = np.lib.format.read_magic(stream)
    reader = np.lib.format.read_array_header_1_0
    reader = reader if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The parser warns of texts with backslashes.
        return reader(stream)
