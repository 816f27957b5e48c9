"""This module reads downsampled ImageNet (Chrabaszcz et al. 2017) in its two official forms, pickles and .npz."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.raw_images import Chunk, Labels, Raw, Split
from prunescope.data.source_checks import checked_labels
from prunescope.data.sources import pickles
from prunescope.data.sources.labels import check_size, listed, whole_numbers
from prunescope.data.sources.npz_archive import headers, load_arrays
from prunescope.errors import InputError, shortened

CLASSES = 1000
BATCHES = 10
_PIECE = 10_000


def read(root: Path, size: int) -> Raw:
    """Open ``train_data_batch_1`` … ``10`` and ``val_data`` in ``root``, without suffix or as .npz.

    ``size``: 32 or 64, the height and width in pixels. Each file holds ``data`` uint8 [N, 3·size·size] and ``labels``
    1 … 1000 in the order of the ILSVRC devkit; class number n gets label n - 1. Raises InputError for missing,
    truncated or wrong-sized files and labels out of range.
    """
    train = [_file(root, f"train_data_batch_{number}") for number in range(1, BATCHES + 1)]
    validation = _file(root, "val_data")
    for path in (*train, validation):
        _check(path, size)
    return Raw(
        source=f"imagenet{size}",
        shape=(3, size, size),
        classes=tuple(f"devkit {number}" for number in range(1, CLASSES + 1)),
        train=Split(partial(_chunks, train, size)),
        validation=Split(partial(_chunks, [validation], size)),
        files=(*train, validation),
    )


def _file(root: Path, name: str) -> Path:
    for path in (root / name, root / f"{name}.npz"):
        if path.is_file():
            return path
    raise InputError(f"{root / name}: missing (nor is there {name}.npz)")


def _chunks(paths: list[Path], size: int) -> Iterator[Chunk]:
    for path in paths:
        images, labels = _load(path, size)
        for start in range(0, len(images), _PIECE):  # small pieces, so that progress is reported often
            yield images[start : start + _PIECE], labels[start : start + _PIECE]


def _check(path: Path, size: int) -> None:
    """Raise InputError for a file that is plainly truncated or wrong, without reading its images."""
    if path.suffix != ".npz":
        return pickles.check_end(path)
    found = headers(path)
    for key in ("labels", "data"):
        if key not in found:
            raise InputError(f"{path}: no {key!r} in it; it has {shortened(', '.join(found))}")
    _check_images(*found["data"], size, path)
    check_size(*found["labels"], str(path))
    _labels(load_arrays(path, ("labels",))["labels"], found["data"][0][0], path)
    return None


def _load(path: Path, size: int) -> Chunk:
    content: Any = load_arrays(path, ("data", "labels")) if path.suffix == ".npz" else pickles.load(path)
    for key in ("data", "labels"):
        if not isinstance(content, dict) or key not in content:
            raise InputError(f"{path}: no {key!r} in it, expected a dict with data and labels")
    data = content["data"]
    if not isinstance(data, np.ndarray):
        raise InputError(f"{path}: data is {type(data).__name__}, expected uint8 [N, {3 * size * size}]")
    _check_images(data.shape, data.dtype, size, path)
    return data, _labels(listed(content["labels"], str(path)), len(data), path)


def _check_images(shape: tuple[int, ...], dtype: np.dtype[Any], size: int, path: Path) -> None:
    if dtype != np.uint8 or len(shape) != 2:
        raise InputError(f"{path}: data is {dtype} {list(shape)}, expected uint8 [N, {3 * size * size}]")
    if shape[1] != 3 * size * size:
        raise InputError(
            f"{path}: images have {shape[1]} values, those of imagenet{size} have 3·{size}·{size} = {3 * size * size}"
        )


def _labels(values: NDArray[Any], count: int, path: Path) -> Labels:
    labels = checked_labels(whole_numbers(values, str(path)), CLASSES, str(path), first=1)
    if len(labels) != count:
        raise InputError(f"{path}: {count} images but {len(labels)} labels")
    return labels
