"""Files of safetensors, read tensor by tensor."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.tensors.dotted_names import natural
from prunescope.tensors.named_tensor import NamedTensor, Rows, TensorSource, array_rows
from prunescope.tensors.safetensors_header import read_safetensors_header
from prunescope.tensors.stored_arrays import StoredArray, stored_rows
from prunescope.tensors.torch_tensors import is_state_dict


@contextmanager
def safetensors_source(path: Path, file: BinaryIO) -> Generator[TensorSource]:
    """Open the tensors of a file of safetensors, in the order of layers."""
    header = read_safetensors_header(file)
    notes = header.notes
    tensors = [_tensor(path, name, stored, notes.get(name, "")) for name, stored in header.tensors.items()]
    # safetensors.torch.save_model leaves out tensors that are others, and notes which.
    also: dict[str, tuple[str, ...]] = {}
    for name, note in notes.items():
        if note in header.tensors and name not in header.tensors:
            also[note] = (*also.get(note, ()), name)
    tensors = [replace(one, also=also[one.name]) if one.name in also else one for one in tensors]
    of_torch = notes.get("format") == "pt" and is_state_dict(header.tensors, tensors)
    tensors.sort(key=lambda tensor: natural(tensor.name))
    yield TensorSource(str(path), tensors, of_torch=of_torch)


def _tensor(path: Path, name: str, stored: StoredArray, note: str) -> NamedTensor:
    """Return a tensor of a file; the note of a packed mask of a run says its shape, "n_outxn_in"."""
    size = re.fullmatch(r"([0-9]{1,18})x([0-9]{1,18})", note)
    if size and len(stored.shape) == 1 and stored.type.name == "uint8":
        shape = int(size[1]), int(size[2])
        if stored.size != -(-shape[0] * shape[1] // 8):
            raise InputError(f"{path}: {stored.size} bytes do not hold a packed {size[0]} mask")
        return NamedTensor(name, shape, "bool", partial(_unpacked_rows, stored, shape))
    return NamedTensor(name, stored.shape, stored.type.name, partial(stored_rows, stored))


def _unpacked_rows(stored: StoredArray, shape: tuple[int, int]) -> Rows:
    return array_rows(Mask.unpack(stored.read(0, stored.size), *shape).array)
