"""Where a page may be written: in no folder's place, and over nothing but an earlier page."""

from __future__ import annotations

import stat
from pathlib import Path

from prunescope.errors import InputError
from prunescope.files import open_regular


def check_page_place(out: Path, page: str = "page") -> None:
    """Raise InputError where a page must not be written: a folder, or a file that is no page, such as a model.

    ``page``: what it is called. Cheap, to be done before what the page shows is measured.
    """
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give the {page} a file name, such as {out / 'report.html'}")
    if not out.exists() or not stat.S_ISREG(out.stat().st_mode):
        return  # Devices and the like are refused where the page is written.
    with open_regular(out) as file:
        start = file.read(64).lstrip().lower()
    if start and not start.startswith((b"<!doctype html", b"<html")):
        raise InputError(f"{out}: is there, and is no page in HTML; give the {page} another file name")
