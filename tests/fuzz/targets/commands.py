"""Command lines are called in this process, with what they print kept away from the terminal."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import sys
from pathlib import Path
from unittest import mock

from fuzz.targets import Skipped
from fuzz.tree import Tree

FILE = "arguments.json"
LONG = ("sweep", "bench", "reproduce", "track")  # verbs that start processes, or train for long


def command(*arguments: str) -> Tree:
    """Return the tree that keeps a command line; ``{input}`` and ``{out}`` in it stand for the folders."""
    _prepare()
    return {FILE: json.dumps(arguments).encode()}


def _leads_elsewhere(text: str) -> bool:
    """Return whether an argument may be a place outside the folders, to which a command would be right to write."""
    path = text.rpartition("=")[2]
    return ".." in path or path.startswith(("/", "~"))


def texts(path: Path) -> list[str]:
    """Return the list of texts in a file of JSON that only the fuzzing reads; raise Skipped where it is none."""
    try:
        given = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        given = None
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise Skipped
    return given


@functools.cache
def _prepare() -> None:
    """Do once in this process what takes longer than most commands: find fonts, and build the command line."""
    import matplotlib.font_manager  # noqa: F401
    import typer.main

    typer.main.get_command = functools.cache(typer.main.get_command)


def call(folder: Path, out: Path, *, trains: bool = False) -> str:
    """Call the command line that an input keeps and return what it printed to stdout."""
    from prunescope.cli import entry, main
    from prunescope.training.loop import Diverged

    given = texts(folder / FILE)
    arguments = [text.replace("{input}", str(folder)).replace("{out}", str(out)) for text in given]
    words = set(arguments)
    if any(_leads_elsewhere(text) for text in given):
        raise Skipped
    if not words.isdisjoint(LONG) or any("\0" in text for text in arguments):
        raise Skipped
    if not trains and "run" in words and "--dry-run" not in words:
        raise Skipped
    printed, said = io.StringIO(), io.StringIO()
    causes: list[BaseException | None] = []

    def keep_cause(message: str) -> None:
        """Keep the exception that the message is about, which the command line itself drops."""
        causes.append(sys.exc_info()[1])

    with (
        contextlib.chdir(out),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(said),
        mock.patch.object(entry, "_say", keep_cause),
    ):
        try:
            main(arguments)
        except SystemExit as left:
            left.__context__ = causes[-1] if causes else None
            if isinstance(left.__context__, Diverged):  # Weights that were changed may well do that.
                raise Skipped from None
            if left.code not in (0, None):
                raise
    return printed.getvalue()
