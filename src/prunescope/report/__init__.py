"""Write one self-contained HTML page about stored runs. Cheap to import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.runs.directory import Run


def write_report(runs: Sequence[Run], out: Path) -> Path:
    """Write the page of one or more runs to file ``out`` and return its path.

    The page loads nothing from the network and can be opened from the file system. Raises InputError for no
    runs, for runs without a finished level, for images that are neither grey nor RGB, and where the file
    cannot be written, or is there and no page.
    """
    if not runs:
        raise InputError("a report needs at least one run; none given")
    from prunescope.report.page import html
    from prunescope.report.standalone import write_page

    return write_page(Path(out), lambda: html(list(runs)), "report")
