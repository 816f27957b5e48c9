"""This module finds or makes the prepared folder of an experiment's data section."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prunescope import experiment
from prunescope.arguments import callable_of, instance, path_of
from prunescope.data.prepared import rotation, writing
from prunescope.data.prepared.reading import is_prepared, open_prepared
from prunescope.data.raw_images import Progress, Raw
from prunescope.data.source_checks import check_no_root
from prunescope.data.sources import photographs
from prunescope.data.tasks.resolving import resolve
from prunescope.errors import InputError
from prunescope.files import check_folder

STREAMS = ("nlgp", "nlgp-clone")


def cache_folder() -> Path:
    """Return the folder for prepared data: $PRUNESCOPE_CACHE, else ~/.cache/prunescope."""
    named = os.environ.get("PRUNESCOPE_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "prunescope"


def prepare(
    data: experiment.Data,
    out: str | Path | None = None,
    progress: Progress | None = None,
    cache: str | Path | None = None,
    check: Callable[[Raw], None] | None = None,
) -> Path:
    """Convert the source of ``data`` once and return the prepared folder.

    ``out``: the folder to write. Without it the folder is one in ``cache`` (by default ``cache_folder()``), named by
    the source and by a digest of its options and of the paths, sizes and times of its files.
    ``data.root``: the source's files, or a folder that is prepared already.
    ``progress``: called as progress(done, total, what) while images are read and files hashed.
    ``check``: called with the source before any image of it is read.
    Raises InputError for streams, for missing or damaged files, for a prepared folder made with other options, and,
    before images are read, for a task that the classes do not allow or that leaves one class.
    """
    instance("data", data, experiment.Data, "the data of an experiment, as load(…).data")
    for name, function in (("progress", progress), ("check", check)):
        if function is not None:
            callable_of(name, function)
    store = path_of("cache", cache) if cache not in (None, "") else cache_folder()
    if data.source in STREAMS:
        raise InputError(f"data.source={data.source} is drawn as it is needed: there is nothing to prepare")
    if out is not None:
        check_folder(
            path_of("out", out), "--out"
        )  # a set that is to be turned is prepared before it is written there
    if data.root and is_prepared(root := data.root_path):
        base = _matching(root, data)
        found = open_prepared(base)
        check_task(data, found.classes)
        if found.parameters.get("rotate", 0.0) == data.rotate:
            if out is not None:
                raise InputError(f"data.root={data.root} is already prepared")
            return base
    else:
        raw = open_raw(data)
        check_task(data, raw.classes)
        if check:
            check(raw)
        target = Path(out) if out is not None and not data.rotate else store / prepared_name(raw)
        base = writing.write(raw, target, progress)
    if not data.rotate:
        return base
    turned = rotation.rotated(open_prepared(base), data.rotate)
    return writing.write(turned, Path(out) if out is not None else store / prepared_name(turned), progress)


def check_task(data: experiment.Data, classes: Sequence[str]) -> None:
    """Raise InputError for a task that the source's ``classes`` do not allow, and for one that leaves one class."""
    task = resolve(data, classes)
    if len(task.classes) < 2:
        raise InputError(
            f"data.task={data.task} on {len(classes)} class{'es' * (len(classes) != 1)} leaves one, "
            f"{task.classes[0]}: a network needs at least two to tell apart"
        )


def find_prepared(data: experiment.Data, cache: str | Path | None = None) -> Path | None:
    """Return the folder in which the source of ``data`` is prepared already, before any rotation, or None.

    The search reads no image and writes nothing.
    """
    if data.source in STREAMS:
        return None
    if data.root and is_prepared(data.root_path):
        return data.root_path
    try:
        folder = (Path(cache) if cache else cache_folder()) / prepared_name(open_raw(data))
    except InputError:
        return None
    return folder if is_prepared(folder) else None


def open_raw(data: experiment.Data) -> Raw:
    """Open the raw files of ``data`` with the reader of its source.

    Raises InputError for streams, for files that are missing, and for what the reader refuses.
    """
    if data.source == "photographs":
        check_no_root(data)
        return photographs.read(data.size, data.patches, data.validation + data.heldout)
    root = _root(data)
    try:
        return _read(data, root)
    except OSError as error:  # what may not be read, or goes while it is read
        raise InputError(f"{error.filename or root}: {error.strerror or error}") from None


