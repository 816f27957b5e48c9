"""This module opens prepared folders, maps their arrays into memory, and checks them in full on request."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import path_of
from prunescope.data.prepared.duplicates import count_shared, row_digests
from prunescope.data.prepared.manifest import ARRAYS, wrong_field
from prunescope.data.prepared.writing import FORMAT, MANIFEST, SHARED
from prunescope.data.raw_images import SPLITS, Labels
from prunescope.errors import InputError, shortened
from prunescope.files import open_regular
from prunescope.mask import ImageShape
from prunescope.memory import check_memory

_CHUNK = 1 << 24
_LARGEST = np.finfo(np.float32).max
_JSON_BYTES = 10  # of memory for a byte of JSON


@dataclass(frozen=True)
class Prepared:
    """A prepared folder that is open for reading.

    ``manifest`` is the content of its prepared.json. Image arrays are mapped into memory; labels are copied.
    """

    path: Path
    manifest: dict[str, Any]

    @property
    def source(self) -> str:
        """The name of the source, as in ``data.source``."""
        return str(self.manifest["source"])

    @property
    def shape(self) -> ImageShape:
        """The shape (C, H, W) of an image."""
        channels, height, width = self.manifest["shape"]
        return channels, height, width

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the source's classes, in the order of their labels."""
        return tuple(self.manifest["classes"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The options with which the folder was made, such as ``size`` and ``rotate``."""
        return dict(self.manifest["provenance"]["parameters"])

    @property
    def notes_of_reading(self) -> tuple[str, ...]:
        """Lines about what was left out or simplified when the images were read; none in older folders."""
        return tuple(map(str, self.manifest["provenance"].get("notes", ())))

    @property
    def notes(self) -> tuple[str, ...]:
        """The lines of ``notes_of_reading``, and one about images in both splits where the manifest counts some."""
        told = self.notes_of_reading
        common, total = int(self.manifest.get(SHARED, 0)), self.manifest["arrays"]["validation"]["shape"][0]
        if common:
            told += (
                f"{common:,} of {total:,} images of the validation part are also training images, pixel by pixel: "
                "accuracies on them say nothing about new images",
            )
        return told

    @property
    def is_counted(self) -> bool:
        """Whether the manifest counts the images in both splits, which those of version 0.1.0 do not."""
        return SHARED in self.manifest

    def count_shared(self) -> int:
        """Return how many validation images are also training images, counted anew where the manifest is older."""
        if self.is_counted:
            return int(self.manifest[SHARED])
        images = {split: self.images(split) for split in SPLITS}
        return count_shared({split: row_digests(rows) for split, rows in images.items()}, images)

    def images(self, split: str) -> NDArray[Any]:
        """Return the images of "train" or "validation", uint8 or float32 [N, n0], mapped into memory."""
        return self.array(split)

    def labels(self, split: str) -> Labels:
        """Return the labels of "train" or "validation", int64 [N]; raise InputError for one out of range."""
        labels: Labels = np.array(self.array(f"{split}-labels"))
        if labels.size and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise InputError(
                f"{self.path}: labels from {labels.min()} to {labels.max()}, they must go from 0 to "
                f"{len(self.classes) - 1}: prepare it anew"
            )
        return labels

    def array(self, name: str) -> NDArray[Any]:
        """Return one array of the folder, mapped into memory.

        ``name``: "train", "validation", "train-labels", "validation-labels", "mean", "min" or "max".
        Raises InputError unless the file is whole and has the shape and type that the manifest says.
        """
        path = self.path / f"{name}.npy"
        try:
            open_regular(path).close()  # mapping a pipe would wait
            with np.errstate(all="raise"), warnings.catch_warnings():
                # A header's shape may have more entries than NumPy counts, and its text may be anything.
                warnings.simplefilter("ignore")
                array = np.lib.format.open_memmap(path, mode="r")
        except FileNotFoundError:
            raise InputError(f"{path}: missing: prepare the data anew") from None
        except InputError:
            raise
        except Exception as error:  # a damaged header can raise any error
            if isinstance(error, OSError) and error.errno == errno.ENOMEM:
                raise InputError(
                    f"{path}: cannot be mapped: there is not enough address space for it"
                ) from None
            raise InputError(f"{path}: truncated or damaged: prepare the data anew") from None
        entry = self.manifest["arrays"][name]
        if list(array.shape) != entry["shape"] or array.dtype != np.dtype(entry["dtype"]):
            raise InputError(
                f"{path}: holds {array.dtype} {list(array.shape)}, {MANIFEST} says {entry['dtype']} "
                f"{entry['shape']}: prepare the data anew"
            )
        return array


def is_prepared(path: Path) -> bool:
    """Return whether ``path`` is a prepared folder."""
    return (path / MANIFEST).is_file()


def open_prepared(path: Path) -> Prepared:
    """Open a prepared folder after checking its manifest and the arrays' headers and sizes, but not their bytes.

    Raises InputError when ``path`` is not a prepared folder, is damaged, or has the format of another version.
    """
    file = path / MANIFEST
    try:
        manifest = _manifest(file)
    except FileNotFoundError:
        raise InputError(
            f"{path}: not a prepared folder: no {MANIFEST} in it (prunescope data prepare makes one)"
        ) from None
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: damaged: prepare the data anew") from None
    found = manifest.get("format")
    if found != FORMAT:
        shown = shortened(repr(found), 40) if isinstance(found, int | str) else "none"
        raise InputError(f"{file}: format {shown}, this version reads {FORMAT}: prepare the data anew")
    wrong = wrong_field(manifest)
    if wrong:
        raise InputError(f"{file}: damaged: {wrong} is missing or wrong: prepare the data anew")
    prepared = Prepared(path, manifest)
    for name in ARRAYS:
        array = prepared.array(name)
        if array.ndim == 1 and array.dtype.kind == "f" and not (np.abs(array) <= _LARGEST).all():
            raise InputError(f"{path / name}.npy: has values beyond float32, or NaN: prepare the data anew")
    return prepared


def _manifest(file: Path) -> dict[str, Any]:
    """Return the manifest in a file; raise OSError or ValueError where there is none."""
    with open_regular(file) as stream:
        check_memory(_JSON_BYTES * os.fstat(stream.fileno()).st_size, str(file))
        manifest = json.loads(stream.read().decode("utf-8"))
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise ValueError("no manifest")
    return manifest


def info(path: str | Path) -> dict[str, Any]:
    """Return what a prepared folder holds: path, source, shape, classes, counts of images, and provenance.

    ``images`` counts each split's images, ``per_class`` those of each class, ``validation_images_in_training`` those
    of the validation part whose pixels are also a training image's; ``provenance`` says from which files and options
    the folder was made, and what was left out. Raises InputError when ``path`` is not a prepared folder or is damaged.
    """
    prepared = open_prepared(path_of("path", path))
    counts = {
        split: np.bincount(prepared.labels(split), minlength=len(prepared.classes)).tolist()
        for split in SPLITS
    }
    return {
        "path": str(path),
        "source": prepared.source,
        "shape": list(prepared.shape),
        "images": {split: sum(numbers) for split, numbers in counts.items()},
        "classes": list(prepared.classes),
        "per_class": counts,
        SHARED: prepared.count_shared(),
        "provenance": prepared.manifest["provenance"],
    }


def verify(path: str | Path) -> list[str]:
    """Check every byte of a prepared folder and return the problems found, one line each.

    Each array is compared with its SHA-256, and images and labels with the manifest. The list is empty when all is
    well. Raises InputError when ``path`` is not a prepared folder.
    """
    folder = path_of("path", path)
    try:
        prepared = open_prepared(folder)
    except InputError as error:
        if not is_prepared(folder):
            raise
        return [str(error)]
    problems = []
    n0 = int(np.prod(prepared.shape))
    for name, entry in prepared.manifest["arrays"].items():
        if _sha256(prepared.array(name)) != entry["sha256"]:
            problems.append(f"{folder / name}.npy: its SHA-256 is not the one in {MANIFEST}")
    for split in SPLITS:
        images = prepared.images(split)
        if images.dtype not in (np.uint8, np.float32) or images.shape[1:] != (n0,):
            found = f"{images.dtype} {images.shape}"
            problems.append(f"{folder / split}.npy: {found}, expected uint8 or float32 [N, {n0}]")
        try:
            labels = prepared.labels(split)
        except InputError as error:
            problems.append(str(error))
            continue
        if len(labels) != len(images):
            problems.append(f"{folder}: {len(images)} {split} images but {len(labels)} labels")
    return problems


def _sha256(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes, which are read in pieces."""
    digest = hashlib.sha256()
    rows = max(1, _CHUNK // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(array[start : start + rows].tobytes())
    return digest.hexdigest()
