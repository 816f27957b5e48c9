"""What is ahead of a run while it trains, in words: levels and time; live views and plain lines say it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prunescope.analysis.formats import span
from prunescope.runs.time_left import TimeLeft

if TYPE_CHECKING:
    from prunescope.experiment import Experiment
    from prunescope.training.levels import Level


class Forecast:
    """What is ahead of a run: the levels that its method expects, and the time that they will take."""

    def __init__(self, experiment: Experiment | None = None, rows: Sequence[dict[str, Any]] = ()) -> None:
        self.clock = _Clock()
        self._experiment, self._seconds = experiment, [row.get("seconds") or 0.0 for row in rows]
        self._left: TimeLeft | None = None
        self._last: int | None = None  # the number of the last level
        self._assumed, self._condition = False, ""

    def start(self, level: Level, step: int) -> None:
        """Count the steps of a level from ``step`` on."""
        if self._left is None and self._experiment is not None:
            self._expect(self._experiment, level)
        if self._left is not None:
            self._left.learn(self._seconds)
            self._last = level.number + len(self._left.densities) - len(self._seconds) - 1
        self.clock.start(level.steps, step)

    def _expect(self, experiment: Experiment, level: Level) -> None:
        from prunescope.errors import InputError
        from prunescope.pruning import find_traits

        shapes = level.ticket.shapes
        sizes = (shapes[0][1], *(n_out for n_out, _ in shapes), level.model.layers[-1].weight.shape[0])
        try:
            expected = find_traits(experiment.prune.method).expected(experiment.prune, sizes)
        except InputError:  # The run itself reports what is wrong.
            return
        self._left = TimeLeft(expected.densities)
        self._assumed = bool(expected.assumed)
        if self._assumed:
            self._condition = f" if {len(expected.densities)} levels are trained"
        elif expected.ends:
            self._condition = f", less if before then {expected.ends}"

    def at(self, step: int) -> None:
        """Take note that ``step`` updates of the level are done."""
        self.clock.at(step)

    def finish(self, rows: Sequence[dict[str, Any]]) -> None:
        """Take note of the rows of all finished levels."""
        self._seconds = [row.get("seconds") or 0.0 for row in rows]
        if self._left is not None:
            self._left.learn_end(self.clock.since_last)

    def of_levels(self) -> str:
        """Return how many levels there will be, as in `` of 17``."""
        return "" if self._last is None or self._assumed else f" of {self._last}"

    def in_all(self) -> str:
        """Return the time that is left in all: a range until finished levels tell how it falls with the density."""
        left = self.clock.left
        if left is None or self._left is None:
            return ""
        low, high = self._left.of_all(self.clock.total / self.clock.rate, left)
        text = f"about {span(high)}" if low == high else f"{span(low)} to {span(high)}"
        return f", {text} left in all{self._condition}"


class _Clock:
    """A clock that measures the rate of steps of the current level since it started or resumed."""

    def __init__(self) -> None:
        self.start(0, 0)

    def start(self, total: int, step: int) -> None:
        self.total, self.step, self._first, self._began = total, step, step, time.monotonic()
        self._last = self._began

    def at(self, step: int) -> None:
        self.step, self._last = step, time.monotonic()

    @property
    def since_last(self) -> float:
        """The seconds since the last step."""
        return time.monotonic() - self._last

    @property
    def rate(self) -> float:
        spent = time.monotonic() - self._began
        return (self.step - self._first) / spent if spent > 0 else 0.0

    @property
    def left(self) -> float | None:
        return (self.total - self.step) / self.rate if self.rate > 0 else None


def first_layer_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a level table that are of the first layer."""
    return [row for row in rows if row["layer"] == 1]
