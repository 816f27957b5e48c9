"""This module reads pickles without executing what they ask for.

It builds arrays, lists, dicts, strings and numbers, and nothing else. It takes memory and time in proportion to the
file: every length that a pickle states is compared with the file's before it is believed.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from prunescope.data.sources.pickle_scan import count_steps
from prunescope.errors import InputError, first_line, shortened
from prunescope.files import open_regular
from prunescope.memory import check_memory

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_KINDS = "biuf"
_CODE = re.compile(r"[<>=|]?[?a-zA-Z][0-9]{0,2}")  # a simple type, no list of fields and no shape
_NAME = 80  # characters of a name that a message shows
_STEP_BYTES = 200  # of memory for a step of a pickle, generously
_REPEATS = 8  # how often, on average, a value may occur


_Step = Callable[[pickle.Unpickler], None]


class _TextBytes:
    """Counts the bytes that are copied out of text, which may be no more than the file has.

    Without the limit a pickle could name one long text a million times.
    """

    def __init__(self, most: int) -> None:
        self.left = most

    def of(self, text: str) -> bytes:
        """Return text of Python 2 as the bytes that it stands for."""
        self.left -= len(text)
        if self.left < 0:
            raise ValueError("it repeats its parts")
        return text.encode("latin1")


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
            dtype = np.dtype(name if _CODE.fullmatch(name) else "V")
        except TypeError:
            raise _Refused(f"an array of type {shortened(name, _NAME)!r}") from None
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

    __slots__ = ("_bytes", "value")

    def __init__(self, counted: _TextBytes, *_: object) -> None:
        self._bytes = counted
        self.value: NDArray[Any] = np.empty(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        self.value = _from_bytes(self._bytes, raw, dtype, shape, "F" if fortran else "C")


def _from_bytes(counted: _TextBytes, raw: object, dtype: object, shape: Any, order: str) -> NDArray[Any]:
    if not isinstance(dtype, _Type) or not isinstance(raw, str | bytes | bytearray):
        raise _Refused("an array of objects")
    data = counted.of(raw) if isinstance(raw, str) else raw  # Python 2 strings are bytes
    return np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if order == "F" else "C")


def _frombuffer(counted: _TextBytes, raw: object, dtype: object, shape: Any, order: str) -> _Array:
    array = _Array(counted)
    array.value = _from_bytes(counted, raw, dtype, shape, order)
    return array


def _scalar(counted: _TextBytes, dtype: object, raw: object = b"") -> object:
    return _from_bytes(counted, raw, dtype, (), "C").item()


def _encode(counted: _TextBytes, text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "iso-8859-1"):
        raise _Refused("_codecs.encode of something other than bytes")
    return counted.of(text)


class _Reader(pickle._Unpickler):
    """Unpickles data alone and refuses every other name.

    It is the reader in Python: the one in C takes memory for the largest number under which a value is kept, and its
    stack overflows at a key that is a tuple in a tuple, a million deep.
    """

    stack: list[Any]
    append: Callable[[object], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(file, encoding="latin1")
        self._bytes = _TextBytes(2 * size)

    def find_class(self, module: str, name: str) -> object:
        """Return the builder of a NumPy name that data need; raise _Refused for any other name."""
        if module in _MULTIARRAY and name in ("_reconstruct", "scalar"):
            return self._placeholder(_Array if name == "_reconstruct" else _scalar)
        if module in _NUMERIC and name == "_frombuffer":
            return self._placeholder(_frombuffer)
        if (module, name) == ("numpy", "ndarray"):
            return self._placeholder(_Array)
        if (module, name) == ("numpy", "dtype"):
            return _Placeholder(_Type)
        if (module, name) == ("_codecs", "encode"):
            return self._placeholder(_encode)
        raise _Refused(shortened(f"{module}.{name}", _NAME))

    def _placeholder(self, build: Callable[..., object]) -> _Placeholder:
        return _Placeholder(partial(build, self._bytes))

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def _set_items(self) -> None:
        self._update(self.pop_mark())

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._update(items)

    def _update(self, items: list[Any]) -> None:
        """Add keys and values, one after the other, to the dict on top of the stack."""
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError("keys without a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | bytes) and not (isinstance(key, int) and abs(key) < 1 << 63):
                raise ValueError("a key that is neither text nor a number")
            target[key] = value

    dispatch = pickle._Unpickler.dispatch | {
        pickle.SETITEM[0]: cast(_Step, _set_item),
        pickle.SETITEMS[0]: cast(_Step, _set_items),
        pickle.DICT[0]: cast(_Step, _dict),
    }


def load(path: Path) -> object:
    """Return the content of a pickle of arrays, lists, dicts, strings and numbers (Python 2 or 3, any protocol).

    Raises InputError when the file is missing or truncated, and when it would call a function or holds anything
    else; the message names what it asked for.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            steps = count_steps(file, size)
            check_memory(2 * size + _STEP_BYTES * steps, f"{path}")
            file.seek(0)
            return _plain(_Reader(file, size).load(), [_REPEATS * steps])
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
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            end = file.read(1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    if end != pickle.STOP:
        raise InputError(f"{path}: truncated or damaged pickle: it ends before its last value")


def _plain(value: object, left: list[int]) -> object:
    """Return the value with ``_Array`` objects replaced by arrays and byte keys by text.

    ``left``: how many values may still be met; a list that holds itself, or one list in many places, ends there.
    """
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("it repeats its parts")
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {k.decode("latin1") if isinstance(k, bytes) else k: _plain(v, left) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, left) for item in value]
    if value is None or isinstance(value, str | bytes | bytearray | int | float):
        return value
    raise _Refused(f"{type(value).__name__} (only numbers, text, lists, dicts and arrays are read)")
