"""Reading of masks from files of other programs, without executing code in the files."""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from prunescope.errors import InputError, first_line
from prunescope.files import open_regular
from prunescope.mask import LARGE_BYTES, NOT_BINARY, Mask, Tile, check_shape, not_zero, tensor_tile
from prunescope.memory import check_memory, limited_memory
from prunescope.npy import read_header

SUFFIX = "weight_mask"  # the name torch.nn.utils.prune gives the buffer of a pruned weight

# The pickle of a state dict names its tensors; one of more bytes than this holds other objects, and is slow to read.
LARGEST_PICKLE = 1 << 25
# Dicts and lists are searched up to this many entries and this depth: a few that hold each other can have any number.
MOST_ENTRIES = 100_000
DEEPEST = 100
# A longer name is cut where it is printed.
LONGEST_NAME = 120


@dataclass(frozen=True)
class FileArray:
    """An array in a file, which is not read before it is known to be wanted.

    ``is_float``: whether it holds floating-point numbers. ``tile``: returns what gives its parts, row after row.
    """

    name: str
    shape: tuple[int, ...]
    is_float: bool
    tile: Callable[[], Tile]


def load_masks(
    path: str | Path, layer: int | None = None, say: Callable[[str], None] | None = None
) -> list[tuple[str, Mask]]:
    """Read the masks in a file and return them with their names, in the file's order of layers.

    path: ``.npy`` with one array; ``.npz`` or ``.safetensors`` with arrays, of which those named
    ``*weight_mask`` are taken, or when there is none, all that are 2-D and hold only 0 and 1 (the packed form
    of a run's masks.safetensors too), or when there is none either, the weights that are not 0, of each ``*weight``
    with some zeros; ``.pt`` or ``.pth``, a tensor, or dicts of them such as a state dict, likewise.
    Masks are [n_out, n_in]. layer: 1 for the first mask, …; None for all of them. say: is told, in a line each, what
    was left out and why. Raises InputError with a message
    of one line for a file that is missing or damaged, would execute code on loading or holds no mask, and for a layer
    that the file does not hold.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    try:
        with open_regular(path) as file, _guarded(path):
            if reader is None:
                suffix = path.suffix or "no suffix"
                raise InputError(f"{path}: cannot read masks from {suffix}; use {', '.join(READERS)}")
            with reader(path, file) as entries:
                masks, left_out = _choose(path, entries)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or first_line(error)})") from None
    for line in _shortened(left_out):
        (say or _silent)(line)
    if layer is None:
        return masks
    if not 1 <= layer <= len(masks):
        names = ", ".join(_shortened([shown(name) for name, _ in masks], others="more"))
        raise InputError(f"{path}: no layer {layer}; it holds {len(masks)} ({names})")
    return [masks[layer - 1]]


def shown(name: str) -> str:
    """Return a name from a file as it may be printed: on one line, without control characters, and not too long."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def _choose(path: Path, entries: list[FileArray]) -> tuple[list[tuple[str, Mask]], list[str]]:
    """Return the masks among the entries of a file, and for each other entry that may be one why it is left out."""
    named = [entry for entry in entries if entry.name.endswith(SUFFIX)]
    masks, weights = [], []
    left_out: dict[int, str] = {}
    for number, entry in enumerate(named or entries):
        may_be_weights = not named and entry.is_float
        try:
            kept, only_ones = not_zero(entry.shape, entry.tile(), others=may_be_weights)
            if only_ones:
                masks.append((entry.name, Mask.owning(kept)))
                continue
            reason: object = NOT_BINARY
            if may_be_weights and not kept.all():
                mask = Mask.owning(kept) if _is_called_weight(entry) and not masks else None
                weights.append((number, entry.name, mask))
        except InputError as error:
            reason = error
        left_out[number] = f"{shown(entry.name)}: {_reason(entry, reason)}"
        # A 4-D mask of a convolution is left out, but a 2-D array of this name must be a mask.
        if named and len(entry.shape) == 2:
            raise InputError(f"{path}: {left_out[number]}")
    if masks:
        return masks, [*left_out.values(), *_of_other_parameters(entries if named else [])]
    if called := [(number, name, mask) for number, name, mask in weights if mask is not None]:
        names = ", ".join(_shortened([shown(name) for _, name, _ in called], others="more"))
        for number, _, _ in called:
            del left_out[number]
        said = f"no mask inside: the weights that are not 0 are taken as kept, of {names}"
        return [(name, mask) for _, name, mask in called], [said, *left_out.values()]
    first = weights[0][1] if weights else None
    raise InputError(f"{path}: no mask inside ({_why_none(entries, first, list(left_out.values()))})")


