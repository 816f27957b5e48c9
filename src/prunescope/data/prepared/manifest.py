"""This module checks the manifest of a prepared folder, once, when the folder is opened."""

from __future__ import annotations

import math
from typing import Any

from prunescope.data.raw_images import SPLITS
from prunescope.experiment.paths import has_surrogates

ARRAYS = (*SPLITS, *(f"{split}-labels" for split in SPLITS), "mean", "min", "max")
_PIXELS = ("|u1", "<f4")
_LONGEST = 1 << 40  # an axis of an array
_TEXTS = ("geometry", "image_column", "label_column", "train_split", "validation_split")
_NUMBERS = ("rotate", "size", "patches", "validation")
_TEXT = 10_000  # characters of a name or of a line


def wrong_field(manifest: dict[str, Any]) -> str:
    """Return the name of the first field of a manifest that is missing or has a wrong type or value, else ""."""
    if not _is_text(manifest.get("source")):
        return "source"
    shape = manifest.get("shape")
    if not (isinstance(shape, list) and len(shape) == 3 and all(_is_count(n) and n for n in shape)):
        return "shape"
    classes = manifest.get("classes")
    if not (isinstance(classes, list) and classes and all(map(_is_text, classes))):
        return "classes"
    if not _is_count(manifest.get("validation_images_in_training", 0)):
        return "validation_images_in_training"
    provenance = manifest.get("provenance")
    if not isinstance(provenance, dict):
        return "provenance"
    return _wrong_in_provenance(provenance) or _wrong_array(manifest.get("arrays"), math.prod(shape))


def _wrong_in_provenance(provenance: dict[str, Any]) -> str:
    parameters = provenance.get("parameters")
    if not isinstance(parameters, dict):
        return "provenance.parameters"
    for name in _TEXTS:
        if not _is_text(parameters.get(name, "")):
            return f"provenance.parameters.{name}"
    for name in _NUMBERS:
        value = parameters.get(name, 0)
        if value is not None and (not isinstance(value, int | float) or not abs(value) < _LONGEST):
            return f"provenance.parameters.{name}"
    notes = provenance.get("notes", [])
    if not (isinstance(notes, list) and all(map(_is_text, notes))):
        return "provenance.notes"
    return "" if _is_count(provenance.get("reader", 1)) else "provenance.reader"


def _wrong_array(arrays: object, n0: int) -> str:
    """Return the first entry of the arrays that is wrong, or does not fit images of ``n0`` values."""
    if not isinstance(arrays, dict) or set(arrays) != set(ARRAYS):
        return "arrays"
    for name, entry in arrays.items():
        if not (isinstance(entry, dict) and _is_text(entry.get("sha256")) and _is_text(entry.get("dtype"))):
            return f"arrays.{name}"
        axes = entry.get("shape")
        if not (isinstance(axes, list) and axes and all(map(_is_count, axes))):
            return f"arrays.{name}.shape"
    pixels, rows = arrays["train"]["dtype"], {split: arrays[split]["shape"][0] for split in SPLITS}
    expected = {"mean": ([n0], "<f8"), "min": ([n0], pixels), "max": ([n0], pixels)}
    for split in SPLITS:
        expected |= {split: ([rows[split], n0], pixels), f"{split}-labels": ([rows[split]], "<i8")}
    if pixels not in _PIXELS or not rows["train"]:
        return "arrays.train"
    fits = {name: (arrays[name]["shape"], arrays[name]["dtype"]) == what for name, what in expected.items()}
    return next((f"arrays.{name}" for name, right in fits.items() if not right), "")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _TEXT and not has_surrogates(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LONGEST
