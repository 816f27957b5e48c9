"""A process that kills itself at a chosen moment while it writes, in place of one that is killed by chance.

``python killing.py RUN IMAGES FOLDER`` lets each writer of WRITERS be killed before every opening and every renaming of a
temporary file in turn, tries again after each, and then meet a full disk. It prints what was there as JSON. All of it is
done in forks of this process, which has imported everything and started no thread.
"""

from __future__ import annotations

import json
import os
import resource
import signal
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

OLD = b"what was there"
CHANGING = "prepared.json"  # It holds the date.


def figure(out: Path, run: Path, images: Path) -> None:
    """Write a figure of three files."""
    write(Drawing(Figure(figsize=(1, 1)), polars.DataFrame({"value": [1]})), out, "figure")


def report(out: Path, run: Path, images: Path) -> None:
    """Write the page of a report, whose text is not made here."""
    report_page.html = lambda runs: "<html></html>"
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


def forked(work: Callable[[], None]) -> int:
    """Do ``work`` in a fork of this process; return 0, 1 where it failed, or a negative number: that of a signal."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def kill_at(moment: int) -> None:
    """Let this process be killed before the opening or renaming of a temporary file that has this number, from 0."""
    left = moment

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        # "w" begins to write, "r+" syncs what was written.
        if event == "os.rename" or (event == "open" and arguments[1] in ("w", "r+")):
            path = str(arguments[0])
            if ".tmp" not in path and ".partial" not in path:
                return
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the files of a folder by their names; b"" for those that are not the same each time."""
    files = {str(f.relative_to(folder)): f for f in sorted(folder.rglob("*")) if f.is_file()}
    return {name: b"" if f.name == CHANGING else f.read_bytes() for name, f in files.items()}


def moments(writer: Writer, run: Path, images: Path, folder: Path) -> list[dict[str, object]]:
    """Kill a writer at each of its moments; return what was there then and after the next try, for each."""
    name, found = writer.__name__, []
    whole = folder / f"whole-{name}"
    whole.mkdir()
    assert forked(lambda: writer(whole, run, images)) == 0
    new = contents(whole)
    while True:
        out = folder / f"{name}-{len(found)}"
        out.mkdir()
        for file in new if name != "prepared" else ():
            (out / file).write_bytes(OLD)

        def killed(out: Path = out) -> None:
            kill_at(len(found))
            writer(out, run, images)

        code = forked(killed)
        if code == 0:
            return found
        there = {file: data for file, data in contents(out).items() if not file.startswith(".")}
        states = [
            "old" if there.get(file) == OLD else "new" if there.get(file) == data else "missing"
            for file, data in new.items()
        ]
        again = forked(lambda out=out: writer(out, run, images))
        found.append({"code": code, "states": states, "again": again, "whole": contents(out) == new})


def full(writer: Writer, run: Path, images: Path, folder: Path) -> list[dict[str, object]]:
    """Let a writer meet a disk that takes no byte, or all but the last one; return what was said and what is there."""
    name, found = writer.__name__, []
    sizes = [len(data) for data in contents(folder / f"whole-{name}").values()]
    for limit in (0, max(sizes) - 1):
        out, told = folder / f"{name}-{limit}-bytes", folder / f"{name}-{limit}.json"
        out.mkdir()
        for file in contents(folder / f"whole-{name}") if name != "prepared" else ():
            (out / file).write_bytes(OLD)
        before = contents(out)
        told.touch()
        with told.open("r+") as notes:

            def limited(out: Path = out, limit: int = limit, write: int = notes.fileno()) -> None:
                hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
                try:
                    writer(out, run, images)
                except OSError as error:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
                    os.write(write, json.dumps([error.errno, str(error.filename)]).encode())

            code = forked(limited)
            notes.seek(0)
            said = json.loads(notes.read())
        found.append({"code": code, "said": said, "out": str(out), "kept": contents(out) == before})
    return found


if __name__ == "__main__":
    run, images, folder = map(Path, sys.argv[1:])
    made = {
        writer.__name__: {
            "killed": moments(writer, run, images, folder),
            "full": full(writer, run, images, folder),
        }
        for writer in WRITERS
    }
    print(json.dumps(made))
