"""Names of tensors: as they may be printed, in the order of layers, and as parts of longer names."""

from __future__ import annotations

import re

SUFFIX = "weight_mask"  # the name torch.nn.utils.prune gives the buffer of a pruned weight

# A longer name is cut where it is printed.
LONGEST_NAME = 120


def shown(name: str) -> str:
    """Return a name from a file as it may be printed: on one line, without control characters, and not too long."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def end_of(name: str, longest: int) -> str:
    """Return a name, or where it is longer than so many letters its end after an ellipsis."""
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts layer2 before layer10."""
    # Numbers of any length compare by their length first, then digit by digit.
    parts = [part.lstrip("0") if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]
    return [(len(part), part) if i % 2 else (-1, part) for i, part in enumerate(parts)]


def word(name: object) -> str:
    """Return a key of a dict as a part of a name."""
    return str(name) if isinstance(name, str | int | float | bool | bytes | None) else type(name).__name__


def last_word(name: str) -> str:
    """Return the last part of a dotted name."""
    return name.rpartition(".")[2]


def size_words(shape: tuple[int, ...]) -> str:
    """Return a shape as 64x3x3x3."""
    return "x".join(map(str, shape))


def shortened(
    lines: list[str], most: int = 6, others: str = "more that are no 2-D arrays of 0 and 1"
) -> list[str]:
    """Return the lines, where there are more than ``most`` the first ones and how many follow."""
    if len(lines) <= most:
        return lines
    return [*lines[:most], f"and {len(lines) - most} {others}"]
