"""Kill commands that write at random moments, and check that nothing is half-written and the next try works.

    python benchmarks/kills.py [KILLS] [--seed N]

kills ``data prepare``, ``data info --sheet``, ``run``, ``figure``, ``report``, ``table`` and the page of the paper in
miniature in turn. Half of the kills come at a random share of the time that the command takes, the others shortly after
it has begun to write. What a command replaces was written about something else before, and each file has to be the whole
old one or the whole new one. One line for each command says the kills that hit, those that came too late beside them,
and what was found wrong. kill_resume.py compares every bit of runs that were killed.
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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import kill_resume

# The page of the paper in miniature, with one run in the place of all.
PAGE = """
import sys
from pathlib import Path
from prunescope.reproduce.page.writing import write_page
from prunescope.reproduce.recipes import MINIATURE
from prunescope.runs.directory import Run
write_page({kind: [Run(sys.argv[1])] for kind in MINIATURE}, Path(sys.argv[2]))
"""
POLL = 0.002  # seconds between two searches for a temporary file
SPAN = 0.1  # seconds after a command has begun to write within which it is killed


@dataclass
class Kind:
    """A command in two forms, which write different contents to the same place; the counts of its kills.

    ``place``: the file or folder that is written, and its siblings of the same stem. ``loose``: the names of files whose
    bytes are not the same each time; they are read whole instead. ``new``: nothing is there before a kill, since the
    command replaces nothing.
    """

    name: str
    forms: Sequence[Sequence[str]]
    place: Path
    loose: tuple[str, ...] = ()
    new: bool = False
    contents: dict[tuple[int, Path], bytes] = field(default_factory=dict)
    seconds: float = 0.0
    turns: int = 0
    kills: int = 0
    missed: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        found = "; ".join(self.wrong) or "nothing wrong"
        return f"{self.name}: {self.kills} kills ({self.missed} more too late), {found}"

    def files(self) -> list[Path]:
        """Return the files that were written, without those that begin with a dot: temporary files and locks do."""
        found = (
            self.place.rglob("*") if self.place.is_dir() else self.place.parent.glob(f"{self.place.stem}.*")
        )
        return sorted(file for file in found if file.is_file() and not file.name.startswith("."))

    def temporary(self) -> list[str]:
        """Return the names of temporary files and folders that are there."""
        top = self.place if self.place.is_dir() and not self.new else self.place.parent
        return [path.name for path in top.rglob(".*") if path.name.endswith((".tmp", ".partial"))]

    def remove(self) -> None:
        """Remove what was written."""
        if self.place.is_dir():
            shutil.rmtree(self.place)
        for file in self.files():
            file.unlink()


def start(words: Sequence[str], scratch: Path) -> subprocess.Popen[bytes]:
    """Start a command whose cache is in ``scratch``."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PRUNESCOPE_CACHE": str(scratch / "cache")}
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)


def problem(file: Path, data: bytes) -> str | None:
    """Return what is wrong with a file whose bytes are not known, None where it can be read whole."""
    try:
        match file.suffix:
            case ".json":
                json.loads(data)
            case ".jsonl":
                for line in data.decode().splitlines():
                    json.loads(line)
            case ".parquet":
                import polars

                polars.read_parquet(io.BytesIO(data))
            case ".npy":
                import numpy as np

                np.load(io.BytesIO(data))
            case ".safetensors":
                from prunescope.runs.arrays import read_arrays

                read_arrays(file)
            case ".toml":
                import tomllib

                tomllib.loads(data.decode())
            case _:
                return f"{file.name}: neither the old one nor the new one"
    except Exception as error:  # whatever a reader says of a damaged file
        return f"{file.name}: {type(error).__name__} {error}"
    return None


