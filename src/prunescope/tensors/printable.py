"""Names and shapes of tensors as they may be printed: on one line, and not too long."""

from __future__ import annotations

# A longer name is cut where it is printed.
LONGEST_NAME = 120


def shown(name: str) -> str:
    """Return a name from a file as it may be printed: on one line, without control characters, and not too long."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def end_of(name: str, longest: int) -> str:
    """Return a name, or where it is longer than so many letters its end after an ellipsis."""
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


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
