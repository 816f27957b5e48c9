"""N:M patterns and blocks: how many groups of weights keep few, all or none, against chance at the same fan-ins.

A group is M consecutive entries of a row (along inputs) or of a column (along outputs); a block is a rectangle of
consecutive rows and columns. The first group begins with the first entry. Where the size does not divide, the entries
after the last whole group belong to none. docs/science.md, "Groups and blocks".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import BoolArray, Mask
from prunescope.observables.measure import Scalar
from prunescope.observables.null_moments import Moments
from prunescope.observables.shares import share_against

Along = Literal["inputs", "outputs"]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

# N:M patterns and blocks (height in outputs, width in inputs) that are measured of every mask.
PATTERNS = ((1, 2), (1, 4), (2, 4), (4, 8))
BLOCKS = ((1, 4), (4, 1), (4, 4), (8, 8), (16, 16), (32, 32))
# A pattern is named where it holds everywhere and chance would break it in at least this many groups; N:M also only
# where at least this share of the groups keeps N, as some N holds everywhere in any mask.
FEWEST_BROKEN, FEWEST_FULL = 10, 0.25
NAMED_LENGTHS = (2, 4, 8, 16)
# So many entries are counted at once, so that they stay in a second-level cache.
COUNTED_AT_ONCE = 1 << 19


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
        variance = _sum_of_variances(alone, together) / self.per_line
        return Moments(float(lines @ mean) / int(lines.sum()), math.sqrt(variance) / int(lines.sum()))


def groups(mask: Mask, length: int, along: Along) -> Groups:
    """Count the kept weights of each group of ``length`` entries of a mask [n_out, n_in]."""
    inside = along == "inputs"
    block = (1, length) if inside else (length, 1)
    counts, places = (mask.fan_in, mask.n_in) if inside else (mask.fan_out, mask.n_out)
    return Groups(length, _block_histogram(mask.array, *block), counts, places)


def pattern_share(
    mask: Any, kept: int, length: int, along: Along = "inputs", *, exactly: bool = False
) -> Scalar:
    """Return the share of groups of ``length`` that keep at most ``kept`` weights, or exactly as many.

    mask: [n_out, n_in]; ``pattern_share(mask, 2, 4)`` is 1 for a mask of the pattern 2:4. The null keeps each row's
    number of weights (along outputs: each column's), in closed form. nan where not one group fits.
    docs/science.md, "Groups and blocks".
    """
    return _share(groups(Mask.of(mask), length, along), kept, exactly)


def _share(found: Groups, kept: int, exactly: bool) -> Scalar:
    number = np.arange(found.length + 1)
    return found.share(number == kept if exactly else number <= kept)


def block_share(mask: Any, height: int, width: int) -> Scalar:
    """Return the share of blocks of ``height`` outputs by ``width`` inputs that are all kept or all pruned.

    mask: [n_out, n_in]. The null keeps each row's number of weights, in closed form. nan where not one block fits.
    docs/science.md, "Groups and blocks".
    """
    mask = Mask.of(mask)
    histogram = _block_histogram(mask.array, height, width)
    total = int(histogram.sum())
    if not total:
        return Scalar()
    value = float((histogram[0] + histogram[-1]) / total)
    return share_against(value, block_null(mask.fan_in, mask.n_in, height, width), total)


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
            at_same_counts = (1 - _share(found, kept, False).null_mean) * total
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


def _block_histogram(array: BoolArray, height: int, width: int) -> Counts:
    """Count the blocks of an array [n_out, n_in] that keep 0 … height·width weights, int64."""
    down, across = len(array) // height, array.shape[1] // width
    size = height * width
    histogram = np.zeros(size + 1, np.int64)
    if down and across:
        at_once = max(1, COUNTED_AT_ONCE // (height * array.shape[1]))
        for start in range(0, down, at_once):
            rows = array[start * height : min(start + at_once, down) * height, : across * width]
            histogram += _counted(_block_counts(rows.view(np.uint8), height, width), size)
    return histogram


def _block_counts(entries: NDArray[np.uint8], height: int, width: int) -> NDArray[Any]:
    """Return the sum of each block of whole blocks, in the smallest type that holds it."""
    kind = np.min_scalar_type(height * width)
    # A sum of slices is several times faster than one over an axis of a few entries.
    down = entries[::height].astype(kind)
    for row in range(1, height):
        down += entries[row::height]
    both = down[:, ::width].copy()
    for column in range(1, width):
        both += down[:, column::width]
    return both


def _counted(counts: NDArray[Any], size: int) -> Counts:
    if size <= 16:
        return np.array([np.count_nonzero(counts == k) for k in range(size + 1)])
    return np.bincount(counts.ravel(), minlength=size + 1)


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


def block_null(fan_in: Counts, places: int, height: int, width: int) -> Moments:
    """Return the moments of the share of blocks all kept or all pruned, each row's kept weights at uniform positions.

    Probabilities are logarithms, relative to the largest: that all of 32 by 32 weights are kept is hardly a float64.
    """
    bands, per_band = len(fan_in) // height, places // width
    used = fan_in[: bands * height]
    kept, kept_pair = _log_all(used, places, height, width)
    pruned, pruned_pair = _log_all(places - used, places, height, width)
    likely = np.logaddexp(kept, pruned)  # ln of the probability of a block of each band
    scale = float(likely.max())
    if scale == -math.inf:
        return Moments(0.0, 0.0)
    alone = np.exp(likely - scale) * -np.expm1(np.minimum(0, likely))
    together = np.zeros(bands)
    if per_band > 1:
        # Two blocks of a band are both kept, both pruned, or one of each, the more often for the places that are left.
        step = np.arange(width, dtype=np.float64)
        apart = -height * np.log1p(-width / (places - step)).sum()
        pairs = _excess(2 * kept - scale, kept_pair) + _excess(2 * pruned - scale, pruned_pair)
        together = (per_band - 1) * (pairs + 2 * _excess(kept + pruned - scale, np.full(bands, apart)))
    variance = _sum_of_variances(float(alone.sum()), float(together.sum())) / per_band
    sd = math.exp((scale + math.log(variance)) / 2) / bands if variance else 0.0
    return Moments(float(np.exp(likely).mean()), sd)


def _sum_of_variances(alone: float, together: float) -> float:
    """Return alone + together, 0 where the two cancel but for rounding, as of a number that is fixed."""
    total = alone + together
    return total if total > 1e-12 * alone else 0.0


def _excess(product: Floats, ratio: Floats) -> Floats:
    """Return exp(product + ratio) - exp(product), exact where ``ratio`` is small and without overflow where not."""
    small = np.exp(product) * np.expm1(np.minimum(ratio, 1))
    return np.where(ratio < 1, small, np.exp(product + ratio) - np.exp(product))


def _log_all(counts: Counts, places: int, height: int, width: int) -> tuple[Floats, Floats]:
    """Return for each band of ``height`` rows ln p that a block keeps all, and ln of two blocks' probability over p²."""
    c = counts[:, np.newaxis].astype(np.float64)
    step = np.arange(width, dtype=np.float64)
    rows = np.where(c >= width, np.log(np.maximum(c - step, 1) / (places - step)), -np.inf).sum(1)
    pairs = np.full(counts.size, -np.inf)
    if places >= 2 * width:
        two = c[:, 0] >= 2 * width
        lost = width * (places - c[two]) / ((c[two] - step) * (places - width - step))
        pairs[two] = np.log1p(-lost).sum(1)
    in_bands = (-1, height)
    return rows.reshape(in_bands).sum(1), pairs.reshape(in_bands).sum(1)
