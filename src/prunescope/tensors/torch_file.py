"""Files of torch.save, read without running anything that they hold."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from prunescope.errors import InputError
from prunescope.mask import LARGE_BYTES
from prunescope.memory import check_memory, limited_memory
from prunescope.tensors.containers import is_tensor, leaves
from prunescope.tensors.harmless_globals import HARMLESS, InertArray
from prunescope.tensors.named_tensor import NamedTensor, Rows, TensorSource, array_rows, check_axes
from prunescope.tensors.printable import shown
from prunescope.tensors.torch_tensors import is_state_dict, named_tensor_of

# The pickle of a state dict names its tensors; one of more bytes than this holds other objects, and is slow to read.
LARGEST_PICKLE = 1 << 25


@contextmanager
def torch_source(path: Path, file: BinaryIO) -> Generator[TensorSource]:
    """Open the tensors of a file of torch.save, mapped into memory where they can be."""
    import torch

    mapped = _check_archive(path, file)
    try:
        # Indices of sparse tensors are checked, because those outside a tensor would be written outside its memory.
        with (
            torch.sparse.check_sparse_tensor_invariants(True),
            limited_memory(path.stat().st_size),
            _harmless(),
        ):
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a damaged pickle can raise nearly anything
        called = re.search(r"GLOBAL ([\w.]+)", str(error))
        if called:
            raise InputError(
                f"{path}: refused, it calls {shown(called[1])} on loading, and may run code; save a plain "
                "state_dict of tensors, torch.save(model.state_dict(), …)"
            ) from None
        raise InputError(f"{path}: damaged, or not a torch state dict ({type(error).__name__})") from None
    if is_tensor(loaded):
        yield TensorSource(str(path), [named_tensor_of(path.stem, loaded)])
    elif isinstance(loaded, InertArray):
        yield TensorSource(str(path), [_named(path.stem, loaded)])
    else:
        found = leaves(str(path), loaded, _is_leaf)
        tensors = [_named(name, value) for name, value in found]
        yield TensorSource(str(path), tensors, of_torch=is_state_dict(loaded, tensors))


def _is_leaf(value: object) -> bool:
    return is_tensor(value) or isinstance(value, InertArray)


def _named(name: str, value: Any) -> NamedTensor:
    if isinstance(value, InertArray):
        rows = partial(_array_rows, value)
        return NamedTensor(name, value.shape, value.dtype_name, rows, place=id(value))
    return named_tensor_of(name, value)


def _array_rows(value: InertArray) -> Rows:
    check_axes(value.shape)
    return array_rows(value.array())


def _harmless() -> AbstractContextManager[object]:
    """Let a file name what is put into its place by something inert; torch before 2.6 refuses it all."""
    import torch

    if not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"):
        return nullcontext()
    # torch takes a pair of what is used and what the file calls it.
    return torch.serialization.safe_globals([(stands, name) for name, stands in HARMLESS.items()])


def _check_archive(path: Path, file: BinaryIO) -> bool:
    """Return whether a file of torch is an archive whose tensors can be mapped into memory.

    Raises InputError for an archive of code, and for one that holds more Python objects than a state dict has.
    """
    if not zipfile.is_zipfile(file):
        size = file.seek(0, os.SEEK_END)
        if size > LARGE_BYTES:  # of the format before archives, which cannot be mapped
            check_memory(size, f"{path}: what it holds")
        return False
    with zipfile.ZipFile(file) as archive:
        records = archive.infolist()
    names = [record.filename.rpartition("/")[2] for record in records]
    if "constants.pkl" in names:
        raise InputError(
            f"{path}: refused, it is a TorchScript archive of code; save a plain state_dict of tensors"
        )
    for name, record in zip(names, records, strict=True):
        if name == "data.pkl" and record.file_size > LARGEST_PICKLE:
            raise InputError(
                f"{path}: refused, its {record.file_size / 1e6:,.0f} MB of Python objects are more than a state_dict "
                "needs; save a plain state_dict of tensors"
            )
    if all(record.compress_type == zipfile.ZIP_STORED for record in records):
        return True
    # Compressed by another program than torch.save: decompressed whole.
    check_memory(sum(record.file_size for record in records), f"{path}: what it holds")
    return False
