"""The masks, models and observations of a run, checked once, where they are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.errors import damaged
from prunescope.memory import check_memory
from prunescope.model import BIAS_MASK, LAYER_FIELDS, WEIGHT_MASK, Arrays, Layer, Model, Ticket
from prunescope.runs.record import LARGEST_NUMBER

LARGEST_UNASKED = 100_000_000  # bytes; whether less fits into memory is not asked


@dataclass(frozen=True)
class RunSizes:
    """The sizes that a run's networks have: units of each hidden layer, and inputs and classes where they are known."""

    hidden: tuple[int, ...]
    norm: str
    inputs: int | None = None
    classes: int | None = None

    def check(self, path: Path, shapes: Sequence[tuple[int, int]]) -> None:
        """Raise InputError unless maps of these shapes (n_out, n_in), that of the output if any, are those of the run."""
        n_in = self.inputs or (shapes[0][1] if shapes else 0)
        ends = (*self.hidden, *([self.classes or shapes[-1][0]] if len(shapes) > len(self.hidden) else ()))
        expected = list(zip(ends, (n_in, *ends), strict=False))
        if list(shapes) != expected:
            raise damaged(path, f"layers of {_shapes(shapes)}, where the run has {_shapes(expected)}")


def _shapes(shapes: Sequence[tuple[int, int]]) -> str:
    shown = ", ".join(f"{n_out}x{n_in}" for n_out, n_in in shapes[:6])
    return f"{shown}{', …' * (len(shapes) > 6)}" or "no weights"


