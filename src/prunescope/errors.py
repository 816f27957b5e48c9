"""The one error that is the user's to mend, and what messages are made of."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """Wrong usage or input. Its message is one line: the thing, the value found, what is right.

    The command line prints it without a traceback and exits with 2.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, the name of its class where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return a hint for a name that is not among the ``known``: the one most like it, ``otherwise`` where none is."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else otherwise
