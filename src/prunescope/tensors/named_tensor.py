"""Tensors with names, which are read a few rows at a time, and the sources that hold them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import LARGE_BYTES, NOT_BINARY, TILE_ENTRIES, check_shape
from prunescope.memory import check_memory
from prunescope.tensors.printable import size_words

Order = Literal["auto", "oi", "io"]
# What a torch module, or a configuration beside a file, says of a layer: a number, a few of them or a word.
Fact = int | str | bool | tuple[int, ...]
Facts = Mapping[str, Fact]
# Returns rows start to stop of a tensor as an array [rows, entries of a row].
Rows = Callable[[int, int], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class NamedTensor:
    """A tensor of any number of axes, which is not read before it is known to be wanted.

    ``dtype``: its type in the source, in words as "float32", "bfloat16", "bool". ``begin``: begins to read it, and
    returns what gives its rows (of the first axis; the other axes are one); whoever asks for the rows in order, once each,
    gets them without reading anything twice. It raises InputError where the tensor cannot be read as numbers.
    ``order``: the order of its axes, where the source knows it, else "auto". ``facts``: what the source says of it.
    ``is_mask``: whether its layout says that it is a mask. ``is_sparse``: whether it is stored as its entries that are not
    0, which are those that are kept. ``place``: equal for tensors that are one, None where nothing is known of that;
    ``also``: other names that it has, which are not among those of the source. ``unread``: why it is known not to be read,
    "" for others; its shape is then () where it is not known.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    begin: Callable[[], Rows]
    order: Order = "auto"
    facts: Facts = field(default_factory=dict)
    is_mask: bool = False
    is_sparse: bool = False
    place: Hashable = None
    also: tuple[str, ...] = ()
    unread: str = ""

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether it holds floating-point numbers."""
        return "float" in self.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start`` to ``stop`` as an array [rows, entries of a row]."""
        return self.begin()(start, stop)

    def parts(self) -> Iterator[NDArray[Any]]:
        """Yield all rows in order, so many at a time that a part has few entries, as arrays [rows, entries of a row]."""
        rows = self.begin()
        width = math.prod(self.shape[1:])
        if width * 8 > LARGE_BYTES:
            check_memory(width * 8, f"a row of {self.name}")
        height = max(1, TILE_ENTRIES // max(width, 1))
        for start in range(0, self.shape[0], height):
            yield rows(start, min(start + height, self.shape[0]))


@dataclass(frozen=True, eq=False)
class TensorSource:
    """The tensors of a file, a folder, a module or a container, in their order.

    ``where``: its path, which errors begin with; "" for what is in memory. ``order``: that of the axes of all its tensors
    that do not say it themselves. ``facts``: what is known of layers, by the names of their modules. ``notes``: what is
    to be said of it, a line each. ``of_torch``: whether it is a state dict of torch, whose axes are [n_out, n_in, …] where
    nothing else is known.
    """

    where: str
    tensors: Sequence[NamedTensor]
    order: Order = "auto"
    facts: Mapping[str, Facts] = field(default_factory=dict)
    notes: Sequence[str] = ()
    of_torch: bool = False

    def error(self, why: str) -> InputError:
        """Return the error that says what is wrong with the source."""
        return InputError(f"{self.where}: {why}" if self.where else why)


@contextmanager
def quiet() -> Generator[None]:
    """Keep libraries from warning of what a file holds; nothing may be yielded in the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def array_rows(array: NDArray[Any]) -> Rows:
    """Return what gives the rows of an array in memory or mapped into it."""
    width = math.prod(array.shape[1:])
    return lambda start, stop: np.asarray(array[start:stop]).reshape(stop - start, width)


def check_numbers(dtype: np.dtype[Any]) -> None:
    """Raise InputError where the values are text, dates or records."""
    if dtype.kind not in "biufc":
        raise InputError(NOT_BINARY)


def check_axes(shape: tuple[int, ...], *, only_matrices: bool = False) -> None:
    """Raise InputError where an array of this shape is no mask, or where its mask does not fit into memory."""
    if only_matrices:
        check_shape(shape)
        return
    if len(shape) < 2:
        raise InputError(f"a mask must have 2 axes [n_out, n_in] or more, got shape {tuple(shape)}")
    if 0 in shape:
        raise InputError(f"a mask must have at least one entry, got shape {tuple(shape)}")
    if math.prod(shape) > LARGE_BYTES:
        check_memory(math.prod(shape), f"a mask of {size_words(shape)}")
