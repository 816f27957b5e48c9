"""This module draws random numbers as a function of (seed, purpose, level, step), so that no state is stored."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, purpose: str, level: int = 0, step: int = 0) -> np.random.Generator:
    """Return a counter-based generator (Philox) whose key is the hash of the four arguments.

    ``purpose`` names what the numbers are for; each purpose has a stream of its own. The same arguments give the same
    stream on every machine, so that a resumed run continues to the same bits.
    """
    text = f"prunescope/{seed}/{purpose}/{level}/{step}".encode()
    key = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))
