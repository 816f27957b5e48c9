"""This module reads CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their Python pickle form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from prunescope.data.raw import Chunk, Raw, Split, checked_labels
from prunescope.data.sources import pickles
from prunescope.data.sources.labels import whole_numbers
from prunescope.errors import InputError

_SIZE = 3 * 32 * 32
_FORMS: dict[int, tuple[str, tuple[str, ...], str, str, str, str]] = {
    10: (
        "cifar-10-batches-py", tuple(f"data_batch_{i}" for i in range(1, 6)), "test_batch",
        "batches.meta", "labels", "label_names",
    ),
    100: ("cifar-100-python", ("train",), "test", "meta", "fine_labels", "fine_label_names"),
}  # fmt: skip


def read(root: Path, classes: int) -> Raw:
    """Open CIFAR-10 or CIFAR-100 in ``root`` or in the folder that its archive makes there.

    ``classes``: 10, or 100 with the fine labels. The test batch is the validation split. Raises InputError for
    missing or truncated files, wrong sizes and labels out of range.
    """
    folder, train_names, test_name, meta_name, key, names_key = _FORMS[classes]
    base = next((place for place in (root, root / folder) if (place / test_name).is_file()), None)
    if base is None:
        raise InputError(f"{root}: no {test_name!r} in it or in its folder {folder}")
    train, test, meta = [base / name for name in train_names], base / test_name, base / meta_name
    for path in (*train, meta):
        if not path.is_file():
            raise InputError(f"{path}: missing")
    for path in (*train, test, meta):
        pickles.check_end(path)
    names = _field(meta, names_key)
    if not isinstance(names, list) or len(names) != classes:
        raise InputError(f"{meta}: {names_key} must be a list of {classes} names")
    return Raw(
        source=f"cifar{classes}",
        shape=(3, 32, 32),
        classes=tuple(name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names),
        train=Split(partial(_chunks, train, key, classes)),
        validation=Split(partial(_chunks, [test], key, classes)),
        files=(*train, test, meta),
    )


def _chunks(paths: list[Path], key: str, classes: int) -> Iterator[Chunk]:
    for path in paths:
        data = _field(path, "data")
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (_SIZE,):
            raise InputError(f"{path}: data must be uint8 [N, {_SIZE}]")
        labels = checked_labels(whole_numbers(np.asarray(_field(path, key)), str(path)), classes, str(path))
        if len(labels) != len(data):
            raise InputError(f"{path}: {len(data)} images but {len(labels)} labels")
        yield data, labels


def _field(path: Path, key: str) -> object:
    """Return the value of ``key`` in a pickled dict; raise InputError when there is none."""
    content = pickles.load(path)
    if not isinstance(content, dict) or key not in content:
        raise InputError(f"{path}: no {key!r} in it")
    return content[key]
