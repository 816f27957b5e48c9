"""This module finds the pictures below a folder and counts what lies among them and is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prunescope.data.source_checks import text_of
from prunescope.errors import InputError

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
)  # fmt: skip
_LITTER = ("__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin")


@dataclass
class LeftOut:
    """Counts of what lies among the pictures and is not read."""

    folders: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)

    def add(self, other: LeftOut) -> None:
        """Add the counts of ``other`` to these."""
        self.folders += other.folders
        self.files += other.files

    def __str__(self) -> str:
        """Return a list of all that was left out, empty if nothing was."""
        parts = [_counted(count, "folder", name) for name, count in sorted(self.folders.items())]
        return ", ".join(
            parts + [_counted(count, "file", name) for name, count in sorted(self.files.items())]
        )

    def notes(self) -> tuple[str, ...]:
        """Return one line that names all that was left out, or none."""
        return (f"left out: {self}",) if str(self) else ()


def folders(root: Path) -> list[str]:
    """Return the names of the folders in ``root``, sorted, without hidden ones."""
    return sorted(entry.name for entry in _entries(root) if entry.is_dir() and not _is_litter(entry.name))


def pictures_below(folder: Path, left: LeftOut) -> list[Path]:
    """Return the pictures in ``folder`` and in the folders below it, those behind links included, sorted.

    Hidden files and folders are left out. Raises InputError for broken links and for links to a folder above, or to one that is read already.
    """
    return sorted(_below(folder, left))


def count_loose(folder: Path, left: LeftOut) -> None:
    """Count the pictures that lie directly in ``folder``, beside its class folders."""
    for entry in _entries(folder):
        if entry.is_file() and not _is_litter(entry.name) and _suffix(entry.name) in SUFFIXES:
            left.files[f"beside the class folders in {folder.name}"] += 1


def loose_pictures(folder: Path) -> int:
    """Return how many pictures lie directly in ``folder``."""
    return sum(_suffix(entry.name) in SUFFIXES for entry in _entries(folder))


def _below(folder: Path, left: LeftOut) -> Iterator[Path]:
    waiting = [_Level(folder, None)]  # a list, since folders may be nested more deeply than functions
    seen: set[tuple[int, int]] = set()
    while waiting:
        level = waiting.pop()
        if level.place in seen:
            above = "above it" if level.is_below_itself() else "that is read already"
            raise InputError(f"{level.folder}: a link to a folder {above}: images would be read twice")
        seen.add(level.place)
        for entry in _entries(level.folder):
            path = level.folder / entry.name
            if entry.is_dir():
                if _is_litter(entry.name):
                    left.folders[text_of(entry.name)] += 1
                else:
                    waiting.append(_Level(path, level))
            elif not entry.is_file():
                if entry.is_symlink() and not path.exists():
                    raise InputError(f"{path}: a link to nowhere: mend or remove it")
                left.files["of another kind (pipe, socket, device)"] += 1
            elif _is_litter(entry.name):
                if _suffix(entry.name) in SUFFIXES:
                    left.files["hidden"] += 1
            elif _suffix(entry.name) in SUFFIXES:
                yield path
            else:
                left.files[text_of(_suffix(entry.name)) or "without suffix"] += 1


class _Level:
    """A folder that is read, the folder it was found in, and where it truly is, links followed."""

    def __init__(self, folder: Path, above: _Level | None) -> None:
        self.folder, self.above = folder, above
        try:
            status = folder.stat()
        except OSError as error:
            raise InputError(f"{folder}: {error.strerror or error}") from None
        self.place = status.st_dev, status.st_ino

    def is_below_itself(self) -> bool:
        """Return whether one of the folders above is this very folder."""
        level = self.above
        while level is not None and level.place != self.place:
            level = level.above
        return level is not None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from None


def _counted(count: int, what: str, name: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)} {name}"


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
