"""The masks of 2 axes in a file, as Mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prunescope.arguments import LARGEST, path_of, whole
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.tensors.choosing import chosen_masks
from prunescope.tensors.named_mask import ReadingOptions
from prunescope.tensors.named_masks import silent
from prunescope.tensors.printable import shortened, shown
from prunescope.tensors.readers import opened_path


def load_masks(
    path: str | Path, layer: int | None = None, say: Callable[[str], None] | None = None
) -> list[tuple[str, Mask]]:
    """Read the masks of 2 axes in a file and return them with their names, in the file's order of layers.

    path: a file of any layout that named_masks reads; masks of more axes are left out. Masks are [n_out, n_in].
    layer: 1 for the first mask, …; None for all of them. say: is told, in a line each, what was left out and why. Raises
    InputError with a message of one line for a file that is missing or damaged, would execute code on loading or holds no
    mask, and for a layer that the file does not hold.
    """
    path = path_of("path", path)
    layer = None if layer is None else whole("layer", layer, least=-LARGEST)
    with opened_path(path) as source:
        found = chosen_masks(source, ReadingOptions(each_name=True), say or silent, only_matrices=True)
        masks = [(named.name, Mask.owning(named.array)) for named in found]
    if layer is None:
        return masks
    if not 1 <= layer <= len(masks):
        names = ", ".join(shortened([shown(name) for name, _ in masks], others="more"))
        raise InputError(f"{path}: no layer {layer}; it holds {len(masks)} ({names})")
    return [masks[layer - 1]]
