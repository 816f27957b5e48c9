"""This module keeps a process at work whose standard streams are closed, broken or full."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from prunescope.errors import naming


@contextlib.contextmanager
def lasting_streams() -> Iterator[None]:
    """Let the process have all three standard streams while the block runs, and lose what stderr does not take.

    Results are not lost in silence: an OSError of stdout names it.
    A stream that was closed discards what is written to it. Without that the next file that is opened would take its
    place, and libraries that write to stderr would write into it.
    """
    _open_closed()
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = sys.stdin or cast(TextIO, open(os.devnull, encoding="utf-8"))  # noqa: SIM115
    sys.stdout = cast(TextIO, _Named(before[1] or open(os.devnull, "w", encoding="utf-8")))  # noqa: SIM115
    sys.stderr = cast(TextIO, _Lossy(before[2] or open(os.devnull, "w", encoding="utf-8")))  # noqa: SIM115
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        sys.stdin, sys.stdout, sys.stderr = before


def discard(stream: TextIO) -> None:
    """Lead a stream that cannot be written any more to nowhere, with what is still in its buffer."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def _open_closed() -> None:
    """Lead those of the file descriptors 0 to 2 that are closed to nowhere."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # It takes the lowest free number, which is this one.


class _Stream:
    """A text stream in front of another one, ``below``."""

    def __init__(self, below: Any) -> None:
        self._below = below

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    def writelines(self, lines: list[str]) -> None:
        """Write lines."""
        for line in lines:
            self.write(line)

    def write(self, text: str) -> int:
        """Write text."""
        return int(self._below.write(text))


class _Named(_Stream):
    """A text stream whose errors say that they are of stdout."""

    def write(self, text: str) -> int:
        """Write text; raise OSError with the name stdout where it is not taken."""
        with naming("stdout"):
            return super().write(text)

    def flush(self) -> None:
        """Flush the stream; raise OSError with the name stdout where it takes no more."""
        with naming("stdout"):
            self._below.flush()


class _Lossy(_Stream):
    """A text stream that loses what the stream below it does not take, as one whose terminal is gone."""

    def write(self, text: str) -> int:
        """Write text, or lose it."""
        try:
            self._below.write(text)
        except UnicodeEncodeError:
            codec = self._below.encoding or "ascii"
            self._below.write(text.encode(codec, "backslashreplace").decode(codec))
        except (OSError, ValueError):  # ValueError: it is closed.
            discard(self._below)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, or lose what it has."""
        try:
            self._below.flush()
        except (OSError, ValueError):
            discard(self._below)
