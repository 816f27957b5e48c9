"""The units of one mask matched to those of another, so that both keep as many weights as possible together.

The numbers of units carry no meaning: two networks may have learned the same in another order. The best matching of
random masks shares more than chance does, so that its null matches random masks in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables.fixed_margins import draws_at_margins
from prunescope.observables.measure import Scalar
from prunescope.observables.null_masks import SHUFFLES
from prunescope.observables.overlap import MaskOverlap, jaccard, overlap, same_shape

# The null matches at most so many units, and as many as keep at most so many weights in each mask.
MOST_SAMPLED, MOST_KEPT = 1024, 1 << 18
# Layers of more units are not matched: their table of shared weights would take gigabytes.
MOST_UNITS = 8192
# So many entries of a mask are multiplied at a time.
TILE = 1 << 24

Order = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class UnitMatching:
    """The matching of units under which two masks share the most weights.

    ``order``: for each unit of the first mask the unit of the second that is matched to it, [n_out].
    ``shared``: the number of weights that both keep once matched; ``kept``: the number that each keeps.
    ``share``: the shared weights over the smaller of the two, against random masks of the same margins that are matched
    in the same way. Of a large layer it is measured on ``sampled`` units of either mask, which are matched among
    themselves, and so is its null. ``sampled`` is None where these are all. docs/science.md, "Matched units".
    """

    order: Order
    shared: int
    kept: tuple[int, int]
    share: Scalar
    sampled: int | None = None

    @property
    def jaccard(self) -> float:
        """The weights that both keep once matched over those that at least one keeps."""
        return jaccard(self.shared, self.kept)


def match_units(
    first: Any, second: Any, inputs: Order | None = None, *, draws: int = SHUFFLES
) -> UnitMatching:
    """Match the units of two masks [n_out, n_in] so that they share the most weights.

    ``inputs``: for each input of the first mask the one of the second that corresponds to it, [n_in]; None where they
    have the same numbers. Of equally good matchings one is taken that leaves the most units where they are.
    ``draws``: the number of pairs of random masks that the null matches; there is no z from fewer than 50, and no null
    from none. Exchanging the masks inverts the matching and changes no number.
    Raises InputError for masks of two shapes, and for more than 8192 units. docs/science.md, "Matched units".
    """
    a, b = same_shape(first, second)
    if a.n_out > MOST_UNITS:
        raise InputError(f"{a.n_out} units are more than the {MOST_UNITS} that can be matched")
    columns = np.arange(a.n_in) if inputs is None else np.asarray(inputs, dtype=np.int64)
    # Whichever is given first, the same numbers are computed.
    if a.digest > b.digest:
        back = match_units(b, a, np.argsort(columns), draws=draws)
        return UnitMatching(np.argsort(back.order), back.shared, back.kept[::-1], back.share, back.sampled)
    order, shared = _best(a, b, columns)
    rows = sampled_units(a, b)
    if rows is None:
        return UnitMatching(order, shared, (a.kept, b.kept), _against_null(a, b, columns, shared, draws))
    part_a, part_b = Mask(a.array[rows]), Mask(b.array[rows])
    share = _against_null(part_a, part_b, columns, _best(part_a, part_b, columns)[1], draws)
    return UnitMatching(order, shared, (a.kept, b.kept), share, len(rows))


def sampled_units(first: Mask, second: Mask) -> Order | None:
    """Return the units on which the null of a matching is measured, evenly spread over the layer; None for all."""
    kept = max(first.kept, second.kept, 1)
    pruned = max(first.array.size - first.kept, second.array.size - second.kept, 1)
    # A mask is drawn by moving its kept weights, or those it lacks where they are fewer.
    moved = min(kept, pruned)
    count = min(first.n_out, MOST_SAMPLED, max(2, MOST_KEPT * first.n_out // moved))
    if count == first.n_out:
        return None
    return np.round(np.linspace(0, first.n_out - 1, count)).astype(np.int64)


def _best(first: Mask, second: Mask, columns: Order) -> tuple[Order, int]:
    """Return the best matching and the number of weights shared under it."""
    from scipy.optimize import linear_sum_assignment

    shared = shared_by_units(first, second, columns)
    favoured = shared.astype(np.float64)
    # All units that stay together weigh less than one weight.
    np.fill_diagonal(favoured, favoured.diagonal() + 0.5 / len(shared))
    rows, order = linear_sum_assignment(favoured, maximize=True)
    return order.astype(np.int64), int(shared[rows, order].sum(dtype=np.float64))


def shared_by_units(first: Mask, second: Mask, columns: Order) -> NDArray[np.float32]:
    """Return how many weights each unit of one mask shares with each unit of the other, [n_out, n_out].

    ``columns``: for each input of the first mask the one of the second, [n_in]. Sums of products of 0 and 1 are exact in
    float32 up to 2^24 inputs.
    """
    shared = np.zeros((first.n_out, second.n_out), np.float32)
    width = max(1, TILE // first.n_out)
    for left in range(0, first.n_in, width):
        part = slice(left, left + width)
        own = first.array[:, part].astype(np.float32)
        shared += own @ second.array[:, columns[part]].astype(np.float32).T
    return shared


def _against_null(first: Mask, second: Mask, columns: Order, shared: int, draws: int) -> Scalar:
    """Return the share of the weights that are shared after matching, against random masks that are matched too."""
    smaller = min(first.kept, second.kept)
    if not smaller:
        return Scalar()
    # Two masks may be equal: the random ones that stand for them must not be.
    pairs = zip(
        draws_at_margins(first, draws, "first of a match"),
        draws_at_margins(second, draws, "second of a match"),
        strict=True,
    )
    return Scalar.against(shared / smaller, [_best(a, b, columns)[1] / smaller for a, b in pairs])


@dataclass(frozen=True, eq=False)
class LayerPair:
    """The masks of a layer of two networks, and how the layer stands among the others.

    ``follows``: whether its inputs are the units of the pair before it, so that their matching reorders them; each unit
    may stand for several inputs in a row, as the channel of a convolution does.
    ``matched``: whether its units may be matched; those of an output layer have a meaning. ``rows``: the rows of each
    unit, int64 [units, rows of a unit], where several rows are one unit; None where each row is one.
    """

    first: Mask
    second: Mask
    follows: bool = False
    matched: bool = True
    rows: Order | None = None

    @property
    def units(self) -> int:
        """The number of units."""
        return self.first.n_out if self.rows is None else len(self.rows)

    def match(self, inputs: Order | None, draws: int) -> UnitMatching:
        """Return the matching of the units, all rows of a unit together; ``inputs``: as for ``match_units``."""
        if self.rows is None:
            return match_units(self.first, self.second, inputs, draws=draws)
        first, second = (
            Mask.owning(one.array[self.rows].reshape(self.units, -1)) for one in (self.first, self.second)
        )
        if inputs is not None:
            starts = self.first.n_in * np.arange(self.rows.shape[1])
            inputs = (starts[:, np.newaxis] + inputs).ravel()
        return match_units(first, second, inputs, draws=draws)


def overlap_layers(
    pairs: Sequence[LayerPair] | Iterator[LayerPair], *, match: bool = True, draws: int = SHUFFLES
) -> Iterator[tuple[MaskOverlap, UnitMatching | None]]:
    """Yield the overlap of each pair of layers as they are, and after matching; None without a matching.

    Layers are matched one after the other from the inputs, greedily: the matching of a layer's units reorders the
    inputs of a layer that follows it, before that layer's own units are matched. Of a layer whose inputs are reordered
    and whose units must not be matched, the matching leaves the units where they are. docs/science.md, "Matched units".
    """
    order: Order | None = None
    for pair in pairs:
        plain = overlap(pair.first, pair.second)
        inputs = carried(order, pair.first.n_in) if pair.follows else None
        if not match:
            order = None
        elif not pair.matched:
            yield plain, None if inputs is None else _reordered(pair, inputs)
            order = None
            continue
        elif pair.units > MOST_UNITS:
            order = None
        else:
            found = pair.match(inputs, draws)
            yield plain, found
            order = found.order
            continue
        yield plain, None


def carried(order: Order | None, n_in: int) -> Order | None:
    """Return how a matching of units reorders the n_in inputs that they are; None where it does not."""
    if order is None:
        return None
    if n_in % len(order):
        raise InputError(f"{n_in} inputs are no whole number for each of {len(order)} units")
    block = n_in // len(order)
    return (order[:, np.newaxis] * block + np.arange(block)).ravel()


def _reordered(pair: LayerPair, inputs: Order) -> UnitMatching:
    """Return the overlap under a reordering of the inputs alone, whose null is that of the two masks' margins."""
    plain = overlap(pair.first, Mask(pair.second.array[:, inputs]))
    return UnitMatching(np.arange(pair.first.n_out), plain.shared, plain.kept, plain.share)
