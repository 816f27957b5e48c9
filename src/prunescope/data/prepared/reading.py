"""Prepared folders, opened: arrays mapped, headers checked, and a full check on request."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.prepared.writing import FORMAT, MANIFEST
from prunescope.data.raw import SPLITS, Labels
from prunescope.errors import InputError
from prunescope.mask import ImageShape

_CHUNK = 1 << 24


@dataclass(frozen=True)
class Prepared:
    """A prepared folder; image arrays are memory-mapped, labels and statistics are in memory."""

    path: Path
    manifest: dict[str, Any]

    @property
    def source(self) -> str:
        return str(self.manifest["source"])

    @property
    def shape(self) -> ImageShape:
        channels, height, width = self.manifest["shape"]
        return channels, height, width

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.manifest["classes"])

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self.manifest["provenance"]["parameters"])

    def images(self, split: str) -> NDArray[Any]:
        """Memory-mapped uint8 or float32 [N, n0] of "train" or "validation"."""
        return self.array(split)

    def labels(self, split: str) -> Labels:
        """int64 [N] of "train" or "validation"; raises InputError for a label out of range."""
        labels: Labels = np.array(self.array(f"{split}-labels"))
        if labels.size and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise InputError(
                f"{self.path}: labels from {labels.min()} to {labels.max()}, they must go from 0 to "
                f"{len(self.classes) - 1}: prepare it anew"
            )
        return labels

    def array(self, name: str) -> NDArray[Any]:
        """One array of the folder, memory-mapped; raises InputError unless it is as the manifest says."""
        path = self.path / f"{name}.npy"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise InputError(f"{path}: missing: prepare the data anew") from None
        except (ValueError, OSError, EOFError):
            raise InputError(f"{path}: truncated or damaged: prepare the data anew") from None
        entry = self.manifest["arrays"][name]
        if list(array.shape) != entry["shape"] or array.dtype != np.dtype(entry["dtype"]):
            raise InputError(
                f"{path}: holds {array.dtype} {list(array.shape)}, {MANIFEST} says {entry['dtype']} "
                f"{entry['shape']}: prepare the data anew"
            )
        return array


def is_prepared(path: Path) -> bool:
    """Whether ``path`` is a prepared folder."""
    return (path / MANIFEST).is_file()


def open_prepared(path: Path) -> Prepared:
    """Open a prepared folder, checking its manifest and the arrays' headers and sizes, not their bytes."""
    file = path / MANIFEST
    try:
        manifest = json.loads(file.read_text("utf-8"))
        found = manifest["format"]
    except OSError:
        raise InputError(f"{path}: not a prepared folder: no {MANIFEST} in it") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{file}: damaged: prepare the data anew") from None
    if found != FORMAT:
        raise InputError(f"{file}: format {found}, this version reads {FORMAT}: prepare the data anew")
    if not {"source", "shape", "classes", "arrays", "provenance"} <= manifest.keys():
        raise InputError(f"{file}: damaged: prepare the data anew")
    prepared = Prepared(path, manifest)
    for name in manifest["arrays"]:
        prepared.array(name)
    return prepared


def info(path: str | Path) -> dict[str, Any]:
    """What a prepared folder holds: source, shape, counts (in all and per class), provenance.

    Raises InputError when it is not a prepared folder.
    """
    prepared = open_prepared(Path(path))
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
        "provenance": prepared.manifest["provenance"],
    }


def verify(path: str | Path) -> list[str]:
    """Re-check every byte of a prepared folder; the problems found, one line each.

    Raises InputError when it is not a prepared folder at all.
    """
    folder = Path(path)
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
    digest = hashlib.sha256()
    rows = max(1, _CHUNK // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(array[start : start + rows].tobytes())
    return digest.hexdigest()
