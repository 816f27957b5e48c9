"""What is in a folder at every moment at which its writer could be killed, in place of one that is killed by chance.

``python killing.py RUN IMAGES FOLDER`` copies the folder of each writer of WRITERS before every opening and every renaming
of a temporary file, which is what a process that is killed there leaves: what it has not written yet is in its own memory.
It then lets the writer try again in each copy, and meet a full disk. It prints what was there as JSON. One process does
it all: a fork of one that has threads, as Polars starts them, may wait for ever for a lock that a thread held.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import polars
from matplotlib.figure import Figure

from prunescope.analysis.tables import write_table
from prunescope.data.prepared.preparation import prepare
from prunescope.data.sheet import sample_sheet
from prunescope.experiment import Data
from prunescope.figures.parts.drawing import Drawing, write
from prunescope.files import replacing_together
from prunescope.report import page as report_page
from prunescope.report import write_report
from prunescope.runs.directory import Run

# Pages replace nothing but pages of prunescope.
OLD = b'<html><meta name="generator" content="prunescope">what was there</html>'
CHANGING = "prepared.json"  # It holds the date.


def figure(out: Path, run: Path, images: Path) -> None:
    """Write a figure of three files."""
    write(Drawing(Figure(figsize=(1, 1)), polars.DataFrame({"value": [1]})), out, "figure")


def report(out: Path, run: Path, images: Path) -> None:
    """Write the page of a report, whose text is not made here."""
    report_page.html = lambda runs: OLD.decode().replace("what was there", "")
    write_report([Run(run)], out / "report.html")


def table(out: Path, run: Path, images: Path) -> None:
    """Write a table."""
    write_table(polars.DataFrame({"value": [1]}), out / "runs.parquet")


def page(out: Path, run: Path, images: Path) -> None:
    """Write a page with a table beside it, as that of the paper in miniature."""
    with replacing_together() as temporary:
        temporary(out / "miniature.html").write_text("<html></html>", "utf-8")
        temporary(out / "miniature.csv").write_text("value\n", "utf-8")


def prepared(out: Path, run: Path, images: Path) -> None:
    """Prepare a folder of images."""
    prepare(Data(source="npz", root=str(images), validation=60), out / "prepared")


def sheet(out: Path, run: Path, images: Path) -> None:
    """Draw a sheet of samples of the folder that ``prepared`` has made before."""
    sample_sheet(out.parent / "whole-prepared" / "prepared", out / "sheet.png", columns=1, rows=1)


Writer = Callable[[Path, Path, Path], None]
WRITERS: tuple[Writer, ...] = (figure, report, table, page, prepared, sheet)


class Moments:
    """Copies of a folder, each as it was when a temporary file below it was about to be opened or renamed."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._copies: list[Path] = []
        sys.addaudithook(self._hook)

    def of(self, work: Callable[[], None], folder: Path) -> list[Path]:
        """Do ``work``, which writes below a folder; return the copies, which are beside it."""
        self._copies = []
        self._folder = folder
        try:
            work()
        finally:
            self._folder = None
        return self._copies

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        # "w" begins to write, "r+" syncs what was written.
        if event != "os.rename" and (event != "open" or arguments[1] not in ("w", "r+")):
            return
        path, folder = str(arguments[0]), self._folder
        if folder is None or (".tmp" not in path and ".partial" not in path):
            return
        self._folder = None  # Copying opens files itself.
        copy = folder.with_name(f"{folder.name}-{len(self._copies)}")
        shutil.copytree(folder, copy)
        self._copies.append(copy)
        self._folder = folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the files of a folder by their names; b"" for those that are not the same each time."""
    files = {str(f.relative_to(folder)): f for f in sorted(folder.rglob("*")) if f.is_file()}
    return {name: b"" if f.name == CHANGING else f.read_bytes() for name, f in files.items()}


def moments(writer: Writer, run: Path, images: Path, folder: Path, hook: Moments) -> list[dict[str, object]]:
    """Return what a writer that is killed at each of its moments leaves, and what its next try makes of it."""
    name = writer.__name__
    whole, out = folder / f"whole-{name}", folder / name
    whole.mkdir()
    writer(whole, run, images)
    new = contents(whole)
    out.mkdir()
    for file in new if name != "prepared" else ():
        (out / file).write_bytes(OLD)
    found = []
    for left in hook.of(lambda: writer(out, run, images), out):
        there = {file: data for file, data in contents(left).items() if not file.startswith(".")}
        states = [
            "old" if there.get(file) == OLD else "new" if there.get(file) == data else "missing"
            for file, data in new.items()
        ]
        writer(left, run, images)
        found.append({"states": states, "whole": contents(left) == new})
    return found


def full(writer: Writer, run: Path, images: Path, folder: Path) -> list[dict[str, object]]:
    """Let a writer meet a disk that takes no byte, or all but the last one; return what was said and what is there."""
    name, found = writer.__name__, []
    whole = contents(folder / f"whole-{name}")
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for limit in (0, max(map(len, whole.values())) - 1):
        out = folder / f"{name}-{limit}-bytes"
        out.mkdir()
        for file in whole if name != "prepared" else ():
            (out / file).write_bytes(OLD)
        before, said = contents(out), None
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            writer(out, run, images)
        except OSError as error:
            said = [error.errno, str(error.filename)]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        found.append({"said": said, "out": str(out), "kept": contents(out) == before})
    return found


if __name__ == "__main__":
    run, images, folder = map(Path, sys.argv[1:])
    hook = Moments()
    made = {
        writer.__name__: {
            "killed": moments(writer, run, images, folder, hook),
            "full": full(writer, run, images, folder),
        }
        for writer in WRITERS
    }
    print(json.dumps(made))
