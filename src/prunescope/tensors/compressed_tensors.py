"""Weights as compressed-tensors stores them: the values that are kept, and where they are.

Formats "sparse-24-bitmask" and "sparse-bitmask": ``bitmask`` holds a bit for each weight of a row, the first weight as the
lowest bit, and ``shape`` the shape of the weight. Format "marlin-24": ``meta`` holds the places of the two kept weights of
each four, two bits each, in the order in which the kernels of Marlin want them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.tensors.named_tensor import NamedTensor, Rows, array_rows
from prunescope.tensors.printable import shown, size_words

BITMASK = ("compressed", "bitmask", "shape")
MARLIN = ("weight_packed", "meta", "scale_packed")
# All parts of a weight, by the last word of the name of the one by which it is recognised.
PARTS: dict[str, tuple[str, ...]] = {"bitmask": (*BITMASK, "row_offsets"), "meta": MARLIN}
# The largest number of axes of a weight.
MOST_AXES = 8


def uncompressed(tensors: Sequence[NamedTensor]) -> list[NamedTensor]:
    """Return the tensors, each compressed weight as one of bool, whether a weight is kept, in place of its parts."""
    by_name = {tensor.name: tensor for tensor in tensors}
    parts: set[str] = set()
    made: dict[str, NamedTensor] = {}
    for name in by_name:
        prefix, _, last = name.rpartition(".")
        if last == "bitmask":
            found = _of_bitmask(prefix, by_name)
        elif last == "meta":
            found = _of_marlin(prefix, by_name)
        else:
            continue
        if found is not None:
            made[name] = found
            parts.update(f"{prefix}.{part}" for part in PARTS[last])
    return [
        made.get(tensor.name, tensor) for tensor in tensors if tensor.name in made or tensor.name not in parts
    ]


def _weight(prefix: str) -> str:
    """Return the name of a weight: earlier versions of the format kept it in the names of the parts, later ones do not."""
    return prefix if prefix.endswith("weight") else f"{prefix}.weight"


def _of_bitmask(prefix: str, by_name: dict[str, NamedTensor]) -> NamedTensor | None:
    values, bits, size = (by_name.get(f"{prefix}.{part}") for part in BITMASK)
    if values is None or bits is None or size is None or bits.dtype != "uint8" or size.size > MOST_AXES:
        return None
    shape = tuple(int(one) for part in size.parts() for one in part.flat)
    if min(shape, default=0) < 1 or bits.shape != (*shape[:-1], -(-shape[-1] // 8)):
        words = f"{size_words(bits.shape)} does not hold the bits of a weight of {size_words(shape)}"
        raise InputError(f"{shown(bits.name)} of {words}")
    return NamedTensor(_weight(prefix), shape, "bool", partial(_unpacked_rows, bits, shape), is_mask=True)


def _unpacked_rows(bits: NamedTensor, shape: tuple[int, ...]) -> Rows:
    rows = bits.begin()

    def unpacked(start: int, stop: int) -> NDArray[np.uint8]:
        found = rows(start, stop).reshape(stop - start, -1, bits.shape[-1])
        return np.unpackbits(found, axis=2, count=shape[-1], bitorder="little").reshape(stop - start, -1)

    return unpacked


def _of_marlin(prefix: str, by_name: dict[str, NamedTensor]) -> NamedTensor | None:
    values, meta, scales = (by_name.get(f"{prefix}.{part}") for part in MARLIN)
    if values is None or meta is None or scales is None or meta.dtype != "int16" or len(meta.shape) != 2:
        return None
    # The metadata [n_out, n_in / 16] are stored as [n_in / 32, 2 n_out], without moving a number.
    shape = meta.shape[1] // 2, meta.shape[0] * 32
    return NamedTensor(_weight(prefix), shape, "bool", partial(_of_metadata, meta, shape), is_mask=True)


def _of_metadata(meta: NamedTensor, shape: tuple[int, int]) -> Rows:
    words = np.concatenate([part.ravel() for part in meta.parts()])
    return array_rows(kept_of_metadata(words, shape))


def kept_of_metadata(words: NDArray[np.int16], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which weights the metadata of 2:4 sparsity keeps, bool [n_out, n_in].

    words: int16 [n_out · n_in / 16], each four times the places of the two kept weights of four, in the order of Marlin
    (compressed_tensors.utils.semi_structured_conversions). Raises InputError for a shape that has no such order.
    """
    n_out, n_in = shape
    if n_out % 64 or n_in % 32 or len(words) * 16 != n_out * n_in:
        raise InputError(f"a weight of Marlin has n_out a multiple of 64 and n_in of 32, not {n_out}x{n_in}")
    ordered = words.view(np.uint16)[_places(n_out, n_in // 16)]
    kept = np.zeros((n_out, n_in // 16, 4, 4), np.bool_)
    for four in range(4):
        for which in range(2):
            place = (ordered >> (4 * four + 2 * which)) & 3
            np.put_along_axis(kept[:, :, four], place[..., None].astype(np.intp), True, axis=2)
    return kept.reshape(shape)


def _places(n_rows: int, n_columns: int) -> NDArray[np.intp]:
    """Return where Marlin stores each word of metadata, [n_rows, n_columns]."""
    row, column = np.indices((n_rows, n_columns))
    # Rows are reordered in groups of 64, and blocks of 2x2 transposed.
    row = row // 64 * 64 + row % 2 * 2 + row % 8 // 4 + row % 32 % 4 // 2 * 32 + row % 64 // 8 * 4
    turned = ((row % 2 == 0) & (column % 2 == 1)).astype(np.intp) - ((row % 2 == 1) & (column % 2 == 0))
    row, column = row + turned, column - turned
    return column // 2 * n_rows * 2 + row * 2 + column % 2
