"""Where a figure may be written. Importing this imports no matplotlib."""

from __future__ import annotations

from pathlib import Path

from prunescope.files import check_file, check_folder

# What every figure is written as; its data and movies go beside these.
SUFFIXES = (".pdf", ".png")
# The figure of two networks side by side, which is in no list.
OVERLAP = "overlap-layers"


def file_stem(figure_id: str) -> str:
    """Return what the files of a figure are called, without their endings."""
    return f"figure-{figure_id}"


def check_figure_place(out: Path, figure_id: str) -> None:
    """Raise InputError where a figure cannot be written into a folder, before what it shows is measured."""
    check_folder(out, "--out")
    for suffix in SUFFIXES:
        check_file(out / f"{file_stem(figure_id)}{suffix}", "--out")
