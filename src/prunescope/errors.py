"""This module holds InputError, which tells users what to correct, and functions that word its messages."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """An error of usage or input, which the user can correct.

    Its message is one line that names the thing, the value found and what would be right. The command line prints it
    without a traceback and exits with 2.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class where the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return a hint for a name that is not ``known``: the most similar known name, or ``otherwise`` without one."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else otherwise
