"""Reading of masks from files of other programs, without executing code in the files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.errors import InputError, first_line
from prunescope.mask import Mask

SUFFIX = "weight_mask"  # the name torch.nn.utils.prune gives the buffer of a pruned weight

# A name in a file and its content: an array, or a mask already unpacked.
Entry = tuple[str, Any]


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
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if reader is None:
        raise InputError(
            f"{path}: cannot read masks from {path.suffix or 'no suffix'}; use {', '.join(READERS)}"
        )
    masks, left_out = _choose(path, reader(path))
    for line in _shortened(left_out):
        (say or _silent)(line)
    if layer is None:
        return masks
    if not 1 <= layer <= len(masks):
        raise InputError(
            f"{path}: no layer {layer}; it holds {len(masks)} ({', '.join(name for name, _ in masks)})"
        )
    return [masks[layer - 1]]


def _choose(path: Path, entries: list[Entry]) -> tuple[list[tuple[str, Mask]], list[str]]:
    """Return the masks among the entries of a file, and for each other entry that may be one why it is left out."""
    named = [entry for entry in entries if entry[0].endswith(SUFFIX)]
    masks, left_out = [], []
    for name, value in named or entries:
        try:
            masks.append((name, Mask.of(value)))
        except (ValueError, TypeError) as error:
            left_out.append(f"{name}: {_reason(value, error)}")
            # A 4-D mask of a convolution is left out, but a 2-D array of this name must be a mask.
            if named and np.ndim(value) == 2:
                raise InputError(f"{path}: {left_out[-1]}") from None
    if not masks and not named:
        masks, left_out = _of_weights(entries, left_out)
    if not masks:
        raise InputError(f"{path}: no mask inside ({_why_none(entries, left_out)})")
    others = [name for name, _ in entries if named and name.endswith("_mask") and not name.endswith(SUFFIX)]
    return masks, left_out + [
        f"{name}: a mask of other parameters than weights [n_out, n_in]" for name in others
    ]


def _reason(value: Any, error: Exception) -> str:
    shape = "x".join(map(str, np.shape(value)))
    if np.ndim(value) in (3, 4, 5):
        return f"{shape}, as of a convolution; only masks of 2 axes [n_out, n_in] are measured"
    return first_line(error)


def _why_none(entries: list[Entry], left_out: list[str]) -> str:
    if not entries:
        return "it holds no array or tensor"
    if {"indices", "indptr", "data"} <= {name for name, _ in entries}:
        return "it is a sparse matrix of SciPy: save the array, matrix.toarray() != 0"
    weights = [name for name, value in entries if _is_pruned_weight(value)]
    if weights and not any(name.endswith(SUFFIX) for name, _ in entries):
        return (
            f"{weights[0]} holds other numbers beside 0: if they are weights, of which pruning left some 0, as "
            "prune.remove does, save which are kept, {name: weight != 0}"
        )
    return "; ".join(_shortened(left_out, 2)) + "; a mask is a 2-D array of 0 and 1, [n_out, n_in]"


def _of_weights(entries: list[Entry], left_out: list[str]) -> tuple[list[tuple[str, Mask]], list[str]]:
    """Return which weights are not 0 where pruning left some 0, as prune.remove does, and what is to be said of it."""
    masks = [
        (name, Mask.of(value != 0)) for name, value in _called_weight(entries) if _is_pruned_weight(value)
    ]
    if not masks:
        return [], left_out
    names = {name for name, _ in masks}
    said = f"no mask inside: the weights that are not 0 are taken as kept, of {', '.join(name for name, _ in masks)}"
    return masks, [said, *(line for line in left_out if line.split(": ")[0] not in names)]


def _called_weight(entries: list[Entry]) -> list[Entry]:
    """Return the entries that state dicts call weights."""
    return [entry for entry in entries if entry[0].rpartition(".")[2] == "weight"]


def _is_pruned_weight(value: Any) -> bool:
    """Return whether a 2-D array of floats has some zeros among other numbers."""
    if np.ndim(value) != 2 or "float" not in str(value.dtype):
        return False
    zeros = value == 0
    return bool(zeros.any()) and not bool(zeros.all())


def _shortened(lines: list[str], most: int = 6) -> list[str]:
    """Return the lines, where there are more than ``most`` the first ones and how many follow."""
    if len(lines) <= most:
        return lines
    return [*lines[:most], f"and {len(lines) - most} more that are no 2-D arrays of 0 and 1"]


def _silent(line: str) -> None:
    """Ignore a line."""


def _read_npy(path: Path) -> list[Entry]:
    return [(path.stem, _guarded(path, lambda: np.load(path, allow_pickle=False)))]


def _read_npz(path: Path) -> list[Entry]:
    def read() -> list[Entry]:
        # The file is opened here because np.load leaves a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return [(name, arrays[name]) for name in arrays.files]

    return _guarded(path, read)


def _read_safetensors(path: Path) -> list[Entry]:
    from safetensors import safe_open

    def read(framework: str) -> list[Entry]:
        with safe_open(path, framework) as file:
            notes = file.metadata() or {}
            names = sorted(file.keys(), key=_natural)
            # Weights beside the masks need not be read, only which names there are.
            named = [name for name in names if name.endswith(SUFFIX)]
            others = [(name, None) for name in names if name not in named] if named else []
            return [
                *((name, _unpacked(file.get_tensor(name), notes.get(name))) for name in named or names),
                *others,
            ]

    def read_any() -> list[Entry]:
        try:
            return read("numpy")
        except TypeError:  # NumPy lacks bfloat16, in which whole models are stored.
            return read("pt")

    return _guarded(path, read_any)


def _unpacked(array: Any, note: str | None) -> Any:
    """Unpack a packed mask by the shape "n_outxn_in" in its note; return anything else as it is."""
    size = re.fullmatch(r"(\d+)x(\d+)", note or "")
    if size and array.ndim == 1 and array.dtype == np.uint8:
        return Mask.unpack(array, int(size[1]), int(size[2]))
    return array


def _read_torch(path: Path) -> list[Entry]:
    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise nearly anything
        called = re.search(r"GLOBAL ([\w.]+)", str(error))
        if called:
            raise InputError(
                f"{path}: refused, it calls {called[1]} on loading; save a plain state_dict of tensors"
            ) from None
        raise InputError(f"{path}: damaged, or not a torch state dict ({type(error).__name__})") from None
    if isinstance(loaded, torch.Tensor):
        return [(path.stem, loaded)]
    return list(_tensors(loaded))


def _tensors(value: Any, prefix: str = "") -> Iterator[Entry]:
    """Yield the tensors in nested dicts and lists, such as a checkpoint with a state dict inside, with dotted names."""
    if isinstance(value, dict):
        inside: Iterable[tuple[object, Any]] = value.items()
    elif isinstance(value, list | tuple):
        inside = enumerate(value)
    else:
        if hasattr(value, "detach"):
            yield prefix, value
        return
    for name, inner in inside:
        yield from _tensors(inner, f"{prefix}.{name}" if prefix else str(name))


def _guarded(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # zip, zlib, header and decoding errors have no common base
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            raise InputError(
                f"{path}: refused, it holds pickled objects; save plain arrays of 0 and 1"
            ) from None
        raise InputError(f"{path}: damaged, or not a {path.suffix} file ({first_line(error)})") from None


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts layer2 before layer10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


READERS: dict[str, Callable[[Path], list[Entry]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".pt": _read_torch,
    ".pth": _read_torch,
}
