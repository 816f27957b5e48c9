"""The random masks that a mask is held against are a function of its content alone, whoever asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from prunescope.mask import Mask
from prunescope.observables.connectivity import shuffle_at_fan_in
from prunescope.randomness import generator

# The sd of this many values has a relative error of 1/√(2·49), about 10 % (docs/science.md, "z").
SHUFFLES = 50


def null_generators(mask: Mask, purpose: str, count: int) -> Iterator[np.random.Generator]:
    """Yield ``count`` generators of random numbers for one purpose, as a function of what the mask keeps."""
    content = mask.digest
    return (generator(0, f"{purpose} of {content}", 0, number) for number in range(count))


def shuffled_masks(mask: Mask, count: int = SHUFFLES) -> Iterator[Mask]:
    """Yield ``count`` masks with the same fan-ins at uniform positions (docs/science.md, "Shuffled masks")."""
    return (shuffle_at_fan_in(mask, rng) for rng in null_generators(mask, "null", count))
