"""Tensors in nested dicts and lists, such as a checkpoint with a state dict inside, with dotted names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prunescope.errors import InputError
from prunescope.tensors.dotted_names import word

# Dicts and lists are searched up to this many entries and this depth: a few that hold each other can have any number.
MOST_ENTRIES = 100_000
DEEPEST = 100


def leaves(where: str, value: Any, is_leaf: Callable[[object], bool]) -> Iterator[tuple[str, Any]]:
    """Yield what ``is_leaf`` tells in nested dicts and lists, with dotted names; leave out everything else.

    ``where``: what errors begin with, "" for nothing. Raises InputError where they are nested without end.
    """

    def may_hold(value: object) -> bool:
        return isinstance(value, Mapping | list | tuple) or is_leaf(value)

    # A stack of what remains to be searched, since dicts may be nested deeper than functions can be.
    stack: list[tuple[str, Any, tuple[int, ...]]] = [("", value, ())] if may_hold(value) else []
    found = 0
    while stack:
        prefix, value, outer = stack.pop()
        if is_leaf(value):
            yield prefix, value
            continue
        if id(value) in outer:  # a dict that holds itself
            continue
        entries = value.items() if isinstance(value, Mapping) else enumerate(value)
        inside = [(name, inner) for name, inner in entries if may_hold(inner)]
        found += len(inside)
        around = (*outer, id(value))
        if len(around) > DEEPEST or found > MOST_ENTRIES:
            raise InputError(
                f"{where}{': ' if where else ''}refused, its dicts and lists are nested without end; "
                "save a plain state_dict of tensors"
            )
        for name, inner in reversed(inside):
            stack.append((f"{prefix}.{word(name)}" if prefix else word(name), inner, around))


def is_tensor(value: object) -> bool:
    """Return whether a value is a tensor of torch."""
    return hasattr(value, "detach")
