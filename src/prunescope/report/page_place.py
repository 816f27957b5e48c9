"""Where a page may be written: in no folder's place, and over nothing but an earlier page."""

from __future__ import annotations

import stat
from pathlib import Path

from prunescope.errors import InputError
from prunescope.files import open_regular

# In the head of each of prunescope's pages; those of 0.1.0 have the end of the title alone.
OWN = (b'<meta name="generator" content="prunescope">', "· prunescope</title>".encode())
BEGINNING = 1 << 14  # bytes that hold the head up to the title


def check_page_place(out: Path, page: str = "page") -> None:
    """Raise InputError where a page must not be written: a folder, or a file but one of its pages.

    ``page``: what it is called. Cheap, to be done before what the page shows is measured.
    """
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give the {page} a file name, such as {out / 'report.html'}")
    if not out.exists() or not stat.S_ISREG(out.stat().st_mode):
        return  # Devices and the like are refused where the page is written.
    with open_regular(out) as file:
        start = file.read(BEGINNING).lstrip()
    if start and not start.lower().startswith((b"<!doctype html", b"<html")):
        raise InputError(f"{out}: is there, and is no page in HTML; give the {page} another file name")
    if start and not any(mark in start for mark in OWN):
        raise InputError(
            f"{out}: is there, and is no page that prunescope wrote; give the {page} another file name"
        )
