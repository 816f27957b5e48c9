"""The part sequence: a run of the paper's size for the time there is, and what it found in small files."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpu_parts.output import Output, table
from gpu_parts.setting import Request, called, start, toml

LEVELS = 21  # of the paper's sequence, the dense one included
MOST_BYTES = 15_500_000  # of the archive
PACKING = 20.0  # seconds kept for what comes after the run
STOPPED = (0, 130, 143, -signal.SIGTERM)


@dataclass
class Watched:
    """The lines that a run wrote to stderr, each with the time at which it came."""

    output: Output
    lines: list[tuple[float, str]] = field(default_factory=list)

    def read(self, process: subprocess.Popen[str]) -> None:
        """Read and print the lines of a process until its end."""
        assert process.stderr is not None
        for line in process.stderr:
            self.lines.append((time.monotonic(), line.rstrip()))
            self.output.say(f"  {line.rstrip()}")

    def walls(self) -> dict[int, float]:
        """Return the seconds by the clock from one level's line to the next one's, by the later level."""
        ends = {
            int(found[1]): moment
            for moment, line in self.lines
            if (found := re.match(r"level +(\d+) ", line))
        }
        return {level: ends[level] - ends[level - 1] for level in ends if level - 1 in ends}


def run_sequence(request: Request, skip: int = 0) -> bool:
    """Train the paper's sequence until its time is up, and pack its tables, metrics and masks."""
    folder = Path(tempfile.gettempdir()) / "prunescope-sequence"  # a later call goes on with the same run
    if request.tiny:
        folder = Path(tempfile.mkdtemp())
    folder.mkdir(exist_ok=True)
    try:
        with request.output.recorded("sequence", "run") as facts:
            facts |= _trained(request, folder)
        for path in sorted((folder / "runs").rglob("levels.parquet")):
            with request.output.recorded("sequence", "figure") as facts:
                facts |= _drawn(request, path.parent, folder)
    finally:
        if request.tiny:
            shutil.rmtree(folder)
    return all(row.get("state") != "FAILED" for row in request.output.rows() if row["part"] == "sequence")


def _trained(request: Request, folder: Path) -> dict[str, object]:
    """Run the command until the time is up, and return what the run came to."""
    experiment = toml(sequence_experiment(request, folder), folder / "sequence.toml")
    watched = Watched(request.output)
    began = time.monotonic()
    process = start(["run", experiment, "--out", folder / "runs"], folder)
    reader = threading.Thread(target=watched.read, args=(process,))
    reader.start()
    expected: tuple[int, ...] = STOPPED
    try:
        process.wait(timeout=max(5.0, request.left - PACKING))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            expected = (-signal.SIGKILL,)  # The levels that are done are whole.
    reader.join(timeout=10)
    seconds = time.monotonic() - began
    paths = sorted((folder / "runs").rglob("run.json"))
    if process.returncode not in expected or not paths:
        lines = [line for _, line in watched.lines[-5:]]
        raise RuntimeError(f"the run ended with {process.returncode}: {' | '.join(lines)}")
    path = paths[0].parent
    facts = _progress(request, path, watched.walls())
    packed, left = pack(path, request.output.folder / "sequence.tar.gz")
    return {"run_seconds": seconds, "code": process.returncode, "packed": packed, "not_packed": left, **facts}


