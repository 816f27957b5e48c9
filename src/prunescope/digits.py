"""Whole numbers in text, as people write them on command lines and in names of files: digits 0 to 9 and nothing else."""

from __future__ import annotations

import re

MOST_DIGITS = 18  # what 64 bits hold


def is_whole(text: str) -> bool:
    """Return whether a text is a whole number of at least 0: digits 0 to 9 alone, few enough for 64 bits.

    ``str.isdecimal`` also takes the digits of other scripts, ``str.isdigit`` superscripts, which ``int`` refuses, and
    ``int`` refuses more than some thousand digits too.
    """
    return re.fullmatch(rf"[0-9]{{1,{MOST_DIGITS}}}", text) is not None
