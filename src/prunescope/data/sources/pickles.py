"""This module reads pickles without executing what they ask for.

It builds arrays, lists, dicts, strings and numbers, and nothing else.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError, first_line

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_KINDS = "biuf"


class _Refused(Exception):
    """Raised when a pickle asks for something other than data."""


class _Placeholder:
    """Takes the place of a NumPy function that a pickle names; a call of it builds one of the values below.

    No code of NumPy's own unpickling runs, so that object arrays and forged type states are refused.
    """

    __slots__ = ("_build",)

    def __init__(self, build: Callable[..., object]) -> None:
        self._build = build

    def __call__(self, *arguments: object) -> object:
        return self._build(*arguments)

    def __setstate__(self, state: object) -> None:
        raise _Refused("a state set on a function")


class _Type:
    """A numeric dtype, made from its code and byte order."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, *_: object) -> None:
        name = code.decode("latin1") if isinstance(code, bytes) else code
        if not isinstance(name, str):
            raise _Refused("an array of unknown type")
        try:
            dtype = np.dtype(name)
        except TypeError:
            raise _Refused(f"an array of type {name!r}") from None
        if dtype.kind not in _KINDS or dtype.fields is not None or dtype.subdtype is not None:
            raise _Refused(f"an array of type {dtype} (only numbers are read)")
        self.dtype = dtype

    def __setstate__(self, state: Any) -> None:
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|") or any(part is not None for part in state[2:5]):
            raise _Refused("an array of a structured type")
        self.dtype = np.dtype(f"{order}{self.dtype.str[1:]}")


class _Array:
    """An array, made from shape, dtype and bytes."""

    __slots__ = ("value",)

    def __init__(self, *_: object) -> None:
        self.value: NDArray[Any] = np.empty(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        self.value = _from_bytes(raw, dtype, shape, "F" if fortran else "C")


def _from_bytes(raw: object, dtype: object, shape: Any, order: str) -> NDArray[Any]:
    if not isinstance(dtype, _Type) or not isinstance(raw, str | bytes | bytearray):
        raise _Refused("an array of objects")
    data = raw.encode("latin1") if isinstance(raw, str) else raw  # Python 2 strings are bytes
    return np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if order == "F" else "C")


def _frombuffer(raw: object, dtype: object, shape: Any, order: str) -> _Array:
    array = _Array()
    array.value = _from_bytes(raw, dtype, shape, order)
    return array


def _scalar(dtype: object, raw: object = b"") -> object:
    return _from_bytes(raw, dtype, (), "C").item()


def _encode(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "iso-8859-1"):
        raise _Refused("_codecs.encode of something other than bytes")
    return text.encode("latin1")


class _Reader(pickle.Unpickler):
    """Unpickles data alone and refuses every other name."""

    def find_class(self, module: str, name: str) -> object:
        """Return the builder of a NumPy name that data need; raise _Refused for any other name."""
        if module in _MULTIARRAY and name in ("_reconstruct", "scalar"):
            return _Placeholder(_Array if name == "_reconstruct" else _scalar)
        if module in _NUMERIC and name == "_frombuffer":
            return _Placeholder(_frombuffer)
        if module == "numpy" and name in ("ndarray", "dtype"):
            return _Placeholder(_Array if name == "ndarray" else _Type)
        if (module, name) == ("_codecs", "encode"):
            return _Placeholder(_encode)
        raise _Refused(f"{module}.{name}")


def load(path: Path) -> object:
    """Return the content of a pickle of arrays, lists, dicts, strings and numbers (Python 2 or 3, any protocol).

    Raises InputError when the file is missing or truncated, and when it would call a function or holds anything
    else; the message names what it asked for.
    """
    try:
        with path.open("rb") as file:
            return _plain(_read(file))
    except _Refused as refused:
        raise InputError(f"{path}: refused: pickle calls {refused}; only numbers and text are read") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can raise any error
        raise InputError(f"{path}: truncated or damaged pickle: {first_line(error)}") from None


def check_end(path: Path) -> None:
    """Raise InputError if a pickle is missing its end, as a truncated one mostly is; only its last byte is read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            end = file.read(1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    if end != pickle.STOP:
        raise InputError(f"{path}: truncated or damaged pickle: it ends before its last value")


def _read(file: BinaryIO) -> object:
    return _Reader(file, encoding="latin1").load()


def _plain(value: object) -> object:
    """Return the value with ``_Array`` objects replaced by arrays and byte keys by text."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {k.decode("latin1") if isinstance(k, bytes) else k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bytes | bytearray | int | float):
        return value
    raise _Refused(f"{type(value).__name__} (only numbers, text, lists, dicts and arrays are read)")
