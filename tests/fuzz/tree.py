"""An input is a small tree of files in memory: bytes, or something that is no regular file, by relative path."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

KINDS = ("folder", "pipe", "socket", "loop", "dangling", "endless")


@dataclass(frozen=True)
class Special:
    """What stands in the place of a file: an empty folder, a pipe, a socket, or a link.

    A link leads to itself ("loop"), to nothing ("dangling"), or to a device that never ends ("endless").
    """

    kind: str


Tree = dict[str, bytes | Special]


def stored(folder: Path) -> Tree:
    """Return the tree below a folder, of its regular files."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write(tree: Tree, folder: Path) -> None:
    """Write a tree into a folder, which is emptied before. What does not fit, as a file below a file or a name with a null byte, is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    _empty(folder, {str(parent) for name in tree for parent in (folder / name).parents})
    for name, node in tree.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(node) if isinstance(node, bytes) else _make(path, node.kind)
        except (OSError, ValueError):
            continue


def state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what tells whether the files below a folder were changed: mode, size and time of each."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            entry = os.lstat(os.path.join(place, name))
            time = 0 if name in folders else entry.st_mtime_ns
            found[os.path.join(place, name)] = (entry.st_mode, 0 if name in folders else entry.st_size, time)
    return found


def _empty(folder: Path, needed: set[str]) -> None:
    """Remove what is below a folder, but for folders that are needed again, since making them anew takes long."""
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            path = os.path.join(place, name)
            if name in files or os.path.islink(path):
                os.unlink(path)
            elif path not in needed:
                os.rmdir(path)


def _make(path: Path, kind: str) -> None:
    links = {"loop": path.name, "dangling": "not-there", "endless": "/dev/zero"}
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    else:
        path.symlink_to(links[kind])
