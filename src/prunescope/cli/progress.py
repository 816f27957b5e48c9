"""Reporters of a run's progress: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.analysis.formats import number, span
from prunescope.analysis.input_wording import images_text
from prunescope.analysis.nulls import sampled_z
from prunescope.cli.forecast import Forecast, first_layer_rows
from prunescope.cli.plain_output import own_stream, shown
from prunescope.data.input_wording import INPUTS
from prunescope.runs.columns import find_column, shown_on
from prunescope.runs.reporting import Reporter

if TYPE_CHECKING:
    from rich.console import Group

    from prunescope.experiment import Experiment
    from prunescope.mask import ImageShape
    from prunescope.training.levels import Level
    from prunescope.training.loop import Evaluation


# What a narrow terminal calls columns whose titles are long.
SHORT = {
    "best_val_accuracy": "best",
    "final_val_accuracy": "final",
    "locality_z": "z",
}


def level_line(row: dict[str, Any]) -> str:
    """Return a line that describes a finished level, from its row of the first layer.

    u is the nominal density of the whole network; what belongs to the first layer alone follows its name.
    """

    def of(name: str) -> str:
        return number(row.get(name), find_column(name).format)

    return (
        f"level {row['level']:2d}  u {of('nominal_density'):>8}  best {of('best_val_accuracy'):>7}  "
        f"final {of('final_val_accuracy'):>7}  layer 1: weight density {of('weight_density'):>8}, "
        f"locality {of('locality')}{z_text(row)}  {of('seconds')}"
    )


def z_text(row: Mapping[str, Any]) -> str:
    """Return the z of a row's locality in brackets, with the number of shuffled masks where they gave its sd."""
    if row.get("locality_z") is None:
        return ""
    count = sampled_z(row)
    of = f", {count} shuffles" if count else ""
    return f" (z {number(row['locality_z'], find_column('locality_z').format)}{of})"


class ProgressLines:
    """The plain lines on stderr that reporters of runs and of sweeps share.

    every: seconds without a line after which one on the progress is due.
    """

    def __init__(self, every: float = 60.0) -> None:
        self._every = every
        self._last = time.monotonic()
        self._what = ""

    def preparing(self, done: int, total: int, what: str) -> None:
        """Say how far the preparation of data is, at most once in ten seconds."""
        if what != self._what or time.monotonic() - self._last > 10:
            self._what = what
            self.say(f"{what}: {done} of {total}")
            self._last = time.monotonic()

    def note(self, text: str) -> None:
        """Say what a reader of the numbers has to know."""
        self.say(f"prunescope: {text}")

    def say(self, text: str) -> None:
        """Print a line to stderr at once."""
        print(shown(text), file=sys.stderr, flush=True)

    def due(self) -> bool:
        """Return whether a line on the progress is due, and count from now on if it is."""
        if time.monotonic() - self._last <= self._every:
            return False
        self._last = time.monotonic()
        return True


