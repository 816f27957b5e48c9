"""Run directories: every verb that reads runs, the page that they become, and going on with an interrupted run."""

from __future__ import annotations

import contextlib
import importlib
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
    ("export", "RUN", "--to", "npz", "--out", "{out}/network.npz"),
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
SCRIPTS = 2  # of a page of runs: its data, and what draws them
_RUN = "a"  # the folder of a run in inputs


def runs_in(folder: Path) -> Tree:
    """Return two runs of three levels that were made without training."""
    for seed in (0, 1):
        stored_runs.write_run(folder / "runs", seed=seed, shape=(3, 6, 6), hidden=(14, 12, 8), levels=3)
    paths = sorted((folder / "runs").glob("*/seed-*"))
    found: Tree = {}
    for number, path in enumerate(paths):
        found |= {f"runs/{_RUN}/seed-{number}/{name}": node for name, node in trees.stored(path).items()}
    return {name: node for name, node in found.items() if not name.endswith("/.lock")}


def _seeds_of(lines: tuple[tuple[str, ...], ...], folder: Path) -> dict[str, Tree]:
    runs = runs_in(folder)
    found = {}
    for line in lines:
        arguments = [word.replace("RUN", f"{{input}}/runs/{_RUN}/seed-0") for word in line]
        found[" ".join(line[:2])] = runs | commands.command(*arguments)
    return found


def _figure_seeds(folder: Path) -> dict[str, Tree]:
    return _seeds_of(tuple(("figure", name, "{input}/runs", "--out", "{out}") for name in _FIGURES), folder)


def _read_seeds(folder: Path) -> dict[str, Tree]:
    importlib.import_module(
        "prunescope.network.plain_module"
    )  # torch with it: that takes longer than an input may
    return _seeds_of(_READ, folder)


def _report_seeds(folder: Path) -> dict[str, Tree]:
    return _seeds_of((("report", "{input}/runs", "--out", "{out}/page.html"),), folder)


def _read(folder: Path, out: Path) -> None:
    commands.call(folder, out)


class _Elements(HTMLParser):
    """Collects the scripts of a page, and what only a hostile text could have brought into it."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.brought: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count a script, and record an element that the page itself does not use."""
        self.scripts += tag == "script"
        runs_code = any(name.startswith("on") or "javascript:" in (value or "") for name, value in attrs)
        if tag in ("iframe", "object", "embed") or runs_code or (tag == "b" and not attrs):
            self.brought.append(self.get_starttag_text() or tag)


def check_page(page: str, scripts: int) -> None:
    """Raise AssertionError for a page with more scripts than it has of its own, or with an element that a run brought."""
    parser = _Elements()
    parser.feed(page)
    parser.close()
    if parser.scripts != scripts:
        raise AssertionError(f"the page has {parser.scripts} scripts, its own are {scripts}")
    if parser.brought:
        raise AssertionError(f"the page has an element that a run brought: {parser.brought[0]}")


def _read_report(folder: Path, out: Path) -> None:
    commands.call(folder, out)
    if (out / "page.html").exists():
        check_page((out / "page.html").read_text("utf-8"), SCRIPTS)


def _resume_seeds(folder: Path) -> dict[str, Tree]:
    """Return a run that was interrupted inside level 1, with its images, for each engine.

    Where there are no kernels, the seed of the native engine is another run of torch's: recipes name it.
    """
    from prunescope.native import why_not
    from prunescope.pruning.running import run
    from prunescope.runs.driver import Interrupted

    images = tiny.write_images(folder / "tiny.npz", train=60, validation=40)
    found: dict[str, Tree] = {}
    for engine in ("torch", "native"):
        experiment = tiny.experiment(
            data={"root": str(images), "validation": 20},
            train={"steps": 12, "eval_every": 4},
            prune={"levels": 2, "rewind_step": 2},
            run={"engine": "torch" if why_not() else engine},
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
