"""A worker process that is started again after each crash, with the crash as the outcome of the input that it read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.checks import Outcome, frame_in

Recipe = dict[str, Any]


class Worker:
    """A process that reads inputs; use it as a context."""

    def __init__(self) -> None:
        """Make its scratch folder; the process starts with the first request."""
        self._scratch = tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._scratch.cleanup()

    def read(self, request: dict[str, Any]) -> Iterator[tuple[Recipe, Outcome]]:
        """Yield the recipe and the outcome of each input of a request, see fuzz.worker; the last may be a crash."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        recipe: Recipe = {}
        try:
            print(json.dumps(request), file=process.stdin, flush=True)
            for line in process.stdout:
                answer = json.loads(line)
                if "done" in answer:
                    return
                if "begin" in answer:
                    recipe = answer["begin"]
                else:
                    yield recipe, Outcome(**answer["end"])
        except BrokenPipeError:
            pass
        code = process.wait()
        self._process = None
        said = (Path(self._scratch.name) / "stderr").read_text("utf-8", "replace")
        if not recipe or said.startswith("Traceback"):
            raise RuntimeError(f"the process of target {request['target']} ended with {code}: {said[-3000:]}")
        kind = "waits in compiled code" if "Timeout (" in said else f"crash, {code}"
        lines = [line for line in said.splitlines() if line.strip()]
        yield recipe, Outcome("fault", kind, frame_in(said), (lines or [""])[0][:300])

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
            environment["PYTHONPATH"] = str(Path(__file__).parents[1])
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fuzz.worker", self._scratch.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                stream.close()
            self._process = None
