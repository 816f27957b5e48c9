"""How many of equal boxes are left empty when some of all their places are drawn: exact central moments."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class EmptyBoxes:
    """Moments of the number E of empty boxes of each unit, float64 [units].

    ``mean``; ``second``, ``third``, ``fourth``: central moments; ``one``: the probability that a given box is empty;
    ``two``: that two given boxes are.
    """

    boxes: int
    mean: NDArray[np.float64]
    second: NDArray[np.float64]
    third: NDArray[np.float64]
    fourth: NDArray[np.float64]
    one: NDArray[np.float64]
    two: NDArray[np.float64]

    @property
    def spread(self) -> NDArray[np.float64]:
        """The expected Σ_g (b_g - b̄)² of b_g = 1 where box g is not empty: E (E (G - E) / G)."""
        return self.mean - (self.second + self.mean**2) / self.boxes

    @property
    def spread_variance(self) -> NDArray[np.float64]:
        """The variance of that sum."""
        slope = 1 - 2 * self.mean / self.boxes
        return np.asarray(
            slope**2 * self.second
            - 2 * slope / self.boxes * self.third
            + (self.fourth - self.second**2) / self.boxes**2
        )


def empty_boxes(drawn: NDArray[np.int64], boxes: int, slots: int) -> EmptyBoxes:
    """Return the moments of the number of empty boxes of each unit, when it draws places without repetition.

    drawn: int [units], out of boxes · slots places. Exact: sums of integers, divided once.
    """
    distinct, where = np.unique(drawn, return_inverse=True)
    table = np.array([_moments(int(kept), boxes, slots) for kept in distinct]).reshape(-1, 6)
    return EmptyBoxes(boxes, *table[where.ravel()].T)


def _moments(kept: int, boxes: int, slots: int) -> tuple[float, ...]:
    """Return mean, second, third and fourth central moment, and the probabilities of one and two empty boxes."""
    size, orders = boxes * slots, min(4, boxes)
    whole = math.perm(size, orders * slots)
    # r given boxes are empty with the probability (size - kept)⁽ʳˢ⁾ / size⁽ʳˢ⁾, here all over the same number.
    empty = [whole]
    for r in range(1, 5):
        rest = math.perm(size - r * slots, (orders - r) * slots) if r <= orders else 0
        empty.append(math.perm(size - kept, r * slots) * rest if r <= orders else 0)
    f1, f2, f3, f4 = (math.perm(boxes, r) * empty[r] for r in range(1, 5))
    m1, m2, m3, m4 = f1, f2 + f1, f3 + 3 * f2 + f1, f4 + 6 * f3 + 7 * f2 + f1
    return (
        m1 / whole,
        (m2 * whole - m1**2) / whole**2,
        (m3 * whole**2 - 3 * m1 * m2 * whole + 2 * m1**3) / whole**3,
        (m4 * whole**3 - 4 * m1 * m3 * whole**2 + 6 * m1**2 * m2 * whole - 3 * m1**4) / whole**4,
        empty[1] / whole,
        empty[2] / whole,
    )
