"""Reporting: what a run tells whoever watches it; this interface, and a reporter that says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.experiment import Experiment
    from prunescope.mask import ImageShape
    from prunescope.training.levels import Level
    from prunescope.training.loop import Evaluation


class Reporter:
    """Hears what a run does; this one says nothing."""

    def preparing(self, done: int, total: int, what: str) -> None:
        """Data preparation has done ``done`` of ``total`` of ``what``."""

    def started(
        self, path: Path, experiment: Experiment, rows: list[dict[str, Any]], engine: str = ""
    ) -> None:
        """A run starts or resumes with the rows of levels.parquet it has; ``engine``: which, and why."""

    def level_started(self, level: Level, step: int, shape: ImageShape) -> None:
        """A level starts, or resumes after ``step`` updates."""

    def stepped(self, level: Level, step: int) -> None:
        """``step`` updates of the level are done."""

    def evaluated(self, look: Evaluation) -> None:
        """The validation set was looked at."""

    def level_finished(self, rows: list[dict[str, Any]]) -> None:
        """A level is stored; ``rows`` are those of every finished level."""

    def finished(self, path: Path, rows: list[dict[str, Any]]) -> None:
        """The run is done."""

    def close(self) -> None:
        """Give the terminal back."""


silent = Reporter()
