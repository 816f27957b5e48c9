"""A worker process that is started again after each crash, with the crash as the outcome of the input that it read."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.checks import Limits, Outcome, frame_in

Recipe = dict[str, Any]
_TICKS = os.sysconf("SC_CLK_TCK")


class Worker:
    """A process that reads inputs; use it as a context."""

    def __init__(self) -> None:
        """Make its scratch folder; the process starts with the first request."""
        self._scratch = tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._reads = False  # whether an input has begun and not ended
        self._waited = False  # whether the process was aborted because it waited

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._scratch.cleanup()

    def read(self, request: dict[str, Any]) -> Iterator[tuple[Recipe, Outcome]]:
        """Yield the recipe and the outcome of each input of a request, see fuzz.worker; the last may be a crash."""
        process = self._started()
        assert process.stdin is not None
        recipe: Recipe = {}
        self._reads = False
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            for answer in self._answers(process):
                if "done" in answer:
                    return
                self._reads = "begin" in answer
                if self._reads:
                    recipe = answer["begin"]
                else:
                    yield recipe, Outcome(**answer["end"])
        except BrokenPipeError:
            pass
        code = process.wait()
        self._end()
        said = (Path(self._scratch.name) / "stderr").read_text("utf-8", "replace")
        if not recipe or said.startswith("Traceback"):
            raise RuntimeError(f"the process of target {request['target']} ended with {code}: {said[-3000:]}")
        kind = "waits in compiled code" if code == -signal.SIGABRT and self._waited else f"crash, {code}"
        lines = [line for line in said.splitlines() if line.strip()]
        yield recipe, Outcome("fault", kind, frame_in(said), (lines or [""])[0][:300])

    def _answers(self, process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
        """Yield answers until the process ends; abort it where it reads and computes nothing, which no alarm ends."""
        assert process.stdout is not None
        self._waited = False
        text, spent, since = b"", -1.0, time.monotonic()
        while True:
            if not select.select([process.stdout], [], [], 1.0)[0]:
                now = _computed(process.pid)
                spent, since = (now, time.monotonic()) if now > spent else (spent, since)
                if self._reads and not self._waited and time.monotonic() - since > 2 * Limits().idle:
                    self._waited = True
                    process.send_signal(signal.SIGABRT)  # faulthandler says where it is
                continue
            data = os.read(process.stdout.fileno(), 1 << 16)
            if not data:
                return
            since = time.monotonic()
            *lines, text = (text + data).split(b"\n")
            yield from map(json.loads, lines)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
            environment["PYTHONPATH"] = str(Path(__file__).parents[1])
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fuzz.worker", self._scratch.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
            self._process = None


def _computed(process: int) -> float:
    """Return the seconds that a process has computed for."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