def read_ticket(path: Path, arrays: Arrays, notes: dict[str, str], sizes: RunSizes) -> Ticket:
    """Return the masks of a file of packed masks and of their shapes; raise InputError when it is damaged."""
    count = len(sizes.hidden)
    numbers = range(1, count + 1)
    expected = {name.format(number) for number in numbers for name in (WEIGHT_MASK, BIAS_MASK)}
    if arrays.keys() != expected:
        raise damaged(path, f"arrays {_names(arrays)}, where the run has masks and biases of {count} layers")
    shapes = []
    for number in numbers:
        note = notes.get(WEIGHT_MASK.format(number), "")
        found = re.fullmatch(r"([1-9][0-9]{0,9})x([1-9][0-9]{0,9})", note)
        if found is None:
            raise damaged(path, f"the shape of {WEIGHT_MASK.format(number)} is {note[:40]!a}")
        shapes.append((int(found[1]), int(found[2])))
    sizes.check(path, shapes)
    for number, (n_out, n_in) in zip(numbers, shapes, strict=True):
        for name, entries in ((WEIGHT_MASK, n_out * n_in), (BIAS_MASK, n_out)):
            packed = arrays[name.format(number)]
            if packed.dtype != np.uint8 or packed.shape != (-(-entries // 8),):
                raise damaged(
                    path,
                    f"{name.format(number)} is {_type(packed)}, which does not hold {entries:,} packed entries",
                )
    unpacked = 3 * 8 * sum(array.size for array in arrays.values())
    if unpacked > LARGEST_UNASKED:
        check_memory(unpacked, f"{path}: its masks")
    return Ticket.from_arrays(arrays, shapes)


def read_model(path: Path, arrays: Arrays, sizes: RunSizes) -> Model:
    """Return the model of a file of its arrays; raise InputError when it is damaged."""
    count = len(sizes.hidden) + 1
    expected = {f"layer{number}.{field}" for number in range(1, count + 1) for field in LAYER_FIELDS}
    if arrays.keys() != expected:
        raise damaged(path, f"arrays {_names(arrays)}, where the run has models of {count} layers")
    model = Model.from_arrays(arrays)
    check_model(path, model, sizes)
    return model


def check_model(path: Path, model: Model, sizes: RunSizes) -> None:
    """Raise InputError for a model with arrays of other types or sizes than the run's, or that are not finite."""
    for number, layer in enumerate(model.layers, 1):
        for field in LAYER_FIELDS:
            array = getattr(layer, field)
            if array.dtype != np.float32 or array.ndim != (2 if field == "weight" else 1):
                raise damaged(path, f"layer{number}.{field} is {_type(array)}")
            if not np.isfinite(array).all():
                raise damaged(path, f"layer{number}.{field} has entries that are not finite")
    shapes = [(layer.weight.shape[0], layer.weight.shape[1]) for layer in model.layers]
    sizes.check(path, shapes)
    for number, layer in enumerate(model.layers, 1):
        wide = _width(layer, sizes.norm, number == len(model.layers))
        for field in LAYER_FIELDS[1:]:
            entries = len(layer.weight) if field == "bias" else wide
            if len(getattr(layer, field)) != entries:
                raise damaged(
                    path, f"layer{number}.{field} is {_type(getattr(layer, field))}, not [{entries}]"
                )


def _width(layer: Layer, norm: str, last: bool) -> int:
    """Return how many values a layer's batch norm normalises."""
    n_out, n_in = layer.weight.shape
    return {"before": n_in, "after": 0 if last else n_out}.get(norm, 0)


# The types of the arrays of observations.safetensors (kinds of NumPy) and their numbers of axes.
_OBSERVED = {
    "nodes": ("i", 1),
    "top_images": ("u", 3),
    "top_activations": ("f", 2),
    "layer2_nodes": ("i", 1),
    "layer2_top_images": ("u", 3),
    "ablation_removed": ("i", 1),
    "ablation_decreasing": ("f", 1),
    "ablation_increasing": ("f", 1),
    "ablation_random": ("f", 1),
    "kurtosis": ("f", 1),
    "kurtosis_null": ("f", 1),
    "cavity_place": ("i", 2),
    "cavity_effect": ("f", 1),
    "validation_right_best": ("u", 1),
    "validation_right_end": ("u", 1),
    "heldout_right_best": ("u", 1),
    "heldout_right_end": ("u", 1),
}
# Arrays of as many rows as another one.
_ALIKE = {
    "top_images": "nodes",
    "top_activations": "nodes",
    "layer2_top_images": "layer2_nodes",
    "ablation_decreasing": "ablation_removed",
    "ablation_increasing": "ablation_removed",
    "ablation_random": "ablation_removed",
    "cavity_effect": "cavity_place",
}


class Observed(dict[str, np.ndarray]):
    """The arrays of a file of observations; asking for one that is missing is an error of one line."""

    def __init__(self, arrays: Arrays, path: Path) -> None:
        """Hold ``arrays``, which were read from ``path``."""
        super().__init__(arrays)
        self._path = path

    def __missing__(self, name: str) -> np.ndarray:
        """Raise InputError."""
        raise damaged(self._path, f"no array {name}")


def read_observations(path: Path, arrays: Arrays, sizes: RunSizes) -> Observed:
    """Return the observations of a level; raise InputError for arrays of other types and sizes than were measured."""
    for name, array in arrays.items():
        kind, axes = _OBSERVED.get(name, (array.dtype.kind, array.ndim))
        if array.dtype.kind != kind or array.ndim != axes or (kind == "u" and array.dtype != np.uint8):
            raise damaged(path, f"{name} is {_type(array)}")
        rows = arrays.get(_ALIKE.get(name, name))
        if rows is None or (array.ndim and len(rows) != len(array)):
            raise damaged(path, f"{name} is {_type(array)}, which does not fit {_ALIKE.get(name)}")
        if kind == "f" and name in _OBSERVED and _too_large(array):
            raise damaged(path, f"{name} has entries that are not finite")
    units = {
        "nodes": sizes.hidden[:1],
        "layer2_nodes": sizes.hidden[1:2],
        "cavity_place": (sizes.hidden[0], sizes.inputs),
    }
    for name, ends in units.items():
        if name in arrays:
            _check_indices(path, name, arrays[name], ends)
    for name in ("top_images", "layer2_top_images"):
        shape = arrays[name].shape[1:] if name in arrays else None
        if shape and (shape[0] < 1 or shape[1] != (sizes.inputs or shape[1])):
            raise damaged(path, f"{name} is {_type(arrays[name])}, where inputs have {sizes.inputs} values")
    if "kurtosis" in arrays and len(arrays["kurtosis"]) != sizes.hidden[0]:
        raise damaged(
            path, f"kurtosis is {_type(arrays['kurtosis'])}, where the layer has {sizes.hidden[0]} units"
        )
    if "ablation_removed" in arrays and np.any(arrays["ablation_removed"] > sizes.hidden[0]):
        raise damaged(path, f"ablation_removed has more than {sizes.hidden[0]} units")
    return Observed(arrays, path)


def _too_large(array: np.ndarray) -> bool:
    """Return whether floats are infinite, or too large to compute with; NaN stands for what has no value."""
    large = array.dtype == np.float64 and np.any(np.abs(array) > LARGEST_NUMBER)
    return bool(large or np.isinf(array).any())


def _check_indices(path: Path, name: str, array: np.ndarray, ends: Sequence[int | None]) -> None:
    """Raise InputError for indices outside 0 … end - 1, where each column of ``array`` has an end."""
    columns = array.reshape(len(array), -1) if array.size else array.reshape(0, len(ends))
    if columns.shape[1] != len(ends):
        raise damaged(path, f"{name} is {_type(array)}")
    for column, end in zip(columns.T, ends, strict=True):
        if column.size and (column.min() < 0 or (end is not None and column.max() >= end)):
            raise damaged(path, f"{name} has numbers outside 0 to {'its end' if end is None else end - 1}")


def _names(arrays: Arrays) -> str:
    shown = ", ".join(f"{name[:40]!a}" for name in sorted(arrays)[:4])
    return f"{shown}{', …' * (len(arrays) > 4)}" or "none"


def _type(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}"
