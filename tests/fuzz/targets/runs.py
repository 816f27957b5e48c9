"""Run directories: every verb that reads runs, the page that they become, and going on with an interrupted run."""

from __future__ import annotations

import contextlib
import re
import signal
from html.parser import HTMLParser
from pathlib import Path

import stored_runs
import tiny
from fuzz import tree as trees
from fuzz.targets import Target, commands
from fuzz.tree import Tree
from prunescope.runs.reporting import Reporter
from prunescope.training.levels import Level

_READ = (
    ("show", "{input}/runs", "--json"),
    ("compare", "{input}/runs", "--json"),
    ("table", "{input}/runs", "--out", "{out}/runs.parquet"),
    ("observe", "RUN", "--json"),
    ("show", "RUN"),
)  # fmt: skip
_FIGURES = (
    "levels",
    "1a",
    "1b",
    "1c",
    "2b",
    "3a",
    "3b",
    "4",
    "6",
    "10",
    "11",
    "12",
    "15",
    "densities",
    "flow",
    "kurtosis",
)
_RUN = "a"  # the folder of a run in inputs


def _runs(folder: Path) -> Tree:
    """Return two runs of three levels that were made without training."""
    for seed in (0, 1):
        stored_runs.write_run(folder / "runs", seed=seed, shape=(3, 6, 6), hidden=(14, 12, 8), levels=3)
    paths = sorted((folder / "runs").glob("*/seed-*"))
    found: Tree = {}
    for number, path in enumerate(paths):
        found |= {f"runs/{_RUN}/seed-{number}/{name}": node for name, node in trees.stored(path).items()}
    return {name: node for name, node in found.items() if not name.endswith("/.lock")}


def _seeds_of(lines: tuple[tuple[str, ...], ...], folder: Path) -> dict[str, Tree]:
    runs = _runs(folder)
    found = {}
    for line in lines:
        arguments = [word.replace("RUN", f"{{input}}/runs/{_RUN}/seed-0") for word in line]
        found[" ".join(line[:2])] = runs | commands.command(*arguments)
    return found


def _figure_seeds(folder: Path) -> dict[str, Tree]:
    return _seeds_of(tuple(("figure", name, "{input}/runs", "--out", "{out}") for name in _FIGURES), folder)


def _read_seeds(folder: Path) -> dict[str, Tree]:
    return _seeds_of(_READ, folder)


def _report_seeds(folder: Path) -> dict[str, Tree]:
    return _seeds_of((("report", "{input}/runs", "--out", "{out}/page.html"),), folder)


def _read(folder: Path, out: Path) -> None:
    commands.call(folder, out)


class _Elements(HTMLParser):
    """Collects the elements of a page, and the names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[tuple[str, ...]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element."""
        self.elements.add((tag, *(name for name, _ in attrs)))


def elements(page: str) -> set[tuple[str, ...]]:
    """Return the elements of a page, each with the names of its attributes."""
    parser = _Elements()
    parser.feed(page)
    parser.close()
    return parser.elements


_HOSTILE = re.compile(r"alert\(1\)|<b>bold</b>")


def _read_report(folder: Path, out: Path) -> None:
    commands.call(folder, out)
    page = (out / "page.html").read_text("utf-8")
    for element in elements(page):
        if element[0] in ("b", "svg", "img") and set(element[1:]) & {"onload", "onerror"}:
            raise AssertionError(f"the page has an element that a run brought: {element}")
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.S | re.I)
    if any(script.strip() == "alert(1)" for script in scripts):
        raise AssertionError("the page has a script that a run brought")
    if _HOSTILE.search(re.sub(r"<script[^>]*>.*?</script>", "", page, flags=re.S | re.I)):
        for element in elements(page):
            if element == ("b",):
                raise AssertionError("the page has an element that a run brought: <b>")


def _resume_seeds(folder: Path) -> dict[str, Tree]:
    """Return a run that was interrupted inside level 1, with its images, for each engine."""
    from prunescope.pruning.running import run
    from prunescope.runs.driver import Interrupted

    images = tiny.write_images(folder / "tiny.npz", train=60, validation=40)
    found: dict[str, Tree] = {}
    for engine in ("torch", "native"):
        experiment = tiny.experiment(
            data={"root": str(images), "validation": 20},
            train={"steps": 12, "eval_every": 4},
            prune={"levels": 2, "rewind_step": 2},
            run={"engine": engine},
        )
        with contextlib.suppress(Interrupted):
            run(experiment, seed=0, out=folder / engine, reporter=_Stop())
        found[engine] = {
            **{f"runs/{path}": node for path, node in trees.stored(folder / engine).items()},
            "tiny.toml": experiment.to_toml().encode(),
            "tiny.npz": images.read_bytes(),
            **commands.command(
                "run", "{input}/tiny.toml", "data.root={input}/tiny.npz", "--out", "{input}/runs"
            ),
        }
    return found


class _Stop(Reporter):
    """Interrupts a run in level 1."""

    def stepped(self, level: Level, step: int) -> None:
        """Raise the signal of an interrupt at one step."""
        if (level.number, step) == (1, 6):
            signal.raise_signal(signal.SIGINT)


def _resume(folder: Path, out: Path) -> None:
    commands.call(folder, out, trains=True)


TARGETS = (
    Target("runs", _read_seeds, _read, kept=(commands.FILE,)),
    Target("report", _report_seeds, _read_report, kept=(commands.FILE,)),
    Target("figures", _figure_seeds, _read, kept=(commands.FILE,)),
    Target("resume", _resume_seeds, _resume, kept=(commands.FILE, "tiny.toml", "tiny.npz"), writes=True),
)
