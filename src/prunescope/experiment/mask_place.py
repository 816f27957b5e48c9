"""This module says what the field ``prune.masks`` names: a file of masks, or a level of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from prunescope.experiment.paths import decoded

SEED = "{seed}"  # stands for the seed of the run that takes the masks
_AT_LEVEL = re.compile(r"(?P<run>.+)@(?P<level>[0-9]{1,9})", re.DOTALL)
_LEVEL_FOLDER = re.compile(r"level-(?P<level>[0-9]{3,9})")


@dataclass(frozen=True)
class MaskPlace:
    """The place of masks: a run directory and a ``level`` of it, or a file, whose ``level`` is None.

    ``path`` may hold ``{seed}``.
    """

    path: Path
    level: int | None = None

    @classmethod
    def of(cls, text: str) -> MaskPlace:
        """Return the place that a text names: ``RUN@LEVEL``, the folder of a level as ``RUN/level-003``, or a file."""
        path = Path(decoded(text))
        if found := _AT_LEVEL.fullmatch(str(path)):
            return cls(Path(found["run"]), int(found["level"]))
        if found := _LEVEL_FOLDER.fullmatch(path.name):
            return cls(path.parent, int(found["level"]))
        return cls(path)

    @property
    def label(self) -> list[str | int]:
        """The last two parts of the path and the level, which name the masks wherever they are stored."""
        level = [] if self.level is None else [self.level]
        return [*self.path.parts[-2:], *level]

    @property
    def is_of_each_seed(self) -> bool:
        """Whether each seed has masks of its own."""
        return SEED in str(self.path)

    def at(self, seed: int) -> MaskPlace:
        """Return the place for a seed."""
        return MaskPlace(Path(str(self.path).replace(SEED, str(seed))), self.level)

    def __str__(self) -> str:
        return str(self.path) if self.level is None else f"{self.path}@{self.level}"
