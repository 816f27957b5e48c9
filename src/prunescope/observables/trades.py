"""Random masks with the same margins on both sides, by trades between pairs of units (docs/science.md,
"Masks with both margins")."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import BoolArray

# Products of matrices are dense where at least this share of the entries is kept, and sparse elsewhere.
DENSE_FROM = 0.06
# Rounds of trades before the first random mask, and between two.
FIRST_TRADES, TRADES = 24, 2


@dataclass(frozen=True, eq=False)
class KeptPlaces:
    """The kept weights of a mask [n_out, n_in] by their places, in no order: ``rows`` and ``columns``, int64 [kept]."""

    shape: tuple[int, int]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @classmethod
    def of(cls, array: BoolArray) -> KeptPlaces:
        """Return the places of what a bool array [n_out, n_in] keeps."""
        rows, columns = np.nonzero(array)
        return cls((array.shape[0], array.shape[1]), rows, columns)

    @property
    def array(self) -> BoolArray:
        """The mask as an array, bool [n_out, n_in]."""
        array = np.zeros(self.shape, np.bool_)
        array[self.rows, self.columns] = True
        return array

    @property
    def fan_in(self) -> NDArray[np.int64]:
        """The number of kept weights of each row, int64 [n_out]."""
        return np.bincount(self.rows, minlength=self.shape[0])

    @property
    def fan_out(self) -> NDArray[np.int64]:
        """The number of kept weights of each column, int64 [n_in]."""
        return np.bincount(self.columns, minlength=self.shape[1])

    @property
    def is_dense(self) -> bool:
        """Whether so many weights are kept that products of whole matrices are faster."""
        return len(self.rows) >= DENSE_FROM * math.prod(self.shape)

    def matrix(self, values: NDArray[np.float32]) -> Any:
        """Return a matrix of ``values`` at the kept places, the shorter side first: an array, or a sparse one."""
        rows, columns, shape = self.rows, self.columns, self.shape
        if shape[0] > shape[1]:
            rows, columns, shape = columns, rows, (shape[1], shape[0])
        if self.is_dense:
            matrix = np.zeros(shape, np.float32)
            matrix[rows, columns] = values
            return matrix
        from scipy.sparse import csr_array  # slow to import

        return csr_array((values, (rows, columns)), shape)


def same_margins(
    kept: KeptPlaces, rng: np.random.Generator, count: int, between: int = TRADES
) -> Iterator[KeptPlaces]:
    """Yield ``count`` random masks with the same fan-ins and fan-outs, so many rounds of trades apart.

    By trades (Strona et al. 2014), all units in pairs at a time (Carstens, Berger & Strona 2018). In the long run every
    mask of these margins is as likely as another.
    """
    for number in range(count):
        for _ in range(between if number else FIRST_TRADES):
            kept = trade(kept, rng)
        yield kept


def trade(kept: KeptPlaces, rng: np.random.Generator) -> KeptPlaces:
    """Return the mask after one trade of all units in random pairs; with an odd number one unit waits.

    A pair deals out anew the inputs that only one of the two keeps, all ways with the same fan-ins equally likely.
    """
    n_out, n_in = kept.shape
    order = rng.permutation(n_out)
    first, second = order[::2], np.append(order[1::2], order[:0] if n_out % 2 == 0 else order[-1:])
    pair = np.empty(n_out, np.int64)
    pair[first] = pair[second] = np.arange(len(first))
    bits = max(1, int(n_in - 1).bit_length())
    # Pair by pair and input by input: an input that both units keep is there twice, one after the other.
    places = np.sort(pair[kept.rows] << bits | kept.columns)
    again = places[1:] == places[:-1]
    twice = np.append(again, False)[: len(places)]
    common = places[twice]
    single = places[~(twice | np.append(False, again)[: len(places)])]
    of_single, of_common = single >> bits, common >> bits
    column = (1 << bits) - 1
    # The inputs of each pair in random order: a random number between the pair and the input, then sorted by value.
    free = 62 - bits - len(first).bit_length()
    number = rng.integers(0, 1 << free, len(single), np.int64)
    dealt = np.sort((of_single << free | number) << bits | (single & column)) & column
    pairs = len(first)
    starts = np.concatenate([[0], np.cumsum(np.bincount(of_single, minlength=pairs))[:-1]])
    wanted = kept.fan_in[first] - np.bincount(of_common, minlength=pairs)
    to_first = np.arange(len(single)) < (starts + wanted)[of_single]
    owner = np.where(to_first, first[of_single], second[of_single])
    shared = common & column
    return KeptPlaces(
        kept.shape,
        np.concatenate([owner, first[of_common], second[of_common]]),
        np.concatenate([dealt, shared, shared]),
    )