class ProgressView(ABC):
    """The live view on stderr that reporters of runs and of sweeps share: ``_view`` makes it, four times a second.

    What ``_view`` reads is set before this class's ``__init__``, which draws once.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._note = ""
        self._live = RichLive(
            get_renderable=self._view,
            console=Console(file=own_stream(sys.stderr)),
            refresh_per_second=4,
            transient=False,
        )

    def preparing(self, done: int, total: int, what: str) -> None:
        """Show how far the preparation of data is."""
        self._note = f"{what}: {done:,} of {total:,}"

    def note(self, text: str) -> None:
        """Print above the view what a reader of the numbers has to know."""
        self._live.console.print(f"prunescope: {shown(text)}", highlight=False, markup=False)

    def close(self) -> None:
        """Stop redrawing and release the terminal."""
        self._live.stop()

    @abstractmethod
    def _view(self) -> Group:
        """Return what is shown now."""


class Lines(ProgressLines, Reporter):
    """A reporter of plain lines on stderr: one for each level, and one every ``every`` seconds inside it."""

    def __init__(self, every: float = 60.0) -> None:
        super().__init__(every)
        self._forecast = Forecast()
        self._images: int | None = None
        self._inputs = "images"

    def say(self, text: str) -> None:
        """Print a line to stderr at once; the next one on the progress is due ``every`` seconds later."""
        self._last = time.monotonic()
        super().say(text)

    def started(
        self, path: Path, experiment: Experiment, rows: list[dict[str, Any]], engine: str = ""
    ) -> None:
        self._forecast = Forecast(experiment, first_layer_rows(rows))
        self._inputs = INPUTS[experiment.data.geometry]
        self.say(f"{path}: {'resuming' if rows else 'starting'} {experiment.name}")
        if engine:
            self.say(f"engine {engine}")

    def level_started(self, level: Level, step: int, shape: ImageShape) -> None:
        self._forecast.start(level, step)
        if step:
            self.say(f"level {level.number}: resuming at step {step} of {level.steps}")

    def stepped(self, level: Level, step: int) -> None:
        self._forecast.at(step)
        if self.due():
            rate = f"{self._forecast.clock.rate:.0f} steps/s"
            self.say(f"level {level.number}: step {step} of {level.steps}, {rate}{self._forecast.in_all()}")

    def evaluated(self, evaluation: Evaluation) -> None:
        if self._images != evaluation.val.images:
            self._images = evaluation.val.images
            self.say(f"accuracies are on {images_text([self._images], 'validation', self._inputs)}")

    def level_finished(self, rows: list[dict[str, Any]]) -> None:
        self._forecast.finish(first_layer_rows(rows))
        self.say(level_line(first_layer_rows(rows)[-1]))


class Live(ProgressView, Reporter):
    """A reporter that redraws a table of levels and a bar for the current one, on stderr."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._forecast = Forecast()
        self._level: Level | None = None
        self._evaluation: Evaluation | None = None
        self._heading, self._inputs = "", "images"
        super().__init__()
        self._live.start()

    def started(
        self, path: Path, experiment: Experiment, rows: list[dict[str, Any]], engine: str = ""
    ) -> None:
        self._heading = f"{path}, engine {engine}" if engine else str(path)
        self._note, self._rows, self._inputs = "", first_layer_rows(rows), INPUTS[experiment.data.geometry]
        self._forecast = Forecast(experiment, self._rows)

    def level_started(self, level: Level, step: int, shape: ImageShape) -> None:
        self._level, self._evaluation, self._note = level, None, ""
        self._forecast.start(level, step)

    def stepped(self, level: Level, step: int) -> None:
        self._forecast.at(step)

    def evaluated(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation

    def level_finished(self, rows: list[dict[str, Any]]) -> None:
        self._rows, self._level, self._note = first_layer_rows(rows), None, ""
        self._forecast.finish(self._rows)

    def _view(self) -> Group:
        from rich.console import Group
        from rich.padding import Padding
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        columns = [find_column("level"), *shown_on("live")]
        for column in columns:
            title = SHORT.get(column.name, column.title)
            # The rows are those of the first layer, which alone has what belongs to a layer.
            named = column.of == "layer" and column.name != "locality_z"
            table.add_column(f"{title} of layer 1" if named else title, justify="right")
        for row in self._rows[-24:]:
            table.add_row(*(number(row.get(column.name), column.format) for column in columns))
        parts: list[Any] = [Text(shown(self._heading), style="dim"), table]
        if self._level is not None:
            clock = self._forecast.clock
            # a bar alone does not end its line
            parts.append(Padding(ProgressBar(total=clock.total, completed=clock.step, width=60), 0))
            parts.append(
                Text(f"level {self._level.number}{self._ahead()}  {clock.rate:.0f} steps/s{self._seen()}")
            )
        if self._note:
            parts.append(Text(shown(self._note)))
        return Group(*parts)

    def _ahead(self) -> str:
        left = self._forecast.clock.left
        text = self._forecast.of_levels()
        return text if left is None else f"{text}  {span(left)} left in this level{self._forecast.in_all()}"

    def _seen(self) -> str:
        if self._evaluation is None:
            return ""
        val, loss = self._evaluation.val, number(self._evaluation.train_loss, "nats")
        return f"  validation {number(val.accuracy, 'percent')} of {val.images:,} {self._inputs}  training loss {loss}"
