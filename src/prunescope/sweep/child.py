"""A process for runs, as seen by the process that started it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from prunescope.experiment import Experiment
from prunescope.sweep.planning import Planned

# -P: a torch.py in the working directory is not torch
COMMAND = [sys.executable, "-P", "-m", "prunescope.sweep.worker"]
POOLS = ("OMP", "MKL", "OPENBLAS", "VECLIB", "NUMEXPR")
TAIL = 4000

Message = tuple["Child", dict[str, Any] | None]
Order = dict[str, Any]


def order(planned: Planned, experiment: Experiment, out: Path, trackers: Sequence[str] = ()) -> Order:
    """What a worker is told: run ``planned``, as ``experiment``, and feed ``trackers`` from its files."""
    fields = experiment.model_dump(mode="json")
    return {"experiment": fields, "seed": planned.job.seed, "out": str(out), "track": list(trackers)}


class Child:
    """A process that runs what it is given. What it says goes to ``messages`` as (child, event), its end as (child, None).

    ``planned`` is the run it works on, None while it waits for one; ``leaving``: it was asked to stop. It works in
    ``folder``, by default in this process's.
    """

    def __init__(
        self, threads: int, device: str | None, messages: SimpleQueue[Message], folder: Path | None = None
    ) -> None:
        self.planned: Planned | None = None
        self.leaving = False
        self.threads = threads
        self.device = device
        self._messages = messages
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the process)
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=folder,
            env=_environment(threads, device),
            start_new_session=True,  # Ctrl-C reaches the parent alone, which asks each child once
        )
        self._input: Any = self._process.stdin
        self._output: Any = self._process.stdout
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is there and was not asked to stop."""
        return not self.leaving and self._process.poll() is None

    def give(self, planned: Planned, order: Order) -> None:
        """Have it run ``planned``, as ``order`` says."""
        self.planned = planned
        self._messages.put((self, {"event": "began", "pid": self.pid, "node": ""}))
        self.send(order)

    def send(self, order: Order) -> None:
        """Have it do what prunescope.sweep.worker does with such an order."""
        with contextlib.suppress(OSError):  # it was killed: its end is on its way
            self._input.write(json.dumps(order).encode() + b"\n")
            self._input.flush()

    def free(self, code: int) -> None:
        """Its run has ended with ``code``; what broke the run may have broken the process."""
        if code:
            self.ask_to_stop()

    def ask_to_stop(self) -> None:
        """Have it save and end; returns at once."""
        self.leaving = True
        with contextlib.suppress(OSError):
            self._input.close()

    def kill(self) -> None:
        """End it now; it keeps its last checkpoint."""
        self._process.kill()

    def ended(self) -> tuple[int, str]:
        """Wait for its end; its exit code, negative for a signal, and its last words."""
        code = self._process.wait()
        self.ask_to_stop()
        words = self._last_words(code)
        self._errors.close()
        return code, words

    def _listen(self) -> None:
        for line in self._output:
            with contextlib.suppress(ValueError):  # cut short by a kill
                self._messages.put((self, json.loads(line)))
        self._output.close()
        self._messages.put((self, None))

    def _last_words(self, code: int) -> str:
        if code < 0:
            return f"killed by signal {-code}"
        self._errors.seek(max(self._errors.seek(0, os.SEEK_END) - TAIL, 0))
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1] if said else f"ended with exit code {code}"


def _environment(threads: int, device: str | None) -> dict[str, str]:
    environment = os.environ | {f"{pool}_NUM_THREADS": str(threads) for pool in POOLS}
    environment["POLARS_MAX_THREADS"] = str(threads)
    if device is not None:
        environment["CUDA_VISIBLE_DEVICES"] = device
    return environment
