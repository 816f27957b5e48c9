"""Dotted names of tensors: their parts, and the order of layers in which they are sorted."""

from __future__ import annotations

import re

SUFFIX = "weight_mask"  # the name torch.nn.utils.prune gives the buffer of a pruned weight


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
