"""How many weights two masks of one shape keep both, against what chance gives at the same margins."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables.fixed_margins import MarginOdds, margin_odds
from prunescope.observables.measure import NAN, Scalar
from prunescope.observables.null_moments import Moments

Floats = NDArray[np.float64]

# So many entries of probabilities are in memory at once.
TILE = 1 << 20
# The additive part of a table is fitted by so many passes over its rows and columns.
PASSES = 5


@dataclass(frozen=True)
class MaskOverlap:
    """What two masks of one shape share.

    ``shared``: the number of weights that both keep. ``kept``: the number that each keeps.
    ``share``: ``shared`` over the smaller of these two, against masks that keep the fan-ins and the fan-outs of each.
    ``share_at_fan_in``: the same against masks that keep the fan-ins alone. docs/science.md, "Overlap".
    """

    shared: int
    kept: tuple[int, int]
    share: Scalar
    share_at_fan_in: Scalar

    @property
    def jaccard(self) -> float:
        """The weights that both keep over those that at least one keeps; nan where neither keeps any."""
        return jaccard(self.shared, self.kept)


def overlap(first: Any, second: Any) -> MaskOverlap:
    """Count the weights that two masks keep both, and compare that with independent masks of the same margins.

    first, second: anything ``Mask.of`` takes, [n_out, n_in]. Both nulls have a closed form: that of the fan-ins is
    exact, that of fan-ins and fan-outs asymptotic for large layers (exact where all fan-ins and all fan-outs are equal).
    Exchanging the masks changes nothing. Raises InputError for masks of two shapes. docs/science.md, "Overlap".
    """
    a, b = same_shape(first, second)
    shared = int(np.count_nonzero(a.array & b.array))
    kept = a.kept, b.kept
    return MaskOverlap(
        shared,
        kept,
        share_of(shared, kept, shared_null(a, b)),
        share_of(shared, kept, shared_null_at_fan_in(a, b)),
    )


def same_shape(first: Any, second: Any) -> tuple[Mask, Mask]:
    """Return two masks; raise InputError where their shapes differ."""
    a, b = Mask.of(first), Mask.of(second)
    if a.array.shape != b.array.shape:
        raise InputError(
            f"the first mask is {a.n_out}x{a.n_in}, the second {b.n_out}x{b.n_in}: masks of one shape overlap"
        )
    return a, b


def jaccard(shared: int, kept: tuple[int, int]) -> float:
    """Return the weights that two masks share over those that at least one keeps; nan where neither keeps any."""
    either = sum(kept) - shared
    return shared / either if either else NAN


def share_of(shared: int, kept: tuple[int, int], null: Moments) -> Scalar:
    """Return shared weights over the smaller number of kept ones, with the moments of ``shared`` scaled likewise."""
    smaller = min(kept)
    if not smaller:
        return Scalar()
    return Scalar.exactly(shared / smaller, Moments(null.mean / smaller, null.sd / smaller))


def shared_null_at_fan_in(first: Mask, second: Mask) -> Moments:
    """Return the moments of the number of shared weights of masks with given fan-ins at uniform positions. Exact.

    Units share independent hypergeometric numbers.
    """
    n = first.n_in
    a, b = first.fan_in.astype(np.float64), second.fan_in.astype(np.float64)
    variance = float((a * b * (n - a) * (n - b)).sum()) / (n * n * (n - 1)) if n > 1 else 0.0
    return Moments(float((a * b).sum()) / n, math.sqrt(variance))


def shared_null(first: Mask, second: Mask) -> Moments:
    """Return the moments of the number of shared weights of two masks drawn independently at their margins.

    Each is drawn uniformly from all masks with its fan-ins and its fan-outs. Asymptotic for large layers, and exact
    where all fan-ins are equal and all fan-outs are. docs/science.md, "Masks with both margins".
    """
    odds = margin_odds(first.fan_in, first.fan_out), margin_odds(second.fan_in, second.fan_out)
    classes = _Classes.of(*odds)
    mean = both = 0.0
    for p, q, weight in classes.tables():
        mean += float((weight * p * q).sum())
        both += float((weight * p * (1 - p) * q * (1 - q)).sum())
    variance = both + classes.beside_margins() + classes.exchanged().beside_margins()
    free = [
        int((getattr(odds[0], side) & getattr(odds[1], side)).sum()) for side in ("free_rows", "free_columns")
    ]
    # Margins that are fixed make entries repel each other a little; exact where all are equal.
    factor = math.prod(n / (n - 1) if n > 1 else 0.0 for n in free)
    return Moments(mean, math.sqrt(variance * factor))


@dataclass(frozen=True, eq=False)
class _Classes:
    """The log-odds of two masks' entries by classes: units, and inputs, that have the same margins in both masks.

    ``first`` and ``second`` hold a log-odd for each class of units and each class of inputs, ``units`` and ``inputs``
    their sizes. Few classes stand for many units, so that a sum over all entries takes little time.
    """

    first: MarginOdds
    second: MarginOdds
    units: NDArray[np.int64]
    inputs: NDArray[np.int64]

    @classmethod
    def of(cls, first: MarginOdds, second: MarginOdds) -> _Classes:
        """Return the classes of two masks."""
        rows, units = np.unique(np.stack([first.rows, second.rows]), axis=1, return_counts=True)
        columns, inputs = np.unique(np.stack([first.columns, second.columns]), axis=1, return_counts=True)
        return cls(MarginOdds(rows[0], columns[0]), MarginOdds(rows[1], columns[1]), units, inputs)

    def exchanged(self) -> _Classes:
        """Return the same with the masks exchanged."""
        return _Classes(self.second, self.first, self.units, self.inputs)

    def tables(self) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Yield the probabilities of both masks' entries, some classes of units at a time, and how many have them."""
        height = max(1, TILE // len(self.inputs))
        for top in range(0, len(self.units), height):
            part = slice(top, top + height)
            weight = (self.units[part, np.newaxis] * self.inputs).astype(np.float64)
            yield self.first.probabilities(part), self.second.probabilities(part), weight

    def beside_margins(self) -> float:
        """Return the variance of Σ x q over random entries x of the first mask, q being the second's probabilities.

        Only what q has beside a part of each row and a part of each column varies, because the margins of x do not.
        """
        columns = np.zeros(len(self.inputs))
        remaining = 0.0
        for _ in range(PASSES):
            remaining = 0.0
            above, below = np.zeros_like(columns), np.zeros_like(columns)
            for p, q, weight in self.tables():
                v = weight * p * (1 - p)
                rest = q - columns
                rest -= _over((v * rest).sum(axis=1), v.sum(axis=1))[:, np.newaxis]
                remaining += float((v * rest**2).sum())
                above += (v * rest).sum(axis=0)
                below += v.sum(axis=0)
            columns += _over(above, below)
        return remaining


def _over(above: Floats, below: Floats) -> Floats:
    """Return quotients, 0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