def _of_other_parameters(entries: list[FileArray]) -> list[str]:
    """Return what is to be said of masks of biases and the like."""
    names = [e.name for e in entries if e.name.endswith("_mask") and not e.name.endswith(SUFFIX)]
    return [f"{shown(name)}: a mask of other parameters than weights [n_out, n_in]" for name in names]


def _reason(entry: FileArray, reason: object) -> str:
    if len(entry.shape) in (3, 4, 5):
        shape = "x".join(map(str, entry.shape))
        return f"{shape}, as of a convolution; only masks of 2 axes [n_out, n_in] are measured"
    return str(reason)


def _why_none(entries: list[FileArray], weights: str | None, left_out: list[str]) -> str:
    """Return why a file has no mask; ``weights``: the name of an array of floats of which some are 0."""
    if not entries:
        return "it holds no array or tensor"
    if {"indices", "indptr", "data"} <= {entry.name for entry in entries}:
        return "it is a sparse matrix of SciPy: save the array, matrix.toarray() != 0"
    if weights is not None:
        return (
            f"{shown(weights)} holds other numbers beside 0: if they are weights, of which pruning left some 0, as "
            "prune.remove does, save which are kept, {name: weight != 0}"
        )
    return "; ".join(_shortened(left_out, 2)) + "; a mask is a 2-D array of 0 and 1, [n_out, n_in]"


def _is_called_weight(entry: FileArray) -> bool:
    """Return whether the entry has the name that state dicts give weights."""
    return entry.name.rpartition(".")[2] == "weight"


def _shortened(
    lines: list[str], most: int = 6, others: str = "more that are no 2-D arrays of 0 and 1"
) -> list[str]:
    """Return the lines, where there are more than ``most`` the first ones and how many follow."""
    if len(lines) <= most:
        return lines
    return [*lines[:most], f"and {len(lines) - most} {others}"]


def _silent(line: str) -> None:
    """Ignore a line."""


PICKLED = "refused, it holds pickled objects; save plain arrays of 0 and 1"


@contextmanager
def _npy(path: Path, file: BinaryIO) -> Generator[list[FileArray]]:
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise InputError(f"{path}: {PICKLED}")
    yield [FileArray(path.stem, shape, dtype.kind == "f", partial(_mapped_tile, path, shape, dtype))]


