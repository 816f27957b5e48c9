"""This module draws random numbers as a function of (seed, purpose, level, step), so that no state is stored."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import DTypeLike, NDArray


def generator(seed: int, purpose: str, level: int = 0, step: int = 0) -> np.random.Generator:
    """Return a counter-based generator (Philox) whose key is the hash of the four arguments.

    ``purpose`` names what the numbers are for; each purpose has a stream of its own. The same arguments give the same
    stream on every machine, so that a resumed run continues to the same bits.
    """
    text = f"prunescope/{seed}/{purpose}/{level}/{step}".encode()
    key = _Key(hashlib.blake2b(text, digest_size=16).digest())
    return np.random.Generator(np.random.Philox(key))  # type: ignore[arg-type]  # stubs lack ISeedSequence


class _Key(ISeedSequence):
    """Gives a key of 16 bytes, a little-endian number, to Philox as it is.

    ``Philox(key=…)`` makes the same stream in four times the time, because it asks the system for a seed first.
    """

    def __init__(self, key: bytes) -> None:
        self._words = np.frombuffer(key, "<u8").astype(np.uint64)

    def generate_state(self, n_words: int, dtype: DTypeLike = np.uint32) -> NDArray[np.uint64]:
        """Return the key, the two words of 64 bits for which Philox asks."""
        assert (n_words, dtype) == (2, np.uint64)
        return self._words
