"""Names of layers, short enough for a figure."""

from __future__ import annotations

from collections.abc import Iterable

from prunescope.tensors import shown
from prunescope.tensors.printable import end_of

LONGEST = 34
# What names of stored masks and weights end in, which says nothing in a figure of layers.
ENDINGS = ("_mask", ".weight")


def short_names(names: Iterable[str], longest: int = LONGEST) -> list[str]:
    """Return names as they may be drawn: without the endings that all have, control characters and what is too long."""
    found = list(names)
    for ending in ENDINGS:
        if all(len(name) > len(ending) and name.endswith(ending) for name in found):
            found = [name.removesuffix(ending) for name in found]
    return [end_of(shown(name), longest) for name in found]
