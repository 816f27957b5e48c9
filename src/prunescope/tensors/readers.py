"""The registry of readers, by the suffixes of files, and the opening of a path with them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from prunescope.errors import InputError, first_line
from prunescope.files import open_regular
from prunescope.tensors.layouts import in_its_layout
from prunescope.tensors.model_config import read_config
from prunescope.tensors.model_folder import INDEX, file_of_folder, indexed_source
from prunescope.tensors.msgpack_file import msgpack_source
from prunescope.tensors.named_tensor import TensorSource, quiet
from prunescope.tensors.numpy_files import npy_source, npz_source
from prunescope.tensors.printable import shown
from prunescope.tensors.raw_pickles import refuse_pickle
from prunescope.tensors.safetensors_file import safetensors_source
from prunescope.tensors.torch_file import torch_source

# Opens the tensors of a file, whose bytes it gets too; they can be read until the block ends.
Reader = Callable[[Path, BinaryIO], AbstractContextManager[TensorSource]]

READERS: dict[str, Reader] = {
    ".npy": npy_source,
    ".npz": npz_source,
    ".safetensors": safetensors_source,
    ".msgpack": msgpack_source,
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".tar"), torch_source),
}

# Readers of formats whose first bytes are numbers, which may be those of a pickle too.
OF_BYTES = (safetensors_source, msgpack_source)


@contextmanager
def opened_path(path: Path) -> Generator[TensorSource]:
    """Open the tensors of a file, or of the model in a folder, which can be read until the block ends.

    Raises InputError with a message of one line where it is missing, damaged or of another kind, in the block too.
    """
    with _one_line(path):
        file = file_of_folder(path, tuple(READERS)) if path.is_dir() else path
        opened = indexed_source(file, _opened_file) if file.name.endswith(INDEX) else _opened_file(file)
        with opened as source:
            yield in_its_layout(source, read_config(file.parent))


@contextmanager
def _opened_file(path: Path) -> Generator[TensorSource]:
    """Open the tensors of one file."""
    reader = READERS.get(path.suffix.lower())
    with _one_line(path), ExitStack() as open_files:
        file = open_files.enter_context(open_regular(path))
        if reader not in OF_BYTES:
            refuse_pickle(path, file)
        if reader is None:
            suffix = path.suffix or "no suffix"
            raise InputError(f"{path}: cannot read masks from {suffix}; use {', '.join(READERS)}")
        with quiet():
            source = open_files.enter_context(reader(path, file))
        yield source


@contextmanager
def _one_line(path: Path) -> Generator[None]:
    """Turn the errors of a damaged file into an InputError of one line."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or first_line(error)})") from None
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into memory ({first_line(error)})") from None
    except Exception as error:  # zip, zlib, header and decoding errors have no common base
        raise InputError(
            f"{path}: damaged, or not a {path.suffix} file ({shown(first_line(error))})"
        ) from None
