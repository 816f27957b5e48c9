"""This module writes prepared folders: arrays that can be mapped into memory, with checksums and provenance."""

from __future__ import annotations

import datetime
import errno
import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from prunescope.data.prepared.duplicates import Digests, count_shared, row_digests
from prunescope.data.raw_images import SPLITS, Chunk, Progress, Raw, Split
from prunescope.errors import InputError, naming
from prunescope.files import open_regular, write_text
from prunescope.locks import held
from prunescope.memory import check_memory

FORMAT = 1
MANIFEST = "prepared.json"
_VALUE_BYTES = 64  # that statistics of a set take for each value of an image
SHARED = "validation_images_in_training"  # in the manifest since 0.2.0


@dataclass
class _GrowingArray:
    """A .npy file to which rows are appended.

    It is open within a ``with`` block, at whose end the header is written again with the number of rows.
    """

    path: Path
    dtype: str
    row: tuple[int, ...]

    def __enter__(self) -> _GrowingArray:
        self.rows = 0
        self.hash = hashlib.sha256()
        self.file = self.path.open("wb")
        self._header()
        return self

    def __exit__(self, *_: object) -> None:
        with self.file:
            self.file.seek(0)
            self._header()
            self.file.flush()
            os.fsync(self.file.fileno())

    def append(self, values: NDArray[Any]) -> None:
        """Write the rows ``values`` [n, *row] after those written so far."""
        data = np.ascontiguousarray(values, dtype=self.dtype).tobytes()
        self.file.write(data)
        self.hash.update(data)
        self.rows += len(values)

    def entry(self) -> dict[str, Any]:
        """Return what the manifest says about the rows written so far: shape, type and SHA-256."""
        return {"shape": [self.rows, *self.row], "dtype": self.dtype, "sha256": self.hash.hexdigest()}

    def _header(self) -> None:
        # NumPy pads headers, so that the first axis can grow without moving the data.
        shape = (self.rows, *self.row)
        np.lib.format.write_array_header_1_0(
            self.file, {"descr": np.dtype(self.dtype).str, "fortran_order": False, "shape": shape}
        )


@dataclass
class _Statistics:
    """The sum (exact for uint8), minimum and maximum of each pixel over the chunks added so far."""

    n0: int
    dtype: str
    count: int = 0

    def __post_init__(self) -> None:
        kind = np.dtype(self.dtype)
        limits = np.iinfo(kind) if kind == np.uint8 else np.finfo(kind)
        self.sums = np.zeros(self.n0, np.uint64 if kind == np.uint8 else np.float64)
        self.low = np.full(self.n0, limits.max, kind)
        self.high = np.full(self.n0, limits.min, kind)

    def add(self, pixels: NDArray[Any]) -> None:
        """Include the rows ``pixels`` [n, n0]."""
        if len(pixels):
            self.count += len(pixels)
            self.sums += pixels.sum(axis=0, dtype=self.sums.dtype)
            self.low = np.minimum(self.low, pixels.min(axis=0))
            self.high = np.maximum(self.high, pixels.max(axis=0))


def write(raw: Raw, out: Path, progress: Progress | None = None) -> Path:
    """Convert ``raw`` into the folder ``out`` and return it, or do nothing when it is prepared already.

    Everything is written beside ``out`` and renamed at the end. A second process that prepares
    the same folder waits for the first. Raises InputError when the source is damaged or a split is empty, and when
    ``out`` holds other things or cannot be written.
    """
    if out.name in ("", ".."):  # A folder is written beside the named one, which so needs a name.
        out = Path(os.path.abspath(out))
    if _is_there(out):
        return out  # also in a cache that may only be read
    _make_folder(out.parent)
    with _alone(out) as partial:
        if partial is None:
            return out
        with naming(out):  # The error of a full disk names no file.
            manifest = _fill(raw.settle(progress) if raw.settle else raw, partial, progress)
            write_text(partial / MANIFEST, json.dumps(manifest, indent=1) + "\n")
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        partial.rename(out)
    return out


