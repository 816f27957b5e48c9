"""The progress of a run in a notebook: a table of levels and a bar, redrawn where the cell's output is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.analysis.formats import number, span
from prunescope.analysis.input_wording import images_text
from prunescope.cli.forecast import Forecast, first_layer_rows
from prunescope.data.input_wording import INPUTS
from prunescope.notebook.markup import card, folded, line, text
from prunescope.notebook.runs import level_table
from prunescope.runs.reporting import Reporter

if TYPE_CHECKING:
    from prunescope.experiment import Experiment
    from prunescope.mask import ImageShape
    from prunescope.training.levels import Level
    from prunescope.training.loop import Evaluation

EVERY = 0.5  # seconds from one drawing to the next


def in_notebook() -> bool:
    """Return whether the process is a kernel of IPython, whose outputs may be redrawn."""
    import sys

    if "IPython" not in sys.modules:  # It is there in every kernel, and need not be imported to know.
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


class NotebookProgress(Reporter):
    """A reporter that shows a run below the cell that started it."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._forecast = Forecast()
        self._level: Level | None = None
        self._evaluation: Evaluation | None = None
        self._heading, self._inputs, self._preparing = "", "images", ""
        self._notes: list[str] = []
        self._is_done = False
        self._handle: Any = None
        self._drawn = 0.0

    def preparing(self, done: int, total: int, what: str) -> None:
        self._preparing = f"{what}: {done:,} of {total:,}"
        self._draw(now=False)

    def started(
        self, path: Path, experiment: Experiment, rows: list[dict[str, Any]], engine: str = ""
    ) -> None:
        self._heading = f"{path}, engine {engine}" if engine else str(path)
        self._preparing, self._rows = "", first_layer_rows(rows)
        self._inputs = INPUTS[experiment.data.geometry]
        self._forecast = Forecast(experiment, self._rows)
        self._draw()

    def level_started(self, level: Level, step: int, shape: ImageShape) -> None:
        self._level, self._evaluation = level, None
        self._forecast.start(level, step)
        self._draw()

    def stepped(self, level: Level, step: int) -> None:
        self._forecast.at(step)
        self._draw(now=False)

    def evaluated(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation

    def level_finished(self, rows: list[dict[str, Any]]) -> None:
        self._rows, self._level = first_layer_rows(rows), None
        self._forecast.finish(self._rows)
        self._draw()

    def note(self, text: str) -> None:
        self._notes.append(text)
        self._draw()

    def finished(self, path: Path, rows: list[dict[str, Any]]) -> None:
        self._level, self._is_done = None, True
        self._draw()

    def close(self) -> None:
        """Take the bar away; the table stays."""
        self._level, self._preparing = None, ""
        if self._handle is not None:
            self._draw()

    def _draw(self, *, now: bool = True) -> None:
        """Show how far the run is, at most every half second unless ``now``."""
        if not now and time.monotonic() - self._drawn < EVERY:
            return
        self._drawn = time.monotonic()
        from IPython.display import HTML, display

        shown = HTML(self.html())
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)

    def html(self) -> str:
        """Return what is shown now."""
        parts = [line(text(self._heading), muted=True)]
        parts += [line(text(note)) for note in self._notes]
        if self._rows:
            levels = level_table(self._rows)
            # The run itself, which a cell usually ends with, shows the same table.
            parts.append(folded(f"done, {len(self._rows)} levels", levels) if self._is_done else levels)
        if self._level is not None:
            parts += [_bar(self._forecast.clock.step, self._forecast.clock.total), line(text(self._ahead()))]
        if self._preparing:
            parts.append(line(text(self._preparing)))
        return card(parts)

    def _ahead(self) -> str:
        assert self._level is not None
        clock = self._forecast.clock
        parts = [f"level {self._level.number}{self._forecast.of_levels()}"]
        if clock.left is not None:
            parts.append(f"{span(clock.left)} left in this level{self._forecast.in_all()}")
        parts.append(f"{clock.rate:.0f} steps/s")
        if self._evaluation is not None:
            val = self._evaluation.val
            parts.append(
                f"accuracy {number(val.accuracy, 'percent')} on {images_text([val.images], 'validation', self._inputs)}"
            )
        return "  ".join(parts)


def _bar(done: int, total: int) -> str:
    """Return a bar of which ``done`` of ``total`` is filled."""
    share = 100 * done / total if total else 0
    return (
        f'<progress value="{share:.1f}" max="100" style="width:360px"></progress> {done:,} of {total:,} steps'
    )
