"""The W&B sink logs to the run with the id name-identity-seed-N, which it continues; offline runs are written anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.track.entries import Entry
from prunescope.track.sink import PROJECT, About, Sink, needed


class WeightsAndBiases(Sink):
    """Logs entries as the W&B steps 0, 1, 2 …; charts are over ``global_step`` and ``level``.

    W&B refuses steps below its current one and keeps one row per step. Entries always come in the same order, so
    that their numbers tell which of them W&B has.
    """

    def __init__(self, out: Path | None) -> None:
        self._wandb = needed("wandb", "wandb")
        self._out = out
        self._run: Any = None
        self._next = 0

    def start(self, about: About) -> None:
        if self._out is not None:
            self._out.mkdir(parents=True, exist_ok=True)  # Otherwise W&B would write to a temporary folder.
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            dir=self._out,
            id=about.title.replace("/", "-"),
            name=about.title,
            group=about.group,
            config=about.config,
            allow_val_change=True,  # Fields such as run.threads may differ in a resumed run.
            resume="allow",
            reinit="create_new",
            settings=self._wandb.Settings(console="off", silent=True),
        )
        self._run.define_metric("global_step", hidden=True)
        self._run.define_metric("level", hidden=True)
        self._run.define_metric("evaluation/*", step_metric="global_step")
        self._run.define_metric("level/*", step_metric="level")
        self._run.define_metric("layer-*", step_metric="level")
        self._next = 0

    def send(self, entries: Sequence[Entry]) -> None:
        has = self._run.step  # the first step that W&B does not have
        for number, entry in enumerate(entries, self._next):
            if number >= has:
                axes = {"global_step": entry.global_step, "level": entry.level}
                self._run.log(axes | entry.values, step=number)
        self._next += len(entries)

    def finish(self, status: str) -> str:
        self._run.finish(exit_code=0 if status in ("done", "running") else 1)
        folder = Path(self._run.dir).parent
        if not self._run.offline:
            return str(
                self._run.url or f"W&B run {self._run.id}"
            )  # There is no address under WANDB_MODE=disabled.
        for earlier in folder.parent.glob(f"offline-run-*-{self._run.id}"):
            if earlier != folder:
                shutil.rmtree(earlier)
        return str(folder)