def _mapped_tile(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tile:
    """Return what gives the parts of an array in a file, mapped into memory: a file that is too short is refused."""
    check_shape(shape)
    _check_numbers(dtype)
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return lambda rows, columns: array[rows, columns]


def _check_numbers(dtype: np.dtype[Any]) -> None:
    """Raise InputError where the values are text, dates or records."""
    if dtype.kind not in "biufc":
        raise InputError(NOT_BINARY)


@contextmanager
def _npz(path: Path, file: BinaryIO) -> Generator[list[FileArray]]:
    with zipfile.ZipFile(file) as archive:
        entries = []
        for name in archive.namelist():
            with archive.open(name) as part:
                if part.read(6) != b"\x93NUMPY":
                    continue
            with archive.open(name) as part:
                shape, by_columns, dtype = read_header(part)
            if dtype.hasobject:
                raise InputError(f"{path}: {PICKLED}")
            tile = partial(_part_tile, archive, name, (shape, by_columns, dtype))
            entries.append(FileArray(name.removesuffix(".npy"), shape, dtype.kind == "f", tile))
        yield entries


def _part_tile(
    archive: zipfile.ZipFile, name: str, header: tuple[tuple[int, ...], bool, np.dtype[Any]]
) -> Tile:
    """Return what gives the parts of an array in an archive, which are decompressed as they are asked for."""
    shape, by_columns, dtype = header
    check_shape(shape)
    _check_numbers(dtype)
    stream = archive.open(name)
    read_header(stream)

    def read(count: int) -> Any:
        wanted = count * dtype.itemsize
        part = stream.read(wanted)
        if len(part) != wanted:
            raise EOFError(f"{shown(name)} ends before its last row")
        return np.frombuffer(part, dtype)

    if by_columns:
        size = shape[0] * shape[1]
        if size * dtype.itemsize > LARGE_BYTES:
            check_memory(2 * size * dtype.itemsize, f"{shown(name)}, stored column after column,")
        whole = read(size).reshape(shape, order="F")
        return lambda rows, columns: whole[rows, columns]
    # Parts are asked for in the order in which they are stored.
    return lambda rows, columns: read((rows.stop - rows.start) * (columns.stop - columns.start)).reshape(
        rows.stop - rows.start, -1
    )


@contextmanager
def _safetensors(path: Path, file: BinaryIO) -> Generator[list[FileArray]]:
    from safetensors import safe_open

    # NumPy lacks bfloat16, in which whole models are stored, and the types of eight bits.
    with safe_open(path, "numpy") as opened:
        kinds = {opened.get_slice(name).get_dtype() for name in opened.keys()}  # noqa: SIM118  (no dict)
    framework = "numpy" if kinds <= PLAIN else "pt"
    with safe_open(path, framework) as opened:
        notes = opened.metadata() or {}
        entries = []
        for name in sorted(opened.keys(), key=_natural):
            part = opened.get_slice(name)
            shape, kind = tuple(part.get_shape()), str(part.get_dtype())
            size = re.fullmatch(r"([0-9]{1,18})x([0-9]{1,18})", notes.get(name, ""))
            if size and len(shape) == 1 and kind == "U8":
                shape = int(size[1]), int(size[2])
                tile = partial(_unpacked_tile, opened, name, shape)
            else:
                tile = partial(_slice_tile, opened, name, shape)
            entries.append(FileArray(name, shape, "F" in kind, tile))
        yield entries


# The types of safetensors that NumPy has.
PLAIN = {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"}


def _unpacked_tile(opened: Any, name: str, shape: tuple[int, int]) -> Tile:
    """Unpack a packed mask, whose shape "n_outxn_in" is in its note."""
    array = Mask.unpack(np.asarray(opened.get_tensor(name)), *shape).array
    return lambda rows, columns: array[rows, columns]


def _slice_tile(opened: Any, name: str, shape: tuple[int, ...]) -> Tile:
    check_shape(shape)
    part = opened.get_slice(name)

    def tile(rows: slice, columns: slice) -> Any:
        found = part[rows, columns]
        if isinstance(found, np.ndarray):
            return found
        return tensor_tile(found)(slice(None), slice(None))

    return tile


@contextmanager
def _torch(path: Path, file: BinaryIO) -> Generator[list[FileArray]]:
    import torch

    mapped = _check_archive(path, file)
    try:
        # Indices of sparse tensors are checked, because those outside a tensor would be written outside its memory.
        with torch.sparse.check_sparse_tensor_invariants(True), limited_memory(path.stat().st_size):
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a damaged pickle can raise nearly anything
        called = re.search(r"GLOBAL ([\w.]+)", str(error))
        if called:
            raise InputError(
                f"{path}: refused, it calls {shown(called[1])} on loading; save a plain state_dict of tensors"
            ) from None
        raise InputError(f"{path}: damaged, or not a torch state dict ({type(error).__name__})") from None
    if isinstance(loaded, torch.Tensor):
        yield [_of_tensor(path.stem, loaded)]
    else:
        yield [_of_tensor(name, tensor) for name, tensor in _tensors(path, loaded)]


def _of_tensor(name: str, tensor: Any) -> FileArray:
    shape = () if tensor.is_nested else tuple(tensor.shape)
    return FileArray(name, shape, "float" in str(tensor.dtype), partial(tensor_tile, tensor))


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


def _tensors(path: Path, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the tensors in nested dicts and lists, such as a checkpoint with a state dict inside, with dotted names."""
    # A stack of what remains to be searched, since dicts may be nested deeper than functions can be.
    stack: list[tuple[str, Any, tuple[int, ...]]] = [("", value, ())] if _may_hold_tensors(value) else []
    found = 0
    while stack:
        prefix, value, outer = stack.pop()
        if hasattr(value, "detach"):
            yield prefix, value
            continue
        if id(value) in outer:  # a dict that holds itself
            continue
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        inside = [(name, inner) for name, inner in entries if _may_hold_tensors(inner)]
        found += len(inside)
        around = (*outer, id(value))
        if len(around) > DEEPEST or found > MOST_ENTRIES:
            raise InputError(
                f"{path}: refused, its dicts and lists are nested without end; save a plain state_dict of tensors"
            )
        for name, inner in reversed(inside):
            stack.append((f"{prefix}.{_word(name)}" if prefix else _word(name), inner, around))


def _may_hold_tensors(value: object) -> bool:
    return isinstance(value, dict | list | tuple) or hasattr(value, "detach")


def _word(name: object) -> str:
    """Return a key of a dict as a part of a name."""
    return str(name) if isinstance(name, str | int | float | bool | bytes | None) else type(name).__name__


@contextmanager
def _guarded(path: Path) -> Generator[None]:
    """Turn the errors of a damaged file into an InputError of one line, and keep libraries from warning of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, OSError):
        raise
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into memory ({first_line(error)})") from None
    except Exception as error:  # zip, zlib, header and decoding errors have no common base
        raise InputError(
            f"{path}: damaged, or not a {path.suffix} file ({shown(first_line(error))})"
        ) from None


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts layer2 before layer10."""
    # Numbers of any length compare by their length first, then digit by digit.
    parts = [part.lstrip("0") if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]
    return [(len(part), part) if i % 2 else (-1, part) for i, part in enumerate(parts)]


READERS = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".pt": _torch,
    ".pth": _torch,
}
