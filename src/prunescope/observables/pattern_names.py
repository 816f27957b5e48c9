"""The names of the N:M patterns and blocks that hold everywhere in a mask."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import numpy as np

from prunescope.mask import Mask
from prunescope.observables.blocks import BLOCKS, block_null, block_share
from prunescope.observables.group_patterns import Along, groups

# A pattern is named where it holds everywhere and chance would break it in at least this many groups; N:M also only
# where at least this share of the groups keeps N, as some N holds everywhere in any mask.
FEWEST_BROKEN, FEWEST_FULL = 10, 0.25
NAMED_LENGTHS = (2, 4, 8, 16)


def satisfied_patterns(mask: Any) -> tuple[str, ...]:
    """Return the names of the patterns that hold everywhere in a mask and would not by chance, as "2:4 along inputs".

    mask: [n_out, n_in]. Along inputs and along outputs it is the N:M of the smallest N/M, of equals that of the
    smallest M, with M among 2, 4, 8 and 16, where at least a quarter of the groups keep N; of blocks, the largest. Chance
    would break each in at least ten groups, at the same fan-ins and also at the same fan-outs.
    """
    mask = Mask.of(mask)
    sides: tuple[Along, ...] = ("inputs", "outputs")
    names = [f"{name} along {along}" for along in sides if (name := _named_pattern(mask, along))]
    largest = (one for one in sorted(BLOCKS, key=math.prod, reverse=True) if _holds(mask, *one))
    names += [f"blocks {height}x{width}" for height, width in islice(largest, 1)]
    return tuple(names)


def _named_pattern(mask: Mask, along: Along) -> str | None:
    candidates = []
    for length in NAMED_LENGTHS:
        found = groups(mask, length, along)
        total, kept = int(found.histogram.sum()), int(np.flatnonzero(found.histogram).max(initial=0))
        if 0 < kept < length and found.histogram[kept] >= FEWEST_FULL * total:
            at_same_counts = (1 - found.null(np.arange(length + 1) <= kept).mean) * total
            if min(at_same_counts, _broken_across(mask, kept, length, along)) >= FEWEST_BROKEN:
                candidates.append((kept / length, f"{kept}:{length}"))
    return min(candidates, key=lambda one: one[0])[1] if candidates else None


def _broken_across(mask: Mask, kept: int, length: int, along: Along) -> float:
    """Return the expected number of groups with more than ``kept`` weights, each line across at uniform positions.

    A line across has one entry in each of its groups, so that these entries are independent.
    """
    counts, lines = (mask.fan_out, mask.n_out) if along == "inputs" else (mask.fan_in, mask.n_in)
    shares = (counts[: len(counts) // length * length] / lines).reshape(-1, length)
    chance = np.zeros((len(shares), length + 1))
    chance[:, 0] = 1
    for share in shares.T[:, :, np.newaxis]:
        chance[:, 1:] = chance[:, 1:] * (1 - share) + chance[:, :-1] * share
        chance[:, :1] *= 1 - share
    return float(chance[:, kept + 1 :].sum()) * lines


def _holds(mask: Mask, height: int, width: int) -> bool:
    """Return whether all blocks are all kept or all pruned, and would not be at the same fan-ins, nor fan-outs."""
    found = block_share(mask, height, width)
    if found.value != 1:
        return False
    blocks = (mask.n_out // height) * (mask.n_in // width)
    across = block_null(mask.fan_out, mask.n_out, width, height)
    return (1 - max(found.null_mean, across.mean)) * blocks >= FEWEST_BROKEN
