"""This module holds InputError, which tells users what to correct, and functions that word its messages."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable, Iterator
from pathlib import Path

# Numbers of OSErrors of a file that the user can correct, by another place, other permissions or some space.
FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
CORRECTABLE = FULL | {
    errno.EACCES,
    errno.EEXIST,
    errno.EIO,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.EPERM,
    errno.EROFS,
}


class InputError(ValueError):
    """An error of usage or input, which the user can correct.

    Its message is one line that names the thing, the value found and what would be right: line breaks in texts of files,
    or in paths, become escapes. The command line prints it without a traceback and exits with 2.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__("".join(map(_escaped, message)) if len(message.splitlines()) > 1 else message)


class MissingInput(InputError):
    """An error of a file or folder that is named and is not there."""


def described(error: OSError) -> str:
    """Return what an OSError says in one line: the file that it is about, and what is wrong with it."""
    path = error.filename
    if isinstance(path, bytes):
        path = path.decode(errors="surrogateescape")
    what = f"{path}: " if isinstance(path, str) and path else ""
    return f"{what}{error.strerror or error}"


def damaged(path: Path, why: str) -> InputError:
    """Return the error that says in one line what is wrong with the contents of a file."""
    return InputError(f"{path}: damaged ({why})")


@contextlib.contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Let an OSError of the block that names no file name ``path``: that of a full disk names none."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _escaped(character: str) -> str:
    """Return a character that ends a line as its escape, and any other as it is."""
    return character.encode("unicode_escape").decode("ascii") if character.splitlines() == [""] else character


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class where the message is empty.

    A long line, which may hold what a damaged file holds, is cut.
    """
    lines = str(error).strip().splitlines()
    return shortened(lines[0]) if lines else type(error).__name__


def shortened(text: str, most: int = 300) -> str:
    """Return text from a file as one line that a message can hold: what cannot be printed escaped, the rest cut."""
    text = text[: most + 1]
    plain = text if text.isprintable() else ascii(text)[1:-1]
    return plain if len(plain) <= most else f"{plain[:most]}…"


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return a hint for a name that is not ``known``: the most similar known names, or ``otherwise`` without one.

    There are several, at most three, only where they are about equally similar.
    """
    from difflib import SequenceMatcher, get_close_matches

    by_lower = {other.lower(): other for other in known}
    close = get_close_matches(name.lower(), by_lower, n=3)
    if not close:
        return otherwise
    alike = [SequenceMatcher(None, other, name.lower()).ratio() for other in close]
    near = [repr(by_lower[one]) for one, ratio in zip(close, alike, strict=True) if ratio >= alike[0] - 0.05]
    *ahead, last = near
    return f"did you mean {', '.join(ahead)}{' or ' * bool(ahead)}{last}?"
