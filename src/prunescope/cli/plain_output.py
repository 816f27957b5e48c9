"""This module prints names of foreign files and runs so that they cannot drive a terminal, whatever they hold."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

# Control characters but for tab and newline, and those that turn the direction of writing or end a line elsewhere.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def shown(text: str) -> str:
    """Return a text with its control characters written as escapes, such as ``\\x1b``; newlines and tabs stay."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class PlainStream:
    """A text stream that writes to ``stream`` what ``shown`` makes of a text, in the characters that ``stream`` has.

    Bytes of paths that are not UTF-8 are written as they are, so that another program finds the file, but to a terminal
    as escapes.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text and return its length."""
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        safe = shown(text)
        try:
            safe.encode(encoding)
        except UnicodeEncodeError:
            self._write_pieces(safe, encoding)
        else:
            self.stream.write(safe)
        return len(text)

    def _write_pieces(self, text: str, encoding: str) -> None:
        buffer = None if self.stream.isatty() else getattr(self.stream, "buffer", None)
        if buffer is None:
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            return
        self.stream.flush()
        for piece in re.split("([\udc80-\udcff]+)", text):
            raw = re.fullmatch("[\udc80-\udcff]+", piece) is not None
            buffer.write(piece.encode(encoding, "surrogateescape" if raw else "backslashreplace"))
        buffer.flush()


def own_stream(stream: IO[str]) -> IO[str]:
    """Return the stream behind a PlainStream, for what this program draws by control characters itself."""
    return stream.stream if isinstance(stream, PlainStream) else stream


@contextlib.contextmanager
def plain_streams() -> Iterator[None]:
    """Make stdout and stderr PlainStreams inside the ``with`` block."""
    out, err = (cast(IO[str], PlainStream(own_stream(stream))) for stream in (sys.stdout, sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


@contextlib.contextmanager
def own_streams() -> Iterator[None]:
    """Undo ``plain_streams`` inside the ``with`` block, for trackers, which write in colours."""
    with (
        contextlib.redirect_stdout(own_stream(sys.stdout)),
        contextlib.redirect_stderr(own_stream(sys.stderr)),
    ):
        yield


def plainly(verb: Callable[..., None]) -> Callable[..., None]:
    """Return a verb that prints plainly."""

    @functools.wraps(verb)
    def run(*arguments: Any, **options: Any) -> None:
        with plain_streams():
            verb(*arguments, **options)

    return run
