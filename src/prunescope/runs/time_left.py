"""The time that a run will still take, from what its levels took so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVELS_TO_FIT = 2  # so many finished levels tell how the time falls with the density


class TimeLeft:
    """Predicts the seconds of levels by a + b·u, both at least 0, fitted to those that are finished.

    ``densities``: the nominal density of each level that the run is expected to train, in their order.
    """

    def __init__(self, densities: Sequence[float]) -> None:
        self.densities = tuple(densities)
        self._taken: list[float] = []
        self._ends: list[float] = []

    def learn(self, taken: Sequence[float]) -> None:
        """Take the seconds of all finished levels, in their order, as what levels take."""
        self._taken = list(taken)

    def learn_end(self, seconds: float) -> None:
        """Take what the end of a level took, after its last step."""
        self._ends.append(seconds)

    @property
    def end(self) -> float:
        """The seconds that a level takes after its last step; 0 before any was seen."""
        return float(np.median(self._ends)) if self._ends else 0.0

    def of_all(self, whole: float, left: float) -> tuple[float, float]:
        """Return the least and the most seconds that are left, equal where finished levels tell the time of the others.

        ``whole``: the seconds of the current level by its pace, without its end. ``left``: those that are left of it.
        Before LEVELS_TO_FIT levels are finished, levels take between what is proportional to their density and as long
        as this one.
        """
        current = len(self._taken)
        if current >= len(self.densities):
            return left + self.end, left + self.end
        u, later = self.densities[current], np.array(self.densities[current + 1 :])
        whole, left = whole + self.end, left + self.end
        if current < LEVELS_TO_FIT:
            times = np.minimum(later / u, 1) * whole, np.maximum(later / u, 1) * whole
            return left + float(times[0].sum()), left + float(times[1].sum())
        predicted = self._fit(np.array([u, *later]))
        # What this level shows of the pace counts as far as it has come.
        done = 1 - left / whole if whole > 0 else 0.0
        pace = (1 - done) + done * whole / predicted[0] if predicted[0] > 0 else 1.0
        rest = left + pace * float(predicted[1:].sum())
        return rest, rest

    def _fit(self, densities: np.ndarray) -> np.ndarray:
        from scipy.optimize import nnls

        known = np.array(self.densities[: len(self._taken)])
        weight = 1.5 ** np.arange(len(known))  # The pace of the last levels is more like that of the next.
        columns = np.stack([np.ones_like(known), known], axis=1)
        (a, b), _ = nnls(columns * weight[:, None], np.array(self._taken) * weight)
        return np.asarray(a + b * densities)