def _read(data: experiment.Data, root: Path) -> Raw:
    """Open the raw files in ``root``, after a check that they are of the source asked for."""
    from prunescope.data.sources import cifar, folder, idx, kinds, npz, official, parquet, series

    kinds.check(root, data.source)
    match data.source:
        case "imagenet32" | "imagenet64":
            return official.read(root, int(data.source.removeprefix("imagenet")))
        case "parquet":
            return parquet.read(root, data)
        case "cifar10" | "cifar100":
            return cifar.read(root, int(data.source.removeprefix("cifar")))
        case "folder":
            return folder.read(root, data.size)
        case "npz":
            return npz.read(root, data) if data.geometry == "image" else series.read(root, data)
        case "idx":
            return idx.read(root, gaps=data.task != "classes")
    raise InputError(f"data.source={data.source} has no files to read")


def check_root(data: experiment.Data) -> None:
    """Raise InputError for a ``data.root`` that does not exist, or that is given where there is nothing to read.

    None is no error: an experiment can be planned before its images are there.
    """
    if not data.root:
        return
    if data.source in STREAMS or (data.source == "photographs" and not is_prepared(data.root_path)):
        check_no_root(data)
    elif data.source != "photographs":
        _root(data)


def _root(data: experiment.Data) -> Path:
    """Return ``data.root``; raise InputError unless it exists."""
    if not data.root:
        raise InputError(f"data.source={data.source} needs data.root=FOLDER, the place of its files")
    root = data.root_path
    if not root.exists():
        raise InputError(f"data.root={data.root}: no such file or folder")
    if not root.is_file() and not root.is_dir():
        raise InputError(
            f"data.root={data.root}: neither a file nor a folder: a pipe or a device is not read"
        )
    return root


def _matching(root: Path, data: experiment.Data) -> Path:
    """Return the prepared folder ``root``; raise InputError unless it holds what ``data`` asks for."""
    found = open_prepared(root)
    if found.source != data.source:
        raise InputError(f"{root} was prepared from {found.source}, but data.source is {data.source}")
    wanted: dict[str, Any] = {}
    if data.source == "photographs":
        wanted = {"size": data.size, "patches": data.patches, "validation": data.validation + data.heldout}
    if data.source == "folder":
        wanted = {"size": data.size}
    if found.parameters.get("geometry", "image") != data.geometry:
        kept = found.parameters.get("geometry", "image")
        raise InputError(f"{root} was prepared with data.geometry={kept}, not {data.geometry}")
    for name in ("image_column", "label_column", "train_split", "validation_split"):
        kept, asked = found.parameters.get(name, ""), getattr(data, name)
        if kept != asked:
            raise InputError(f"{root} was prepared with data.{name}={kept!r}, not {asked!r}")
    for name, value in wanted.items():
        if found.parameters.get(name) != value:
            raise InputError(f"{root} was prepared with {name} {found.parameters.get(name)}, not {value}")
    turned = found.parameters.get("rotate", 0.0)
    if turned not in (0.0, data.rotate):
        raise InputError(f"{root} was prepared with data.rotate={turned}, not {data.rotate}")
    return root


def prepared_name(raw: Raw) -> str:
    """Return the folder's name in the cache: the source and a digest of what it is made from."""
    folders: dict[Path, Path] = {}
    stats = [_stamp(path, folders) for path in raw.files]
    parameters = {key: value for key, value in raw.parameters.items() if key != rotation.HISTORY}
    made_from: list[Any] = [writing.FORMAT, raw.source, raw.shape, parameters, stats]
    if raw.reader > 1:  # readers that never changed keep the names they gave
        made_from.append(raw.reader)
    text = json.dumps(made_from, sort_keys=True)
    return f"{raw.source}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _stamp(path: Path, folders: dict[Path, Path]) -> tuple[str, int, int]:
    """Return the resolved path, the size and the time of change of a file.

    ``folders``: the resolved paths of folders seen so far. Resolving a million files one by one takes a minute.
    """
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        status, place = path.stat(), path.resolve()
    else:
        parent = path.parent
        place = folders.setdefault(parent, folders.get(parent) or parent.resolve()) / path.name
    return str(place), status.st_size, status.st_mtime_ns
