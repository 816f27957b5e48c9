"""Which arrays of a .npz file are the values and the labels of its parts, by the words in their names."""

from __future__ import annotations

from pathlib import Path

from prunescope import experiment
from prunescope.data.sources.npz_archive import Keys
from prunescope.errors import InputError, shortened

_FORMS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "val_images", "val_labels"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("images", "labels"),
)
_TRAIN = ("train", "training", "tr")
_VALIDATION = ("val", "valid", "validation", "dev", "test", "testing", "te")
_VALUES = ("images", "image", "x", "data", "inputs", "features")
_LABELS = ("labels", "label", "y", "targets", "target", "classes")


def chosen_keys(data: experiment.Data) -> dict[str, str]:
    """Return the fields of ``data`` that choose columns and splits, those that are given."""
    names = ("image_column", "label_column", "train_split", "validation_split")
    return {name: getattr(data, name) for name in names if getattr(data, name)}


def keys_of(path: Path, found: Keys, data: experiment.Data) -> tuple[str, ...]:
    """Return the keys of training values and labels, and of validation values and labels where there is a split.

    They are those of Keras (x_train, y_train, x_test, y_test), of MedMNIST (train_images, …), images and labels, or
    others of the form VALUES_SPLIT or SPLIT_VALUES in any case, such as X_train or val_x. ``data.image_column``,
    ``data.label_column``, ``data.train_split`` and ``data.validation_split`` replace the words.
    """
    chosen = chosen_keys(data)
    if not chosen:
        for keys in _FORMS:
            if set(found) >= set(keys):
                return keys
    values = (data.image_column,) if data.image_column else _VALUES
    labels = (data.label_column,) if data.label_column else _LABELS
    train = _pair(found, (data.train_split,) if data.train_split else _TRAIN, values, labels)
    held = _pair(found, (data.validation_split,) if data.validation_split else _VALIDATION, values, labels)
    if train and held:
        return (*train, *held)
    whole = _pair(found, ("",), values, labels)
    if whole and not (data.train_split or data.validation_split):
        return whole
    told = ", ".join(f"data.{name}={value}" for name, value in chosen.items())
    expected = (
        f"none of them fit {told}"
        if told
        else "expected images and labels, x_train, y_train, x_test and y_test, or train_images, train_labels, "
        "val_images and val_labels; data.image_column and data.label_column name others"
    )
    raise InputError(f"{path}: its keys are {shortened(', '.join(sorted(found)))}; {expected}")


def _pair(
    found: Keys,
    splits: tuple[str, ...],
    values: tuple[str, ...],
    labels: tuple[str, ...],
) -> tuple[str, str] | None:
    """Return the keys of a split's values and labels, of the first split that has both, or None."""
    for split in splits:
        pair = [_key(found, split, words) for words in (values, labels)]
        if pair[0] and pair[1]:
            return pair[0], pair[1]
    return None


def _key(found: Keys, split: str, words: tuple[str, ...]) -> str | None:
    known = {key.lower(): key for key in reversed(list(found))}
    for word in words:
        for name in (
            (f"{word}_{split}", f"{split}_{word}", f"{word}{split}", f"{split}{word}") if split else (word,)
        ):
            key = name if name in found else known.get(name.lower())
            if key is not None:
                return key
    return None


def unused_part(found: Keys, keys: tuple[str, ...], data: experiment.Data) -> tuple[str, ...]:
    """Return a note where another part than the one read could be the validation part, as val beside test."""
    if data.validation_split:
        return ()
    values = (data.image_column,) if data.image_column else _VALUES
    labels = (data.label_column,) if data.label_column else _LABELS
    for split in _VALIDATION:
        pair = _pair(found, (split,), values, labels)
        if pair and pair[0] not in (keys[0], keys[2]):
            return (f"{keys[2]} is the validation part; data.validation_split={split} takes {pair[0]}",)
    return ()