def sequence_experiment(request: Request, folder: Path) -> Any:
    """Return the paper's experiment on the images given, or on random smooth ones."""
    from prunescope.experiment import build

    data: dict[str, Any] = {"source": "parquet", "root": str(request.options.get("data")), "validation": 5000}
    if request.options.get("data") is None:
        path = folder / "smooth.npz"
        if not path.exists():
            write_smooth_images(path, *((400, 100, 8) if request.tiny else (50_000, 10_000, 32)))
        data = {"source": "npz", "root": str(path), "validation": 100 if request.tiny else 10_000}
    hidden, batch = ([24, 20, 16], 20) if request.tiny else ([1024, 1024, 1024], 1000)
    return build(
        {
            "name": "sequence",
            "data": data,
            "network": {"hidden": hidden, "norm": "before"},
            "train": {
                "steps": request.options.get("steps", 100_000),
                "batch": batch,
                "eval_every": 100,
                "precision": request.options.get("precision", "tf32"),
            },
            "prune": {"method": "imp", "rate": 0.3, "rewind_step": min(1000, request.options["steps"] // 2)},
            "run": {"device": request.device, "engine": "torch"},
        }
    )


def write_smooth_images(path: Path, train: int, test: int, side: int, classes: int = 100) -> None:
    """Write images of smooth noise, each class around a smooth image of its own, as .npz."""
    rng = np.random.default_rng(0)
    coarse = max(2, side // 4)

    def smooth(count: int) -> np.ndarray:
        noise = rng.normal(size=(count, coarse, coarse, 3)).astype(np.float32)
        return noise.repeat(side // coarse, 1).repeat(side // coarse, 2)

    centres = smooth(classes)
    arrays = {}
    for part, count in (("train", train), ("test", test)):
        labels = np.arange(count) % classes
        images = smooth(count) + 0.5 * centres[labels]
        arrays[f"x_{part}"] = np.clip(128 + 50 * images, 0, 255).astype(np.uint8)
        arrays[f"y_{part}"] = labels
    np.savez(path, **arrays)


def _progress(request: Request, path: Path, walls: dict[int, float]) -> dict[str, object]:
    """Print what each level took and found; return the minutes of LEVELS levels at the pace of those finished."""
    from prunescope.runs.directory import Run

    metrics = [line for line in (path / "metrics.jsonl").read_text("utf-8").splitlines() if line.strip()]
    facts: dict[str, object] = {"evaluations": len(metrics), "last": metrics[-1] if metrics else ""}
    if not (path / "levels.parquet").exists():
        return facts | {"levels": 0}
    first = Run(path).table.filter(layer=1).sort("level").to_dicts()
    names = [
        "level",
        "density",
        "best_val_accuracy",
        "heldout_accuracy",
        "locality",
        "fan_in_var_ratio",
        "seconds",
    ]
    names = [name for name in names if name in first[0]]
    cells = [
        [
            *(_cell(row[name]) for name in names),
            f"{walls[row['level']]:.1f}" if row["level"] in walls else "-",
        ]
        for row in first
    ]
    for line in table(
        "levels (the first layer's row; seconds of training, and by the clock)", [*names, "wall"], cells
    ):
        request.output.say(line)
    for row in first:
        request.output.row(
            "sequence",
            level=row["level"],
            facts={name: row[name] for name in names},
            wall=walls.get(row["level"]),
        )
    share = end_share(first, walls)
    if share is not None:
        facts["end_share"] = share
        request.output.say(f"{100 * share:.1f} % of a level's time by the clock is not training: its end")
    each = [walls.get(row["level"], row["seconds"]) for row in first]
    minutes = LEVELS * float(np.mean(each)) / 60
    request.output.say(f"{len(first)} levels; {LEVELS} of them at this pace: {minutes:.1f} minutes")
    return facts | {"levels": len(first), "minutes": minutes}


def end_share(rows: Sequence[Mapping[str, Any]], walls: Mapping[int, float]) -> float | None:
    """Return the share of the levels' time by the clock in which they did not train; None where it is not known.

    ``seconds`` of the rows is the time of steps and evaluations; what is beside it is the end of a level.
    """
    known = [row for row in rows if row["level"] in walls]
    whole = sum(walls[row["level"]] for row in known)
    return 1 - sum(row["seconds"] for row in known) / whole if whole else None


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def pack(path: Path, archive: Path) -> tuple[int, list[str]]:
    """Pack a run's table, metrics, experiment and masks; return the bytes and the names of masks that did not fit."""
    small = [path / name for name in ("run.json", "experiment.toml", "levels.parquet", "metrics.jsonl")]
    masks = sorted(path.glob("level-*/masks.safetensors"))
    left: list[str] = []
    total = 0
    with tarfile.open(archive, "w:gz") as packed:
        for file in [*small, *masks]:
            if not file.exists():
                continue
            if total + file.stat().st_size > MOST_BYTES:
                left.append(file.parent.name)
                continue
            total += file.stat().st_size
            packed.add(file, arcname=str(file.relative_to(path)))
    return archive.stat().st_size, left


def _drawn(request: Request, path: Path, folder: Path) -> dict[str, object]:
    """Draw the masks of the most connected nodes into the folder for what is found."""
    out = folder / "figures"
    code, _, error = called(["figure", "3a", path, "--out", out], folder, max(20.0, request.left))
    found = sorted(out.rglob("*.png"))
    if code != 0 or not found:
        raise RuntimeError(f"exit code {code}: {error.strip()[-300:]}")
    shutil.copy(found[0], request.output.folder / "masks.png")
    return {"figure": found[0].name}
