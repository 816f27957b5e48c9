"""Reporters are told what a run does as it happens; this one ignores it, and others show or send it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.experiment import Experiment
    from prunescope.mask import ImageShape
    from prunescope.training.levels import Level
    from prunescope.training.loop import Evaluation


class Reporter:
    """Receives the events of a run; this class ignores them, and subclasses override what they need."""

    def preparing(self, done: int, total: int, what: str) -> None:
        """Report that the preparation of data has done ``done`` of ``total`` of ``what``."""

    def started(
        self, path: Path, experiment: Experiment, rows: list[dict[str, Any]], engine: str = ""
    ) -> None:
        """Report that a run starts or resumes; ``rows`` are those of finished levels, ``engine`` says which and why."""

    def level_started(self, level: Level, step: int, shape: ImageShape) -> None:
        """Report that a level starts, or resumes after ``step`` updates; ``shape`` is that of the inputs."""

    def stepped(self, level: Level, step: int) -> None:
        """Report that ``step`` updates of the level are done."""

    def evaluated(self, evaluation: Evaluation) -> None:
        """Report an evaluation on the validation set."""

    def level_finished(self, rows: list[dict[str, Any]]) -> None:
        """Report that a level is stored; ``rows`` are those of all finished levels."""

    def note(self, text: str) -> None:
        """Report, in a line, what a reader of the run's numbers must know, such as why the run ended."""

    def finished(self, path: Path, rows: list[dict[str, Any]]) -> None:
        """Report that the run is done."""

    def close(self) -> None:
        """Release what the reporter holds, such as the terminal."""


silent = Reporter()
