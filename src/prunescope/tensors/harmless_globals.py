"""What a checkpoint may name beside tensors: nothing of it is made, something inert is put in its place.

Checkpoints hold the options of a program, numbers of NumPy, paths and times. torch refuses all of them, because to unpickle
is to call what a file names. Each name here leads to something of this module that keeps what it gets and does nothing.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import NOT_BINARY


class Inert:
    """Something that a file holds beside its tensors: it takes whatever it is given, and does nothing."""

    def __init__(self, *given: object, **named: object) -> None:
        self.given = given

    def __setstate__(self, state: object) -> None:
        """Take no notice of what a file says of it."""


class InertType(Inert):
    """The type of an array in a file, by its name in NumPy's short form."""

    def __setstate__(self, state: object) -> None:
        # (version, byte order, …)
        self.order = state[1] if isinstance(state, tuple) and len(state) > 1 else "="

    def dtype(self) -> np.dtype[Any]:
        """Return the type of numbers; raise InputError for other types."""
        name = self.given[0] if self.given else None
        order = getattr(self, "order", "=")
        if not (isinstance(name, str) and len(name) <= 3 and name[:1] in "biuf" and name[1:].isdecimal()):
            raise InputError(NOT_BINARY)
        if order not in ("<", ">", "=", "|"):
            raise InputError(NOT_BINARY)
        return np.dtype(f"{order}{name}")


class InertArray(Inert):
    """An array of NumPy in a file of torch, as bytes that are not interpreted before somebody reads it."""

    def __setstate__(self, state: object) -> None:
        self.state = state

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the file says; () where it says none that is valid."""
        state = getattr(self, "state", None)
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[1], tuple)):
            return ()
        return state[1] if all(type(size) is int and size >= 0 for size in state[1]) else ()

    @property
    def dtype_name(self) -> str:
        """The type of its entries in words."""
        try:
            return self._dtype().name
        except InputError:
            return "object"

    def _dtype(self) -> np.dtype[Any]:
        state = getattr(self, "state", None)
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], InertType)):
            raise InputError(NOT_BINARY)
        return state[2].dtype()

    def array(self) -> NDArray[Any]:
        """Return the array; raise InputError where its bytes are not those of its shape and type."""
        dtype, shape = self._dtype(), self.shape
        raw = self.state[4]  # type: ignore[index]
        if not isinstance(raw, bytes) or len(raw) != math.prod(shape) * dtype.itemsize:
            raise InputError("an array whose bytes do not fit its shape")
        return np.frombuffer(raw, dtype).reshape(shape, order="F" if self.state[3] else "C")  # type: ignore[index]


class _InertDict:
    """A dict of options: a plain dict is put in its place."""

    def __new__(cls, *given: object, **named: object) -> dict[object, object]:  # type: ignore[misc]
        """Return an empty dict, which gets the entries of the file."""
        return {}


def _inert_list(*given: object) -> list[object]:
    return []


def _ordered(*given: object) -> OrderedDict[object, object]:
    return OrderedDict()


_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")

_BUILTINS = [
    "slice",
    "complex",
    "range",
    "frozenset",
    "bytearray",
    "int",
    "float",
    "str",
    "bool",
    "list",
    "dict",
    "tuple",
]

HARMLESS: dict[str, Callable[..., object]] = {
    **dict.fromkeys(
        (
            "argparse.Namespace",
            "types.SimpleNamespace",
            *(f"{module}.scalar" for module in _MULTIARRAY),
            *(
                f"pathlib{part}.{kind}Path"
                for part in ("", "._local")
                for kind in ("Posix", "PurePosix", "Windows")
            ),
            *(f"datetime.{kind}" for kind in ("datetime", "date", "time", "timedelta", "timezone")),
            *(f"{module}.{kind}" for module in ("builtins", "__builtin__") for kind in _BUILTINS),
            "decimal.Decimal",
            "uuid.UUID",
            "torch.torch_version.TorchVersion",
        ),
        Inert,
    ),
    **{f"{module}._reconstruct": InertArray for module in _MULTIARRAY},
    "numpy.ndarray": Inert,
    "numpy.dtype": InertType,
    "collections.defaultdict": _ordered,
    "collections.deque": _inert_list,
    "easydict.EasyDict": _InertDict,
    "addict.addict.Dict": _InertDict,
    "pytorch_lightning.utilities.parsing.AttributeDict": _InertDict,
    "lightning.fabric.utilities.data.AttributeDict": _InertDict,
    "lightning_fabric.utilities.data.AttributeDict": _InertDict,
}
