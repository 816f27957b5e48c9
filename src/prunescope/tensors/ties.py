"""Tensors of several names that are one, such as the embedding of a language model and the output layer tied to it.

They are known by the memory that they share, and in files by what the library that wrote them says of them.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.tensors.named_tensor import NamedTensor, quiet
from prunescope.tensors.printable import shortened, shown

# What libraries call the weights of output layers and of embeddings that a configuration may tie to each other.
HEADS = ("lm_head.weight", "embed_out.weight", "predictions.decoder.weight")
EMBEDDINGS = (
    "embed_tokens.weight",
    "embed_in.weight",
    "word_embeddings.weight",
    "wte.weight",
    "shared.weight",
)


class Ties:
    """Which tensors of a source have several names: the other names by the first."""

    def __init__(self, tensors: Sequence[NamedTensor]) -> None:
        self._others = {one.name: list(one.also) for one in tensors if one.also}

    def once(self, tensors: Iterable[NamedTensor]) -> Iterator[NamedTensor]:
        """Yield tensors, of those that are one only the first."""
        first: dict[Hashable, str] = {}
        for tensor in tensors:
            name = tensor.name if tensor.place is None else first.setdefault(tensor.place, tensor.name)
            if name == tensor.name:
                yield tensor
            else:
                self._others.setdefault(name, []).extend((tensor.name, *tensor.also))

    def lines(self, taken: Collection[str]) -> list[str]:
        """Return what is to be said of those whose first name was taken: one line, or none where there are none."""
        some = [_equation([first, *others]) for first, others in self._others.items() if first in taken]
        if not some:
            return []
        named = ", ".join(shortened(some, 6, others="more"))
        return [f"taken once, because they are one tensor: {named}"]


def _equation(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return " = ".join(map(shown, names[:4])) + rest


def place_of_tensor(tensor: Any) -> Hashable:
    """Return where the values of a tensor of torch are, which is equal for tensors that are one.

    Those that share their memory but have another shape or order of entries are others.
    """
    try:
        address = 0 if tensor.is_nested else tensor.data_ptr()
    except (RuntimeError, TypeError, AttributeError):  # of layouts and classes that have no address
        address = 0
    # A tensor without values has none either; the same object is the same tensor all the same.
    if not address:
        return id(tensor)
    return str(tensor.device), str(tensor.dtype), address, tuple(tensor.shape), tuple(tensor.stride())


def place_of_array(array: NDArray[Any]) -> Hashable:
    """Return where the values of an array are, which is equal for arrays that are one."""
    address = array.__array_interface__["data"][0]
    return "array", array.dtype.str, address, array.shape, array.strides


def tied_by_configuration(tensors: Sequence[NamedTensor]) -> list[NamedTensor]:
    """Return the tensors of a model whose configuration ties its output layer to its embedding, as such.

    A file may hold both. Where their values differ they are two, whatever the configuration says.
    """
    heads = [one for one in tensors if _ends(one.name, HEADS)]
    embeddings = [one for one in tensors if _ends(one.name, EMBEDDINGS)]
    if len(heads) != 1 or len(embeddings) != 1 or not _equal(heads[0], embeddings[0]):
        return list(tensors)
    both = {heads[0].name, embeddings[0].name}
    return [replace(one, place="tied") if one.name in both else one for one in tensors]


def _ends(name: str, endings: Sequence[str]) -> bool:
    return any(f".{name}".endswith(f".{ending}") for ending in endings)


def _equal(first: NamedTensor, second: NamedTensor) -> bool:
    """Return whether two tensors have the same values in the same places."""
    if first.shape != second.shape or first.dtype != second.dtype or len(first.shape) != 2:
        return False
    try:
        with quiet():
            return all(
                np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
                for one, other in zip(first.parts(), second.parts(), strict=True)
            )
    except InputError:  # numbers that are not read
        return False
