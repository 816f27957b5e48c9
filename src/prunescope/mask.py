"""This module holds Mask, which says which weights of one layer are kept."""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope._views import html_of, view
from prunescope.arguments import real_array, said, whole
from prunescope.digits import sizes_in
from prunescope.errors import InputError, first_line
from prunescope.memory import check_memory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BoolArray = NDArray[np.bool_]
ImageShape = tuple[int, int, int]
# Returns some rows and columns of an array of two axes.
Tile = Callable[[slice, slice], NDArray[Any]]

# This many entries are compared at once, so that a mask of any type takes little more memory than as bool.
TILE_ENTRIES = 1 << 22
# Whether the memory suffices is asked for what takes more bytes than this.
LARGE_BYTES = 1 << 26


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask of one layer: which of its weights are kept.

    ``array``: bool [n_out, n_in], a read-only copy; True is a kept weight. The input of pixel (c, y, x) has the
    index c·H·W + y·W + x. Raises InputError unless the array has two axes, at least one entry and only the values 0
    and 1.
    """

    array: BoolArray

    def __post_init__(self) -> None:
        array = as_numbers(self.array)
        if array.dtype == np.bool_:
            check_shape(array.shape)
            kept = np.empty(array.shape, np.bool_)
            np.not_equal(array, False, out=kept)  # also where bytes other than 0 and 1 were taken for bool
        else:
            kept = binary(array.shape, lambda rows, columns: array[rows, columns])
        kept.setflags(write=False)
        object.__setattr__(self, "array", kept)

    @classmethod
    def of(cls, source: object) -> Mask:
        """Return the mask that ``source`` holds.

        ``source``: a Mask, a 0/1 array or tensor [n_out, n_in], or a module pruned with ``torch.nn.utils.prune``, of
        which the ``weight_mask`` buffer is read. Raises InputError for other shapes or values, for a module that is not
        pruned itself, and for what does not fit into memory.
        """
        if isinstance(source, Mask):
            return source
        values: Any = getattr(source, "weight_mask", source)
        if hasattr(values, "named_modules"):  # Only modules have this method; torch need not be imported.
            raise InputError(_no_mask(values))
        if hasattr(values, "detach"):
            tile = tensor_tile(values)
            return cls.owning(binary(tuple(values.shape), tile))
        return cls(values)

    @classmethod
    def owning(cls, array: BoolArray) -> Mask:
        """Return the mask of a bool array [n_out, n_in] that nobody else keeps, without a copy.

        Raises InputError for anything else.
        """
        if not isinstance(array, np.ndarray) or array.dtype != np.bool_:
            raise InputError(
                f"a mask owns a bool array [n_out, n_in], got {said(array)}: give Mask.of what it is"
            )
        check_shape(array.shape)
        mask = object.__new__(cls)
        array.setflags(write=False)
        object.__setattr__(mask, "array", array)
        return mask

    @classmethod
    def ones(cls, n_out: int, n_in: int) -> Mask:
        """Return the dense mask [n_out, n_in], which keeps every weight; raise InputError for what are no sizes."""
        n_out, n_in = whole("n_out", n_out, 1), whole("n_in", n_in, 1)
        check_shape((n_out, n_in))
        return cls.owning(np.ones((n_out, n_in), dtype=np.bool_))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and np.array_equal(self.array, other.array)

    def __hash__(self) -> int:
        return hash((self.array.shape, self.pack().tobytes()))

    def __and__(self, other: Mask) -> Mask:
        if not isinstance(other, Mask) or other.array.shape != self.array.shape:
            raise InputError(
                f"a mask {self.n_out}x{self.n_in} & {said(other)}: give another mask of this shape"
            )
        return Mask.owning(self.array & other.array)

    def __repr__(self) -> str:
        return f"Mask({self.n_out}x{self.n_in}, {self.kept} kept, density {self.density:.4g})"

    def _repr_html_(self) -> str:
        return html_of("Mask.html", self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the mask as an array [n_out, n_in], by NumPy's protocol; without a copy it can only be read."""
        if dtype is None or np.dtype(dtype) == np.bool_:
            return self.array.copy() if copy else self.array
        if copy is False:
            raise ValueError(f"a mask is bool: as {np.dtype(dtype)} it has to be copied")
        return self.array.astype(dtype)

    def __dlpack__(self, **options: Any) -> Any:
        """Return a copy of the mask by the protocol DLPack, which ``torch.as_tensor`` reads; a tensor may be written to."""
        copied: Any = self.array.copy()
        return copied.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the device of what ``__dlpack__`` gives, a CPU."""
        return self.array.__dlpack_device__()

    def plot(self, shape: ImageShape | None = None) -> Figure:
        """Draw the mask: the masks of its most connected units as images, or all of it as one picture.

        ``shape``: (C, H, W) of the inputs, if they are images or series; without it the whole mask is drawn. Raises
        InputError unless C·H·W = n_in.
        """
        figure: Figure = view("Mask.plot")(self, shape)
        return figure

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
        # A sum of bytes in a small type is several times faster than one in 64 bits.
        counts = self.array.view(np.uint8).sum(axis=1, dtype=np.min_scalar_type(self.n_in))
        return counts.astype(np.int64)

    @property
    def fan_out(self) -> NDArray[np.int64]:
        """The number of kept outgoing weights of each input, C_out, [n_in]."""
        return self.array.sum(axis=0, dtype=np.int64)

    def images(self, shape: ImageShape) -> BoolArray:
        """Return the rows of the mask as images, [n_out, C, H, W].

        ``shape``: (C, H, W) of the inputs. Raises InputError unless C·H·W = n_in.
        """
        shape = image_shape(shape)
        if math.prod(shape) != self.n_in:
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
        n_out, n_in, packed = whole("n_out", n_out, 1), whole("n_in", n_in, 1), real_array("packed", packed)
        size = n_out * n_in
        if packed.dtype != np.uint8 or packed.shape != (-(-size // 8),):
            raise InputError(f"{packed.size} bytes do not hold a packed {n_out}x{n_in} mask")
        check_shape((n_out, n_in))
        return cls.owning(np.unpackbits(packed, count=size).view(np.bool_).reshape(n_out, n_in))


def image_shape(given: object) -> ImageShape:
    """Return the shape of an image, (C, H, W), that three whole numbers or a text such as "3x32x32" say.

    Raises InputError for anything else.
    """
    parts = sizes_in(given) if isinstance(given, str) else given
    try:
        sizes = [-1 if isinstance(size, bool) else operator.index(size) for size in parts]  # type: ignore[attr-defined]
    except TypeError:
        sizes = []
    if len(sizes) != 3 or min(sizes) < 1:
        said = "x".join(map(str, given)) if isinstance(given, list | tuple) else repr(given)
        said = said if len(said) <= 60 else f"{said[:60]}…"
        raise InputError(
            f"shape {said} is not that of an image, (C, H, W): give three numbers as (3, 32, 32)"
        )
    return sizes[0], sizes[1], sizes[2]


def check_shape(shape: tuple[int, ...]) -> None:
    """Raise InputError where an array of this shape is no mask, or where its mask does not fit into memory."""
    if len(shape) != 2:
        raise InputError(f"a mask must have 2 axes [n_out, n_in], got shape {tuple(shape)}")
    if 0 in shape:
        raise InputError(f"a mask must have at least one entry, got shape {tuple(shape)}")
    if math.prod(shape) > LARGE_BYTES:
        check_memory(math.prod(shape), f"a mask of {shape[0]}x{shape[1]}")


def binary(shape: tuple[int, ...], tile: Tile) -> BoolArray:
    """Return which entries of an array of 0 and 1 are 1, bool [n_out, n_in].

    shape: of the array; tile: returns parts of it, and is asked for them row after row. Raises InputError for another
    number of axes, for an array without entries, for one whose mask does not fit into memory, and for other values.
    """
    check_shape(shape)
    n_out, n_in = shape
    result: BoolArray = np.empty((n_out, n_in), np.bool_)
    height, width = max(1, TILE_ENTRIES // n_in), min(n_in, TILE_ENTRIES)
    for top in range(0, n_out, height):
        for left in range(0, n_in, width):
            place = slice(top, min(top + height, n_out)), slice(left, min(left + width, n_in))
            part = tile(*place)
            with np.errstate(invalid="ignore"):  # a signalling nan would warn
                result[place] = part != 0
                if not np.asarray(part == 1, np.bool_)[result[place]].all():
                    raise InputError(NOT_BINARY)
    return result


def tensor_tile(tensor: Any) -> Tile:
    """Return what gives parts of a tensor [n_out, n_in] of any layout, device and type as arrays.

    Raises InputError for a tensor of another shape, and for one whose values are not there or cannot be read.
    """
    values = dense_tensor(tensor, check_shape)
    return lambda rows, columns: to_numpy(values[rows, columns])


def dense_tensor(tensor: Any, check: Callable[[tuple[int, ...]], None]) -> Any:
    """Return a tensor of torch, of any layout, as a dense one without gradients.

    ``check``: raises InputError for a shape that no mask has. Raises InputError for a tensor whose values are not there
    or cannot be read.
    """
    if tensor.is_nested:
        raise InputError(
            "a nested tensor is no mask, which has 2 axes [n_out, n_in]: save tensor.to_padded_tensor(0)"
        )
    why = why_unread(tensor)
    if not (why and is_lazy(tensor)):
        check(tuple(tensor.shape))
    if why:
        raise InputError(why)
    values = read_torch(tensor.detach)
    if str(values.layout) != "torch.strided":
        needed = math.prod(values.shape) * values.element_size()
        if needed > LARGE_BYTES:
            check_memory(needed, f"a sparse tensor of {'x'.join(map(str, values.shape))} as an array")
        values = read_torch(values.to_dense)
    return values


def is_lazy(tensor: Any) -> bool:
    """Return whether a tensor of torch is the parameter or buffer of a lazy layer, which has no shape yet."""
    return hasattr(tensor, "materialize")


def why_unread(tensor: Any) -> str | None:
    """Return why the values of a tensor of torch are not there or not read, by its class; None for all others."""
    if is_lazy(tensor):
        return "it has no values yet, as in a lazy layer: give the network its first batch before"
    if type(tensor).__name__ == "FakeTensor":
        return "a fake tensor has no values"
    if hasattr(tensor, "full_tensor"):
        return "a distributed tensor is not read: give tensor.full_tensor()"
    if tensor.is_meta:
        return "a tensor on the device meta has no values: load or compute them on another device first"
    if tensor.is_quantized:
        return "a quantized tensor is no mask: give tensor.dequantize() != 0"
    if type(tensor).__module__.startswith("torchao.") and hasattr(tensor, "tensor_data_names"):
        return QUANTIZED
    return None


QUANTIZED = "quantized weights are not read: give the network as it was before"
NOT_BINARY = "a mask must hold only 0 and 1"


def as_numbers(source: ArrayLike | object) -> NDArray[Any]:
    """Return anything as an array; raises InputError where it does not hold numbers."""
    try:
        array = np.asarray(source)
    except ValueError as error:  # nested lists of different lengths
        raise InputError(f"a mask must be a 2-D array of 0 and 1 ({first_line(error)})") from None
    if array.ndim == 2 and array.size and array.dtype.kind not in "biufcO":
        raise InputError(NOT_BINARY)
    return array


def to_numpy(tensor: Any) -> NDArray[Any]:
    """Return a tensor of any device and type as an array."""

    def read() -> NDArray[Any]:
        here = tensor.cpu().resolve_conj().resolve_neg()
        # NumPy lacks bfloat16 and the types of eight bits, whose values are all values of float32.
        is_short_float = here.is_floating_point() and str(here.dtype) not in (
            "torch.float32",
            "torch.float64",
        )
        return np.asarray((here.float() if is_short_float else here).numpy())

    return read_torch(read)


def read_torch(read: Callable[[], Any]) -> Any:
    """Return what a function of torch returns; raises InputError where torch lacks it for the tensor."""
    try:
        return read()
    except (InputError, MemoryError):
        raise
    except Exception as error:  # classes of tensors beside torch's own raise whatever they like
        raise InputError(f"the tensor cannot be read as numbers ({first_line(error)})") from None


def _no_mask(module: Any) -> str:
    """Return why a module has no mask of its own, and which of its modules have one."""
    pruned = [name for name, inner in module.named_modules() if hasattr(inner, "weight_mask")]
    kind = type(module).__name__
    if pruned:
        return f"{kind} has several layers: give one that is pruned, {', '.join(map(repr, pruned[:5]))} (get_submodule)"
    return f"{kind} has no weight_mask: prune it with torch.nn.utils.prune, or give a mask, as module.weight != 0"