def kinds_in(scratch: Path) -> list[Kind]:
    """Make what the commands read, and return them."""
    experiment = kill_resume.write_inputs(scratch)
    runs = [
        str(kill_resume.finish(kill_resume.start(experiment, scratch / "whole", fields=["--seed", seed])))
        for seed in ("0", "1")
    ]
    main, out = kill_resume.MAIN, {name: scratch / name for name in ("p", "s", "r", "f", "h", "t", "m")}
    for folder in out.values():
        folder.mkdir()
    folders = [scratch / f"images-{size}" for size in ("a", "b")]
    for folder, validation in zip(folders, ("400", "300"), strict=True):
        made = [
            *main,
            "data",
            "prepare",
            str(experiment),
            f"data.validation={validation}",
            "--out",
            str(folder),
        ]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def two(name: str, place: Path, *words: str, of: Sequence[object] = runs) -> Kind:
        forms = [[*main, *(str(one) if word == "IT" else word for word in words), str(place)] for one in of]
        return Kind(name, forms, place)

    page = out["m"] / "miniature.html"
    prepare = [*main, "data", "prepare", str(experiment), "--out", str(out["p"] / "prepared")]
    run = [*main, "run", str(experiment), "--out", str(out["r"] / "runs")]
    return [
        Kind("prepare", [prepare], out["p"] / "prepared", ("prepared.json",), new=True),
        two("sheet", out["s"] / "sheet.png", "data", "info", "IT", "--sheet", of=folders),
        Kind("run", [run], out["r"] / "runs", ("*",), new=True),
        two("figure", out["f"], "figure", "1a", "IT", "--out"),
        two("report", out["h"] / "report.html", "report", "IT", "--out"),
        two("table", out["t"] / "runs.parquet", "table", "IT", "--out"),
        Kind("miniature", [[sys.executable, "-c", PAGE, run, str(page)] for run in runs], page),
    ]


def learn(kind: Kind, scratch: Path) -> None:
    """Do each form of a command without a kill, to learn what it writes and how long it takes."""
    for number, words in enumerate(kind.forms):
        began = time.monotonic()
        whole = start(words, scratch)
        _, said = whole.communicate()
        kind.seconds = time.monotonic() - began
        if whole.returncode:
            raise RuntimeError(f"{kind.name} fails without any kill: {said.decode()}")
        kind.contents |= {(number, file): file.read_bytes() for file in kind.files()}


def check(kind: Kind, form: int, before: dict[Path, bytes]) -> None:
    """Check each file that is there: it is whole, and the old one or that of the form of the command."""
    now = {file: file.read_bytes() for file in kind.files()}
    kind.wrong += [f"{file.name}: gone" for file in before if file not in now]
    for file, data in now.items():
        if data in (before.get(file), kind.contents.get((form, file))):
            continue
        loose = "*" in kind.loose or file.name in kind.loose
        wrong = problem(file, data) if loose else f"{file.name}: neither the old one nor the new one"
        kind.wrong += [wrong] if wrong else []


def hit(kind: Kind, process: subprocess.Popen[bytes], rng: random.Random) -> bool:
    """Kill a command at a random moment; return whether it was still running."""
    if rng.random() < 0.5:
        seconds = kind.seconds * rng.random()
    else:
        while process.poll() is None and not kind.temporary():
            time.sleep(POLL)
        seconds = SPAN * rng.random() ** 2
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    return process.returncode < 0


def kill(kind: Kind, scratch: Path, rng: random.Random) -> None:
    """Kill a command, check what is there, and try the command again."""
    kind.turns += 1
    form = kind.turns % len(kind.forms)
    if kind.new or rng.random() < 0.2:
        kind.remove()
        kind.place.parent.mkdir(exist_ok=True)
    before = {file: file.read_bytes() for file in kind.files()}
    if not hit(kind, start(kind.forms[form], scratch), rng):
        kind.missed += 1
        check(kind, form, before)
        return
    kind.kills += 1
    check(kind, form, before)
    again = start(kind.forms[form], scratch)
    _, said = again.communicate()
    if again.returncode:
        kind.wrong.append(f"the next try ends with {again.returncode}: {said.decode().splitlines()[-1:]}")
    check(kind, form, {})
    kind.wrong += [
        f"{file.name}: missing" for known, file in kind.contents if known == form and not file.is_file()
    ]
    kind.wrong += [f"{name}: left" for name in kind.temporary()]
    if kind.name == "run":
        [whole], [done] = (list(top.rglob("seed-0")) for top in (scratch / "whole", kind.place))
        kind.wrong += kill_resume.differences(whole, done)


def main(kills: int, seed: int) -> list[Kind]:
    """Kill in turn until so many kills have hit; return the kinds with their counts."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        kinds = kinds_in(scratch)
        for kind in kinds:
            learn(kind, scratch)
        while (hits := sum(kind.kills for kind in kinds)) < kills:
            kind = min(kinds, key=lambda kind: kind.kills + kind.missed / 4)
            if kind.missed > 4 * kills:
                raise RuntimeError(f"{kind.name} is never hit: {hits} kills of {kills}")
            kill(kind, scratch, rng)
    return kinds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.monotonic()
    done = main(given.kills, given.seed)
    print("\n".join(map(str, done)))
    counts = sum(kind.kills for kind in done), sum(kind.missed for kind in done)
    wrong = sum(len(kind.wrong) for kind in done)
    print(f"{counts[0]} kills ({counts[1]} more too late), {wrong} wrong, {time.monotonic() - began:.0f} s")
    sys.exit(wrong > 0)
