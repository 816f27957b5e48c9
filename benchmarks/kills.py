"""Kill commands that write at random moments, and check that nothing is half-written and the next try works.

    python benchmarks/kills.py [KILLS] [--seed N]

kills ``data prepare``, ``data info --sheet``, ``run``, ``figure``, ``report`` and ``table`` in turn, at a random share of
the time that each takes, and prints one line for each kind: kills, how many were too late, and what was found wrong.
kill_resume.py compares every bit of runs that were killed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import kill_resume

LEFT = ".tmp"


@dataclass
class Kind:
    """A command, the places that it writes to, and the counts of its kills."""

    name: str
    words: list[str]
    writes: list[Path]
    kills: int = 0
    late: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        found = "; ".join(self.wrong) or "nothing wrong"
        return f"{self.name}: {self.kills} kills ({self.late} too late), {found}"


def start(words: list[str], scratch: Path) -> subprocess.Popen[bytes]:
    """Start a command whose cache is in ``scratch``."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PRUNESCOPE_CACHE": str(scratch / "cache")}
    return subprocess.Popen(
        [*kill_resume.MAIN, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )


def files_of(places: list[Path]) -> list[Path]:
    """Return the files at these places that do not begin with a dot: temporary files and locks do."""
    found = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
    return sorted(file for file in found if file.is_file() and not file.name.startswith("."))


def problem(file: Path) -> str | None:
    """Return what is wrong with a file, None where it can be read whole."""
    data = file.read_bytes()
    try:
        match file.suffix:
            case ".png":
                from PIL import Image

                with Image.open(io.BytesIO(data)) as image:
                    image.load()
            case ".pdf":
                assert data.startswith(b"%PDF")
                assert data.rstrip().endswith(b"%%EOF")
            case ".html":
                assert data.rstrip().endswith(b"</html>")
            case ".json":
                json.loads(data)
            case ".csv":
                assert data.endswith(b"\n")
            case ".parquet":
                import polars

                polars.read_parquet(io.BytesIO(data))
            case ".npy":
                import numpy as np

                np.load(io.BytesIO(data))
            case ".safetensors":
                from prunescope.runs.arrays import read_arrays

                read_arrays(file)
    except Exception as error:  # whatever a reader says of a damaged file
        return f"{file.name}: {type(error).__name__} {error}"
    return None


def kinds_in(scratch: Path) -> list[Kind]:
    """Make what the commands read, and return them in an order in which each finds what it needs."""
    experiment = kill_resume.write_inputs(scratch)
    runs = scratch / "runs"
    run = kill_resume.finish(kill_resume.start(experiment, scratch / "whole"))
    prepared, out = scratch / "prepared", scratch / "out"
    return [
        Kind("prepare", ["data", "prepare", str(experiment), "--out", str(prepared)], [prepared]),
        Kind(
            "sheet", ["data", "info", str(prepared), "--sheet", str(out / "sheet.png")], [out / "sheet.png"]
        ),
        Kind("run", ["run", str(experiment), "--out", str(runs)], [runs]),
        Kind("figure", ["figure", "1a", str(run), "--out", str(out / "figures")], [out / "figures"]),
        Kind("report", ["report", str(run), "--out", str(out / "report.html")], [out / "report.html"]),
        Kind("table", ["table", str(run), "--out", str(out / "runs.parquet")], [out / "runs.parquet"]),
    ]


def kill(kind: Kind, seconds: float, scratch: Path) -> None:
    """Kill a command after so many seconds, check what is there, and try the command again."""
    before = {file: file.read_bytes() for file in files_of(kind.writes)}
    process = start(kind.words, scratch)
    try:
        process.wait(seconds)
        kind.late += 1
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    kind.kills += 1
    now = files_of(kind.writes)
    kind.wrong += [found for file in now if (found := problem(file))]
    kind.wrong += [f"{file.name}: gone" for file in before if file not in now]
    again = start(kind.words, scratch)
    _, said = again.communicate()
    if again.returncode:
        kind.wrong.append(f"the next try ends with {again.returncode}: {said.decode().splitlines()[-1:]}")
    left = [file.name for place in kind.writes for file in place.parent.rglob(f".{place.name}.*{LEFT}")]
    kind.wrong += [f"{name}: left" for name in left]


def main(kills: int, seed: int) -> list[Kind]:
    """Kill in turn until there were so many kills; return the kinds with their counts."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        kinds = kinds_in(scratch)
        takes: dict[str, float] = {}
        for number in range(kills):
            kind = kinds[number % len(kinds)]
            if kind.name not in takes:
                began = time.monotonic()
                whole = start(kind.words, scratch)
                whole.communicate()
                if whole.returncode:
                    raise RuntimeError(f"{kind.name} fails without any kill")
                takes[kind.name] = time.monotonic() - began
            if (
                kind.name in ("prepare", "run") or rng.random() < 0.3
            ):  # The others replace what is there, too.
                for place in kind.writes:
                    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
            kill(kind, takes[kind.name] * rng.random(), scratch)
    return kinds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    done = main(given.kills, given.seed)
    print("\n".join(map(str, done)))
    sys.exit(any(kind.wrong for kind in done))
