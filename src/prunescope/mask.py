"""This module holds Mask, which says which weights of one layer are kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError

BoolArray = NDArray[np.bool_]
ImageShape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask of one layer: which of its weights are kept.

    ``array``: bool [n_out, n_in], a read-only copy; True is a kept weight. The input of pixel (c, y, x) has the
    index c·H·W + y·W + x. Raises InputError unless the array has two axes, at least one entry and only the values 0
    and 1.
    """

    array: BoolArray

    def __post_init__(self) -> None:
        array = np.ascontiguousarray(self.array)
        if array.ndim != 2:
            raise InputError(f"a mask must have 2 axes [n_out, n_in], got shape {np.shape(self.array)}")
        if 0 in array.shape:
            raise InputError(f"a mask must have at least one entry, got shape {array.shape}")
        if array.dtype != np.bool_:
            if not np.isin(array, (0, 1)).all():
                raise InputError("a mask must hold only 0 and 1")
            array = array.astype(np.bool_)
        elif array is self.array or array.base is self.array:
            array = array.copy()
        array.setflags(write=False)
        object.__setattr__(self, "array", array)

    @classmethod
    def of(cls, source: object) -> Mask:
        """Return the mask that ``source`` holds.

        ``source``: a Mask, a 0/1 array or tensor [n_out, n_in], or a module pruned with ``torch.nn.utils.prune``, of
        which the ``weight_mask`` buffer is read. Raises InputError for other shapes or values, and for a module that is
        not pruned itself.
        """
        if isinstance(source, Mask):
            return source
        values = getattr(source, "weight_mask", source)
        if hasattr(values, "named_modules"):  # Only modules have this method; torch need not be imported.
            raise InputError(_no_mask(values))
        return cls(np.asarray(_to_numpy(values) if hasattr(values, "detach") else values))

    @classmethod
    def ones(cls, n_out: int, n_in: int) -> Mask:
        """Return the dense mask [n_out, n_in], which keeps every weight."""
        return cls(np.ones((n_out, n_in), dtype=np.bool_))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and np.array_equal(self.array, other.array)

    def __hash__(self) -> int:
        return hash((self.array.shape, self.pack().tobytes()))

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.array & other.array)

    def __repr__(self) -> str:
        return f"Mask({self.n_out}x{self.n_in}, {self.kept} kept, density {self.density:.4g})"

    @property
    def n_out(self) -> int:
        """The number of units."""
        return int(self.array.shape[0])

    @property
    def n_in(self) -> int:
        """The number of inputs."""
        return int(self.array.shape[1])

    @property
    def kept(self) -> int:
        """The number of kept weights."""
        return int(np.count_nonzero(self.array))

    @property
    def density(self) -> float:
        """The kept share of the weights, u."""
        return self.kept / self.array.size

    @property
    def fan_in(self) -> NDArray[np.int64]:
        """The number of kept incoming weights of each unit, C_in, [n_out]."""
        return self.array.sum(axis=1, dtype=np.int64)

    @property
    def fan_out(self) -> NDArray[np.int64]:
        """The number of kept outgoing weights of each input, C_out, [n_in]."""
        return self.array.sum(axis=0, dtype=np.int64)

    def images(self, shape: ImageShape) -> BoolArray:
        """Return the rows of the mask as images, [n_out, C, H, W].

        ``shape``: (C, H, W) of the inputs. Raises InputError unless C·H·W = n_in.
        """
        if int(np.prod(shape)) != self.n_in:
            raise InputError(f"shape {'x'.join(map(str, shape))} does not hold {self.n_in} inputs")
        return self.array.reshape(self.n_out, *shape)

    @property
    def digest(self) -> str:
        """The SHA-256 of shape and kept weights in hexadecimal digits, which seeds random numbers about this mask."""
        head = f"{self.n_out}x{self.n_in}:".encode()
        return hashlib.sha256(head + self.pack().tobytes()).hexdigest()

    def pack(self) -> NDArray[np.uint8]:
        """Return the mask as bytes of eight weights, uint8: rows concatenated, the last byte padded with zeros."""
        return np.packbits(self.array)

    @classmethod
    def unpack(cls, packed: NDArray[np.uint8], n_out: int, n_in: int) -> Mask:
        """Return the mask [n_out, n_in] that ``pack`` packed; raises InputError when the byte count does not fit."""
        size = n_out * n_in
        if packed.dtype != np.uint8 or packed.shape != (-(-size // 8),):
            raise InputError(f"{packed.size} bytes do not hold a packed {n_out}x{n_in} mask")
        return cls(np.unpackbits(packed, count=size).astype(np.bool_).reshape(n_out, n_in))


def _to_numpy(tensor: Any) -> NDArray[Any]:
    """Return a tensor of any layout, device and type as an array."""
    dense = tensor.detach().cpu()
    if str(dense.layout) != "torch.strided":
        dense = dense.to_dense()
    # NumPy lacks bfloat16 and the types of eight bits, whose values are all values of float32.
    is_short_float = dense.is_floating_point() and str(dense.dtype) not in ("torch.float32", "torch.float64")
    return np.asarray((dense.float() if is_short_float else dense).numpy())


def _no_mask(module: Any) -> str:
    """Return why a module has no mask of its own, and which of its modules have one."""
    pruned = [name for name, inner in module.named_modules() if hasattr(inner, "weight_mask")]
    kind = type(module).__name__
    if pruned:
        return f"{kind} has several layers: give one that is pruned, {', '.join(map(repr, pruned[:5]))} (get_submodule)"
    return f"{kind} has no weight_mask: prune it with torch.nn.utils.prune, or give a mask, as module.weight != 0"
