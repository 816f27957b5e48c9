"""This module turns a panic, as a library written in Rust ends at some damaged files, into one line."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

from prunescope.errors import InputError

_STDERR = 2
_lock = threading.RLock()


@contextlib.contextmanager
def without_panics(where: str) -> Iterator[None]:
    """Raise InputError, which names the place as ``where``, when the block ends in a panic.

    The report of a panic, many lines which Rust prints to stderr, is dropped. What else is written to stderr meanwhile
    is held back until the block ends. One thread at a time is in such a block.
    """
    with _lock, tempfile.TemporaryFile() as held, _stderr_into(held):
        try:
            yield
        except BaseException as error:
            # Each library has a class of this name of its own, without a common base.
            if type(error).__name__ != "PanicException":
                raise
            held.truncate(0)
            raise InputError(f"{where}: truncated or damaged") from None


@contextlib.contextmanager
def _stderr_into(held: IO[bytes]) -> Iterator[None]:
    """Write what goes to stderr into a file during the block, and then to stderr."""
    _flush()
    try:
        real = os.dup(_STDERR)
    except OSError:  # it is closed
        yield
        return
    os.dup2(held.fileno(), _STDERR)
    try:
        yield
    finally:
        _flush()
        os.dup2(real, _STDERR)
        os.close(real)
        held.seek(0)
        text = held.read().lstrip(b"\0")  # what was cut off leaves a hole
        with contextlib.suppress(OSError):
            while text:
                text = text[os.write(_STDERR, text) :]


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
