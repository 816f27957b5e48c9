"""Checkpoints of flax in msgpack, as `flax.serialization.to_bytes` makes them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from prunescope.tensors.dotted_names import natural
from prunescope.tensors.msgpack_reader import read_msgpack
from prunescope.tensors.named_tensor import NamedTensor, TensorSource
from prunescope.tensors.stored_arrays import stored_rows


@contextmanager
def msgpack_source(path: Path, file: BinaryIO) -> Generator[TensorSource]:
    """Open the arrays of a checkpoint of flax, in the order of layers."""
    tensors = []
    for keys, stored in read_msgpack(file).items():
        name = ".".join(keys) or path.stem
        tensors.append(NamedTensor(name, stored.shape, stored.type.name, partial(stored_rows, stored)))
    yield TensorSource(str(path), sorted(tensors, key=lambda tensor: natural(tensor.name)))
