"""The registry of readers, by the suffixes of files, and the opening of a path with them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from prunescope.errors import InputError, first_line
from prunescope.files import open_regular
from prunescope.tensors.named_tensor import TensorSource, quiet
from prunescope.tensors.names import shown
from prunescope.tensors.numpy_files import npy_source, npz_source
from prunescope.tensors.safetensors_file import safetensors_source
from prunescope.tensors.torch_file import torch_source

# Opens the tensors of a file, whose bytes it gets too; they can be read until the block ends.
Reader = Callable[[Path, BinaryIO], AbstractContextManager[TensorSource]]

READERS: dict[str, Reader] = {
    ".npy": npy_source,
    ".npz": npz_source,
    ".safetensors": safetensors_source,
    ".pt": torch_source,
    ".pth": torch_source,
}


@contextmanager
def opened_path(path: Path) -> Generator[TensorSource]:
    """Open the tensors of a file, which can be read until the block ends.

    Raises InputError with a message of one line where it is missing, damaged or of another kind, in the block too.
    """
    reader = READERS.get(path.suffix.lower())
    try:
        with _one_line(path), ExitStack() as open_files:
            file = open_files.enter_context(open_regular(path))
            if reader is None:
                suffix = path.suffix or "no suffix"
                raise InputError(f"{path}: cannot read masks from {suffix}; use {', '.join(READERS)}")
            with quiet():
                source = open_files.enter_context(reader(path, file))
            yield source
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or first_line(error)})") from None


@contextmanager
def _one_line(path: Path) -> Generator[None]:
    """Turn the errors of a damaged file into an InputError of one line."""
    try:
        yield
    except (InputError, OSError):
        raise
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into memory ({first_line(error)})") from None
    except Exception as error:  # zip, zlib, header and decoding errors have no common base
        raise InputError(
            f"{path}: damaged, or not a {path.suffix} file ({shown(first_line(error))})"
        ) from None
