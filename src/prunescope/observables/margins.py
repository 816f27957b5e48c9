"""How unequally the kept weights are spread over units and over inputs, against two nulls (docs/science.md, "Margins").

Both sides of a mask are treated alike: ``MaskSide`` are its rows, or its columns. One null puts as many weights anywhere
in the layer. The other keeps how many weights lie on each line across, at uniform positions on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import Mask
from prunescope.observables.connectivity import variance_ratio
from prunescope.observables.count_distributions import CountDistribution, hypergeometric, independent
from prunescope.observables.measure import Scalar
from prunescope.observables.null_moments import Moments, fan_in_ratio_null
from prunescope.observables.shares import share_against

Counts = NDArray[np.int64]
# The sd of the largest count is taken as at least so many weights: counts are whole numbers.
LEAST_SD = 0.5
# The tail of a null begins where at most this share of its lines lies beyond.
TAIL = 0.01


@dataclass(frozen=True, eq=False)
class MaskSide:
    """The numbers of kept weights on each line of one side of a mask, and on each line across.

    ``counts``: int64 [lines], each out of as many places as there are lines across; ``across``: int64 [places].
    """

    counts: Counts
    across: Counts

    @classmethod
    def units(cls, mask: Mask) -> MaskSide:
        """Return the rows of a mask [n_out, n_in]: fan-ins, and fan-outs across."""
        return cls(mask.fan_in, mask.fan_out)

    @property
    def turned(self) -> MaskSide:
        """The lines of the other side."""
        return MaskSide(self.across, self.counts)

    @property
    def kept(self) -> int:
        """The number of kept weights."""
        return int(self.counts.sum())

    @property
    def varies(self) -> bool:
        """Whether the mask keeps some weights and not all."""
        return 0 < self.kept < self.counts.size * self.across.size

    @cached_property
    def anywhere(self) -> SideNull:
        """The null that keeps the number of weights alone."""
        lines, places, kept = self.counts.size, self.across.size, self.kept
        size = lines * places
        step = np.arange(places, dtype=np.float64)
        with np.errstate(divide="ignore"):  # log 0 where the weights fill too much of the layer
            alone = np.log1p(-np.minimum(1, kept / (size - step))).sum()
        both = -math.inf
        if lines > 1 and size - kept >= 2 * places:
            both = np.log1p(-places * kept / ((size - places - step) * (size - kept - step))).sum()
        return SideNull(
            line=hypergeometric(size, kept, places),
            ratio=fan_in_ratio_null(lines, places, kept),
            dead=_dead_moments(lines, float(alone), float(both)),
        )

    @cached_property
    def given_across(self) -> SideNull:
        """The null that keeps the counts across: each of those lines keeps its number, at uniform positions."""
        lines, places, kept = self.counts.size, self.across.size, self.kept
        across = self.across.astype(np.float64)
        share = across / lines
        spread = across * (1 - share)  # of the line across, over all lines
        binomial = kept / lines * (1 - kept / (lines * places))
        # Numbers that two lines across have in common are uncorrelated, so that their variances add.
        squares = 2 * (spread.sum() ** 2 - np.square(spread).sum()) / max(1, lines - 1)
        ratio = Moments(spread.sum() / lines / binomial, math.sqrt(max(0, squares)) / lines / binomial)
        with np.errstate(divide="ignore"):
            alone = np.log1p(-share).sum()
        both = -math.inf
        if lines > 1 and (across < lines - 1).all():
            both = np.log1p(-across / ((lines - 1) * (lines - across))).sum()
        return SideNull(independent(share), ratio, _dead_moments(lines, float(alone), float(both)))


@dataclass(frozen=True)
class SideNull:
    """What a null says of the lines of one side.

    ``line``: the distribution of one line's count, the same for every line. ``ratio``: the moments of the variance
    ratio, exact. ``dead``: those of the share of lines without a weight, exact.
    """

    line: CountDistribution
    ratio: Moments
    dead: Moments


def margin_scalars(mask: Any) -> dict[str, Scalar]:
    """Return how unequal fan-ins and fan-outs are, each against random pruning and given the other side's margins.

    mask: [n_out, n_in]. Names: fan_in_variance_ratio, fan_in_largest, fan_in_tail and dead_units, the same ending in
    _given_fan_out where the null keeps every input's fan-out; fan_out_… and dead_inputs, and _given_fan_in. All are
    nan for an empty or a dense mask. docs/science.md, "Margins".
    """
    units = MaskSide.units(Mask.of(mask))
    found: dict[str, Scalar] = {}
    for lines, side, dead in ((units, "fan_in", "dead_units"), (units.turned, "fan_out", "dead_inputs")):
        other = "fan_out" if side == "fan_in" else "fan_in"
        names = (f"{side}_variance_ratio", f"{side}_largest", f"{side}_tail", dead)
        for given, ending in ((False, ""), (True, f"_given_{other}")):
            values = _against(lines, given) if lines.varies else (Scalar(),) * len(names)
            found |= {name + ending: value for name, value in zip(names, values, strict=True)}
    return found


def _against(lines: MaskSide, given: bool) -> tuple[Scalar, ...]:
    """Return the scalars of one side against one null: variance ratio, largest, tail, dead."""
    null = lines.given_across if given else lines.anywhere
    ratio = Scalar.exactly(variance_ratio(lines.counts, lines.across.size), null.ratio)
    dead = share_against(float((lines.counts == 0).mean()), null.dead, lines.counts.size)
    return ratio, largest(lines, null), tail(lines, null), dead


def largest(lines: MaskSide, null: SideNull) -> Scalar:
    """Return the largest count over the mean count; its null is approximate, and its sd at least half a weight."""
    mean = lines.kept / lines.counts.size
    moments = null.line.largest_of(lines.counts.size)
    sd = max(LEAST_SD, moments.sd) if moments.sd else 0.0
    return Scalar.exactly(float(lines.counts.max()) / mean, Moments(moments.mean / mean, sd / mean))


def tail(lines: MaskSide, null: SideNull) -> Scalar:
    """Return the share of lines whose count exceeds the quantile 1 - TAIL of its distribution under the null."""
    count = lines.counts.size
    beyond = null.line.quantile(1 - TAIL)
    return share_against(float((lines.counts > beyond).mean()), null.line.share_beyond(beyond, count), count)


def _dead_moments(lines: int, alone: float, both: float) -> Moments:
    """Return the moments of the share of dead lines.

    alone: ln of the probability p that a line is dead; both: ln of the probability that two are, over p².
    """
    p = math.exp(alone)
    variance = (-math.expm1(alone) * p + (lines - 1) * p * p * math.expm1(both)) / lines
    return Moments(p, math.sqrt(max(0.0, variance)))
