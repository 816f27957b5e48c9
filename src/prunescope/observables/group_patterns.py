"""N:M patterns: how many groups of weights keep few of them, against chance at the same fan-ins.

A group is M consecutive entries of a row (along inputs) or of a column (along outputs). The first begins with the first
entry; where the size does not divide, the entries after the last whole group belong to none. docs/science.md,
"Groups and blocks".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import flag, one_of, whole
from prunescope.mask import BoolArray, Mask
from prunescope.observables.blocks import BLOCKS, block_histogram, block_share, sum_of_variances
from prunescope.observables.measure import Scalar
from prunescope.observables.null_moments import Moments
from prunescope.observables.shares import share_against

Along = Literal["inputs", "outputs"]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

# N:M patterns that are measured of every mask.
PATTERNS = ((1, 2), (1, 4), (2, 4), (4, 8))


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of ``length`` entries along one side of a mask: how many of them keep 0 … ``length`` weights.

    ``histogram``: int64 [length + 1]; ``line_counts``: kept weights of each row or column in all, int64 [lines];
    ``places``: entries of such a line.
    """

    length: int
    histogram: Counts
    line_counts: Counts
    places: int

    @property
    def per_line(self) -> int:
        """The number of whole groups of a line."""
        return self.places // self.length

    def share(self, wanted: BoolArray) -> Scalar:
        """Return the share of groups whose number of kept weights is among ``wanted``, bool [length + 1].

        Its null keeps each line's number of kept weights, at uniform positions.
        """
        total = int(self.histogram.sum())
        if not total:
            return Scalar()
        return share_against(float(self.histogram[wanted].sum() / total), self.null(wanted), total)

    def null(self, wanted: BoolArray) -> Moments:
        """Return the moments of the share of groups whose number of kept weights is wanted, each line's at random."""
        counts, lines = np.unique(self.line_counts, return_counts=True)
        mean = _wanted_shares(counts, self.places, wanted)
        # The variance is the same for the numbers that are not wanted; of the rarer ones it is more exact.
        rarer = wanted if lines @ mean * 2 < lines.sum() else ~wanted
        single = _wanted_shares(counts, self.places, rarer)
        alone, together = float(lines @ (single * (1 - single))), 0.0
        if self.per_line > 1:
            both = _wanted_pairs(counts, self.places, rarer)
            together = (self.per_line - 1) * float(lines @ (both - single**2))
        variance = sum_of_variances(alone, together) / self.per_line
        return Moments(float(lines @ mean) / int(lines.sum()), math.sqrt(variance) / int(lines.sum()))


def groups(mask: Mask, length: int, along: Along) -> Groups:
    """Count the kept weights of each group of ``length`` entries of a mask [n_out, n_in]."""
    inside = along == "inputs"
    block = (1, length) if inside else (length, 1)
    counts, places = (mask.fan_in, mask.n_in) if inside else (mask.fan_out, mask.n_out)
    return Groups(length, block_histogram(mask.array, *block), counts, places)


def pattern_share(
    mask: Any, kept: int, length: int, along: Along = "inputs", *, exactly: bool = False
) -> Scalar:
    """Return the share of groups of ``length`` that keep at most ``kept`` weights, or exactly as many.

    mask: [n_out, n_in]; ``pattern_share(mask, 2, 4)`` is 1 for a mask of the pattern 2:4. The null keeps each row's
    number of weights (along outputs: each column's), in closed form. nan where not one group fits.
    docs/science.md, "Groups and blocks".
    """
    one_of("along", along, get_args(Along))
    exactly = flag("exactly", exactly)
    mask, length = Mask.of(mask), whole("length", length, 1)
    kept = whole("kept", kept, most=length)
    if length > (mask.n_in if along == "inputs" else mask.n_out):
        return Scalar()
    return _share(groups(mask, length, along), kept, exactly)


def _share(found: Groups, kept: int, exactly: bool) -> Scalar:
    number = np.arange(found.length + 1)
    return found.share(number == kept if exactly else number <= kept)


def pattern_scalars(mask: Any) -> dict[str, Scalar]:
    """Return the shares of groups and blocks that every mask is measured by, with their nulls, by name.

    mask: [n_out, n_in]. Names: at_most_2_of_4_inputs, exactly_2_of_4_inputs, … along inputs and along outputs, for
    each of PATTERNS, and blocks_4x4, … for each of BLOCKS, outputs by inputs.
    """
    mask = Mask.of(mask)
    found: dict[str, Scalar] = {}
    sides: tuple[Along, ...] = ("inputs", "outputs")
    for along in sides:
        by_length = {length: groups(mask, length, along) for length in sorted({m for _, m in PATTERNS})}
        for word, exactly in (("at_most", False), ("exactly", True)):
            for kept, length in PATTERNS:
                found[f"{word}_{kept}_of_{length}_{along}"] = _share(by_length[length], kept, exactly)
    return found | {f"blocks_{h}x{w}": block_share(mask, h, w) for h, w in BLOCKS}


def _wanted_shares(counts: Counts, places: int, wanted: BoolArray) -> Floats:
    """Return the probability that a group of a line with so many kept weights has a wanted number of them, [lines]."""
    length = wanted.size - 1
    terms = (
        math.comb(length, a) * _drawn(counts, places, a, length - a) for a in np.flatnonzero(wanted).tolist()
    )
    return sum(terms, np.zeros(counts.size))


def _wanted_pairs(counts: Counts, places: int, wanted: BoolArray) -> Floats:
    """Return the probability that two groups of a line both have a wanted number, float64 [lines]."""
    length = wanted.size - 1
    chosen = np.flatnonzero(wanted).tolist()
    ways: dict[int, int] = {}  # to draw two groups that keep so many weights together
    for a in chosen:
        for b in chosen:
            ways[a + b] = ways.get(a + b, 0) + math.comb(length, a) * math.comb(length, b)
    terms = (ways[k] * _drawn(counts, places, k, 2 * length - k) for k in ways)
    return sum(terms, np.zeros(counts.size))


def _drawn(counts: Counts, places: int, kept: int, pruned: int) -> Floats:
    """Return the probability that ``kept`` given places of a line are all kept and ``pruned`` others all pruned."""
    result = np.ones(counts.size)
    for t in range(kept):
        result *= np.maximum(0, counts - t) / (places - t)
    for t in range(pruned):
        result *= np.maximum(0, places - counts - t) / (places - kept - t)
    return result
