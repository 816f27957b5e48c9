"""Random numbers as a function of (seed, purpose, level, step): nothing to save, nothing to restore."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, purpose: str, level: int = 0, step: int = 0) -> np.random.Generator:
    """A counter-based generator (Philox) whose key is the hash of its four arguments.

    The same arguments give the same stream on every machine, so a run resumed anywhere
    continues to the same bits.
    """
    text = f"prunescope/{seed}/{purpose}/{level}/{step}".encode()
    key = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))
