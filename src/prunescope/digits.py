"""Whole numbers in text, as people write them on command lines and in names of files: digits 0 to 9 and nothing else."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from typing import Any

from prunescope.errors import InputError

MOST_DIGITS = 18  # what 64 bits hold


def is_whole(text: str) -> bool:
    """Return whether a text is a whole number of at least 0: digits 0 to 9 alone, few enough for 64 bits.

    ``str.isdecimal`` also takes the digits of other scripts, ``str.isdigit`` superscripts, which ``int`` refuses, and
    ``int`` refuses more than some thousand digits too.
    """
    return re.fullmatch(rf"[0-9]{{1,{MOST_DIGITS}}}", text) is not None


def sizes_in(text: str) -> list[int] | None:
    """Return the sizes, of at least 1 and nine digits, in a text such as "3x32x32"; None for a text that is no such one."""
    parts = text.lower().split("x")
    right = all(is_whole(part) and len(part) < 10 and int(part) > 0 for part in parts)
    return [int(part) for part in parts] if right else None


def numbers_of(name: str, given: object) -> tuple[int, ...] | None:
    """Return the whole numbers that were given, of which one may stand alone; None where none were.

    ``name``: what they are called. Raises InputError for anything else.
    """
    if given is None:
        return None
    one_or_more: list[Any] = (
        list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes | dict) else [given]
    )
    try:
        if any(isinstance(one, bool) for one in one_or_more):
            raise TypeError
        return tuple(map(operator.index, one_or_more))
    except TypeError:
        said = repr(given) if len(repr(given)) <= 60 else f"{repr(given)[:60]}…"
        raise InputError(f"{name} is {said}: give a whole number, or several") from None
