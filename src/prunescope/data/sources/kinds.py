"""This module tells what a file or folder holds, so that a wrong ``data.source`` is answered by the right one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from prunescope.data.sources import folder_pictures, idx
from prunescope.errors import InputError

_AS_NPZ = "save its arrays with numpy.savez(FILE, images=…, labels=…) and read that with data.source=npz"
_UNPACK = "unpack it, and give the folder"
_FILES = {
    ".npy": (
        "one NumPy array",
        "save images and labels in one file with numpy.savez(FILE, images=…, labels=…)",
    ),
    ".mat": ("a MATLAB file", _AS_NPZ),
    ".h5": ("an HDF5 file", _AS_NPZ),
    ".hdf5": ("an HDF5 file", _AS_NPZ),
    ".pkl": ("a pickle, which can run code when it is loaded", _AS_NPZ),
    ".pickle": ("a pickle, which can run code when it is loaded", _AS_NPZ),
    ".pt": ("a file of PyTorch", _AS_NPZ),
    ".pth": ("a file of PyTorch", _AS_NPZ),
    ".csv": ("a table of text", _AS_NPZ),
    ".tsv": ("a table of text", _AS_NPZ),
    ".arrow": ("an Arrow file", "write it as parquet (to_parquet), and read that with data.source=parquet"),
    ".tfrecord": ("a TFRecord file", _AS_NPZ),
    ".zip": ("an archive", _UNPACK),
    ".tar": ("an archive", _UNPACK),
    ".tgz": ("an archive", _UNPACK),
    ".gz": ("a compressed file", _UNPACK),
    ".bz2": ("a compressed file", _UNPACK),
    ".xz": ("a compressed file", _UNPACK),
    ".7z": ("an archive", _UNPACK),
    ".rar": ("an archive", _UNPACK),
}
_SOME = 200  # entries of a folder that are inspected


def check(root: Path, source: str) -> None:
    """Raise InputError if ``root`` is plainly of another source than ``source``, or of a form that none reads.

    The message names the source that reads it, or what to do. Nothing is raised where ``root`` cannot be told.
    """
    if _fits(root, source):
        return
    right = source_of(root)
    if right is not None:
        own = "imagenet32 or imagenet64" if right == "imagenet32" else right
        raise InputError(
            f"data.root={root} holds {_TESTS[right][1]}: read it with data.source={own}, not {source}"
        )
    file = _other_file(root)
    if file is not None:
        found, advice = _FILES[file.suffix.lower()]
        raise InputError(f"{file} is {found}, which data.source={source} does not read: {advice}")


def source_of(root: Path) -> str | None:
    """Return the source that reads ``root``, of ImageNet's official files imagenet32, or None where none is known."""
    return next((name for name in _TESTS if _fits(root, name)), None)


def _fits(root: Path, source: str) -> bool:
    test = _TESTS.get("imagenet32" if source == "imagenet64" else source)
    return test is not None and test[0](root)


def _official(root: Path) -> bool:
    return any((root / f"{name}{end}").is_file() for name in _BATCHES for end in ("", ".npz"))


def _cifar10(root: Path) -> bool:
    return any((folder / "data_batch_1").is_file() for folder in (root, root / "cifar-10-batches-py"))


def _cifar100(root: Path) -> bool:
    folders = (root, root / "cifar-100-python")
    return any(all((folder / name).is_file() for name in ("train", "test", "meta")) for folder in folders)


def _parquet(root: Path) -> bool:
    depths = (_some(root, depth) for depth in (1, 2, 3))
    return root.suffix == ".parquet" or any(path.suffix == ".parquet" for found in depths for path in found)


def _npz(root: Path) -> bool:
    return root.suffix.lower() == ".npz" or next(root.glob("*.npz"), None) is not None


def _idx(root: Path) -> bool:
    return bool(idx.find(root))


def _folder(root: Path) -> bool:
    """Return whether an image lies two or more folders deep, among the first entries."""
    return any(
        path.suffix.lower() in folder_pictures.SUFFIXES for depth in (2, 3, 4) for path in _some(root, depth)
    )


def _some(root: Path, depth: int) -> Iterator[Path]:
    """Yield paths ``depth`` levels below ``root``, those of the first _SOME folders of a level only.

    Of a hundred thousand folders, opening all would take minutes.
    """
    folders = [root]
    for _ in range(depth - 1):
        below = (Path(entry.path) for folder in folders for entry in _inside(folder) if _is_folder(entry))
        folders = list(islice(below, _SOME))
    return (Path(entry.path) for folder in folders for entry in islice(_inside(folder), _SOME))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _inside(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from entries


def _other_file(root: Path) -> Path | None:
    """Return ``root``, or a file in it if there are only files, whose suffix is known but read by no source."""
    entries = [root] if root.is_file() else sorted(islice(root.iterdir(), _SOME))
    shown = [path for path in entries if not path.name.startswith(".")]
    if any(path.is_dir() for path in shown):
        return None  # a table or an archive may lie beside what is meant
    return next((path for path in shown if path.suffix.lower() in _FILES), None)


_BATCHES = ("train_data_batch_1", "val_data")
_TESTS = {
    "imagenet32": (_official, "the official batches of downsampled ImageNet"),
    "cifar10": (_cifar10, "the pickles of CIFAR-10"),
    "cifar100": (_cifar100, "the pickles of CIFAR-100"),
    "idx": (_idx, "idx files"),
    "parquet": (_parquet, "parquet files"),
    "npz": (_npz, "an .npz file"),
    "folder": (_folder, "folders of images"),
}
