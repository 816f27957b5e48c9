"""This module reads CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their Python pickle form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from prunescope.data.raw_images import Chunk, Raw, Split
from prunescope.data.source_checks import checked_labels
from prunescope.data.sources import pickles
from prunescope.data.sources.labels import check_names, listed, whole_numbers
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
    names = _field(pickles.load(meta), names_key, meta)
    if not isinstance(names, list) or len(names) != classes:
        raise InputError(f"{meta}: {names_key} must be a list of {classes} names")
    return Raw(
        source=f"cifar{classes}",
        shape=(3, 32, 32),
        classes=tuple(_text(name, f"{meta}: {names_key}") for name in names),
        train=Split(partial(_chunks, train, key, classes)),
        validation=Split(partial(_chunks, [test], key, classes)),
        files=(*train, test, meta),
    )


def _chunks(paths: list[Path], key: str, classes: int) -> Iterator[Chunk]:
    for path in paths:
        content = pickles.load(path)
        data = _field(content, "data", path)
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (_SIZE,):
            raise InputError(f"{path}: data must be uint8 [N, {_SIZE}]")
        values = listed(_field(content, key, path), str(path))
        labels = checked_labels(whole_numbers(values, str(path)), classes, str(path))
        if len(labels) != len(data):
            raise InputError(f"{path}: {len(data)} images but {len(labels)} labels")
        yield data, labels


def _field(content: object, key: str, path: Path) -> object:
    """Return the value of ``key`` in the dict of a file; raise InputError when there is none."""
    if not isinstance(content, dict) or key not in content:
        raise InputError(f"{path}: no {key!r} in it")
    return content[key]


def _text(name: object, where: str) -> str:
    """Return the name of a class, as text or bytes of it; InputError for what is no name."""
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    if not isinstance(text, str):
        raise InputError(f"{where}: the name of a class is {type(name).__name__}, expected text")
    check_names([text], where)
    return text