def _make_folder(folder: Path) -> None:
    """Make the folder that prepared folders are written into; raise InputError if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise InputError(
            f"{folder}: prepared data cannot be written there ({reason}): choose another folder, the cache's with "
            "the variable PRUNESCOPE_CACHE"
        )


def _fill(raw: Raw, folder: Path, progress: Progress | None) -> dict[str, Any]:
    """Write all arrays into ``folder`` and return the manifest."""
    n0 = math.prod(raw.shape)
    check_memory(_VALUE_BYTES * n0, f"data.source={raw.source}: images of {list(raw.shape)}")
    statistics = _Statistics(n0, raw.dtype)
    arrays: dict[str, Any] = {}
    digests: dict[str, Digests] = {}
    for name in SPLITS:
        entries, digests[name] = _fill_split(raw, name, folder, statistics, progress)
        arrays |= entries
    for name, values in (
        ("mean", statistics.sums.astype(np.float64) / statistics.count),
        ("min", statistics.low),
        ("max", statistics.high),
    ):
        with _GrowingArray(folder / f"{name}.npy", values.dtype.str, ()) as array:
            array.append(values)
        arrays[name] = array.entry()
    images = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in SPLITS}
    return _manifest(raw, arrays, progress) | {SHARED: count_shared(digests, images)}


def _fill_split(
    raw: Raw, name: str, folder: Path, statistics: _Statistics, progress: Progress | None
) -> tuple[dict[str, Any], Digests]:
    """Write the images and labels of one split; return their entries of the manifest and the rows' digests.

    ``statistics``: includes the training images afterwards.
    """
    split: Split = getattr(raw, name)
    digests: list[Digests] = []
    n0 = math.prod(raw.shape)
    with (
        _GrowingArray(folder / f"{name}.npy", raw.dtype, (n0,)) as pixels,
        _GrowingArray(folder / f"{name}-labels.npy", "<i8", ()) as labels,
    ):
        for images, numbers in split.chunks():
            _check_chunk((images, numbers), n0, raw)
            pixels.append(images)
            labels.append(numbers)
            digests.append(row_digests(images))
            if name == "train":
                statistics.add(images)
            if progress:
                progress(pixels.rows, max(split.total, pixels.rows), f"{name} images")
    if pixels.rows == 0:
        raise InputError(f"data.source={raw.source}: no {name} image in it")
    return {name: pixels.entry(), f"{name}-labels": labels.entry()}, np.concatenate(digests)


def _check_chunk(chunk: Chunk, n0: int, raw: Raw) -> None:
    """Raise InputError unless the images have the type of ``raw``, ``n0`` values each, and one label each."""
    images, labels = chunk
    if images.dtype != np.dtype(raw.dtype) or images.shape != (len(labels), n0):
        raise InputError(
            f"data.source={raw.source}: {len(labels)} labels but images of shape {images.shape}, "
            f"expected [{len(labels)}, {n0}]"
        )


def _manifest(raw: Raw, arrays: dict[str, Any], progress: Progress | None) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "source": raw.source,
        "shape": list(raw.shape),
        "classes": list(raw.classes),
        "arrays": arrays,
        "provenance": {
            "parameters": raw.parameters,
            "reader": raw.reader,
            "notes": list(raw.notes()),
            "files": _file_records(raw.files, progress),
            "prunescope": _version(),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        },
    }


def _file_records(files: tuple[Path, ...], progress: Progress | None) -> list[dict[str, str | int]]:
    records: list[dict[str, str | int]] = []
    for number, path in enumerate(files, 1):
        with open_regular(path) as file:
            digest = hashlib.file_digest(cast(io.BufferedReader, file), "sha256").hexdigest()
        records.append({"path": str(path), "bytes": path.stat().st_size, "sha256": digest})
        if progress and (number % 100 == 0 or number == len(files)):
            progress(number, len(files), "source files hashed")
    return records


def _version() -> str:
    try:
        return version("prunescope")
    except PackageNotFoundError:
        return "not installed"


def _is_there(out: Path) -> bool:
    """Return whether ``out`` is a prepared folder; raise InputError when it holds other things."""
    if (out / MANIFEST).exists():
        return True
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not a prepared folder: choose another")
    return False


@contextmanager
def _alone(out: Path) -> Iterator[Path | None]:
    """Make an empty folder beside ``out`` for this process alone and yield it, or None when ``out`` is prepared.

    The folder is removed at the end unless it was renamed. What a killed process left is removed first.
    """
    if _is_there(out):
        yield None
        return
    with held(out.with_name(f".{out.name}.lock"), wait=None, remove=True):
        if _is_there(out):  # another process finished while this one waited
            yield None
            return
        partial = out.with_name(f".{out.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)  # does nothing after a rename
