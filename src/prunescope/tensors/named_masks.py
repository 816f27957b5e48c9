"""Named masks of whatever holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from prunescope.errors import InputError
from prunescope.tensors.choosing import chosen_masks
from prunescope.tensors.memory_sources import source_in_memory
from prunescope.tensors.modules import is_module
from prunescope.tensors.named_mask import NamedMask, ReadingOptions
from prunescope.tensors.readers import opened_path


def named_masks(
    source: object,
    options: ReadingOptions | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[NamedMask]:
    """Yield the masks that a source holds, one at a time, in its order of layers.

    ``source``: the path of a file; a torch module, pruned in any way that leaves masks or zeros; a state dict, or nested
    dicts and lists of masks or weights; an array, tensor, sparse matrix or Mask of 2 or more axes. ``say``: is told, in a line each, what was left out and why.
    Raises InputError for a source that is damaged, would execute code on loading, or holds no mask, and for a module whose
    axes are said to be in another order than torch has.
    """
    options, say = options or ReadingOptions(), say or silent
    if isinstance(source, str | Path):
        with opened_path(Path(source)) as opened:
            yield from chosen_masks(opened, options, say)
        return
    if is_module(source):
        if options.order == "io":
            raise InputError("order is io, but the order of a torch module's axes is known: leave it out")
        options = replace(options, order="auto")
    yield from chosen_masks(source_in_memory(source), options, say)


def silent(line: str) -> None:
    """Ignore a line."""
