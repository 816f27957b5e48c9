"""What every reader of images checks: roots that are not read, pointers of Git LFS, names of classes, labels."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np

from prunescope import experiment
from prunescope.data.raw_images import Labels
from prunescope.errors import InputError
from prunescope.experiment.paths import has_surrogates
from prunescope.files import open_regular

_POINTER = b"version https://git-lfs.github.com"


def check_no_root(data: experiment.Data) -> None:
    """Raise InputError for a ``data.root`` that a source with images of its own would not read."""
    if data.root:
        raise InputError(
            f"data.root={data.root}: data.source={data.source} makes its own images and reads none there: set "
            "data.source to what it holds (folder, npz, parquet, imagenet32, cifar10, …), or leave data.root out"
        )


def check_pointer(path: Path) -> None:
    """Raise InputError for a pointer of Git LFS, a few lines of text that stand for a file that was not fetched."""
    try:
        with open_regular(path) as file:
            pointer = file.read(len(_POINTER)) == _POINTER
    except (OSError, InputError):
        return
    if pointer:
        raise InputError(f"{path}: a pointer of Git LFS in place of the file: fetch it with git lfs pull")


def check_class_name(name: str, what: str, advice: str) -> None:
    """Raise InputError for a class name that tables, pages or terminals cannot show; ``what`` begins the sentence.

    Those are control characters, which could also steer a terminal, and what Python makes of bytes that are no UTF-8.
    """
    if has_surrogates(name):
        raise InputError(f"{what} is no UTF-8 text: {advice}")
    if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in name):
        raise InputError(f"{what} has a line break or another control character in it: {advice}")


def text_of(name: str | Path) -> str:
    """Return the name of a file as text that can be printed and stored, bytes that are no UTF-8 as backslashes."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(
        sign if unicodedata.category(sign) not in ("Cc", "Zl", "Zp") else ascii(sign)[1:-1] for sign in text
    )


def checked_labels(labels: object, classes: int, where: str, first: int = 0) -> Labels:
    """Return ``labels`` as int64 [n] counted from 0, those that equal ``first`` as 0.

    Raises InputError, which names the place as ``where``, unless all are integers with
    first <= label < first + classes.
    """
    array = np.asarray(labels).reshape(-1)
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"{where}: labels are {array.dtype}, they must be integers")
    array = array.astype(np.int64)
    bad = np.flatnonzero((array < first) | (array >= first + classes))
    if bad.size:
        raise InputError(
            f"{where}: label {array[bad[0]]} of image {bad[0]} is out of range: "
            f"labels go from {first} to {first + classes - 1}"
        )
    return array - first
