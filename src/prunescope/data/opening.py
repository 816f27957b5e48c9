"""This module opens the Dataset that an experiment's data section describes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope import experiment
from prunescope.arguments import callable_of, instance, one_of, path_of, whole
from prunescope.data import splits
from prunescope.data.dataset import ArraySampler, Dataset, with_noise
from prunescope.data.prepared.preparation import STREAMS, prepare
from prunescope.data.prepared.reading import Prepared, open_prepared
from prunescope.data.raw_images import Labels, Progress, Raw
from prunescope.data.sources import folder, folder_layout, parquet
from prunescope.data.tasks.resolving import Task, resolve
from prunescope.data.transforms import value_range
from prunescope.errors import InputError
from prunescope.randomness import generator

_IN_FILE_ORDER = ("imagenet32", "imagenet64")
_ROWS = 20_000
_READERS = {"folder": folder.READER, "parquet": parquet.READER}


def open_dataset(
    data: experiment.Data,
    seed: int,
    *,
    progress: Progress | None = None,
    cache: str | Path | None = None,
    split_rule: str | None = None,
) -> Dataset:
    """Open the images and the task of ``data``, preparing them first unless they are prepared already.

    ``seed``: chooses the subset when ``data.fraction`` is below 1, and the training labels that
    ``data.label_noise`` replaces. ``progress``: called as progress(done, total, what) during preparation.
    ``cache``: the folder for prepared data, by default $PRUNESCOPE_CACHE or ~/.cache/prunescope.
    ``split_rule``: how validation images are chosen, "source order" or "stratified"; None: as suits the source.
    Raises InputError for files that are missing or wrong, options that contradict the data, a class without a
    training image, data without a validation image, and training images that are all the same. What the names and the
    labels of a source tell is refused before its images are read.
    """
    instance("data", data, experiment.Data, "the data of an experiment, as load(…).data")
    seed = whole("seed", seed)
    if progress is not None:
        callable_of("progress", progress)
    if cache is not None:
        path_of("cache", cache)
    if split_rule is not None:
        one_of("split_rule", split_rule, ("source order", "stratified"))
    if data.source in STREAMS:
        from prunescope.data.sources.streams import open_stream

        return open_stream(data)
    prepared = open_prepared(
        prepare(data, progress=progress, cache=cache, check=lambda raw: _check_subset(data, raw, seed))
    )
    task = resolve(data, prepared.classes)
    labels = task.labels[prepared.labels("train")]
    size, rows = _subset(data, len(labels), seed)
    _check_classes(labels[:size] if rows is None else labels[rows], task)
    labels = with_noise(labels, len(task.classes), data.label_noise, generator(seed, "label noise"))
    sampler = ArraySampler(
        prepared.images("train"), labels, size, rows, prepared.shape, data.translate, data.flip
    )
    extremes = _extremes(prepared, size, rows)
    if (extremes[0] == extremes[1]).all():
        raise InputError(
            f"data.source={data.source}, data.root={data.root}: all {size:,} training images used are the same: "
            "there is nothing to learn from"
        )
    low, high = value_range(*extremes, prepared.shape, data.translate, data.flip)
    pixels, numbers = prepared.images("validation"), prepared.labels("validation")
    if not len(pixels):
        raise InputError(f"data.root={data.root}: no validation image; some are needed to pick the best step")
    rule = splits.split_rule(data, len(prepared.classes), split_rule)
    if data.validation >= len(numbers):
        rule = splits.SOURCE_ORDER  # nothing is drawn where all are validation images
    validation, heldout = splits.split_images(pixels, task.labels[numbers], numbers, data.validation, rule)
    return Dataset(
        shape=prepared.shape,
        classes=task.classes,
        mean=_mean(prepared),
        live_pixels=low < high,
        train_size=size,
        validation=validation,
        heldout=heldout,
        fingerprint=_fingerprint(prepared, task),
        sampler=sampler,
        geometry=data.geometry,
        split_rule=rule,
        notes=_reader_notes(data, prepared)
        + prepared.notes
        + task.notes
        + splits.split_notes(validation, heldout, data.validation, task.classes),
    )


def _mean(prepared: Prepared) -> NDArray[np.float32]:
    """Return the mean image [n0], or zeros for float images, which are network input already."""
    mean = np.array(prepared.array("mean"), dtype=np.float32)
    return mean if prepared.images("train").dtype == np.uint8 else np.zeros_like(mean)


def _subset(data: experiment.Data, total: int, seed: int) -> tuple[int, Labels | None]:
    """Return the size of the training subset and its rows, None for the first ones."""
    size = int(data.fraction * total)
    if size < 1:
        raise InputError(f"data.fraction={data.fraction} of {total} training images leaves none")
    if size == total or data.source in _IN_FILE_ORDER:
        return size, None
    # Sorted rows let the images be read from the file in one direction.
    return size, np.sort(generator(seed, "subset").permutation(total)[:size])


def _check_subset(data: experiment.Data, raw: Raw, seed: int) -> None:
    """Raise InputError for a subset that is empty or lacks a class, as far as is known before images are read."""
    if not raw.train.total:
        return
    size, rows = _subset(data, raw.train.total, seed)
    if raw.train.labels is not None:
        task = resolve(data, raw.classes)
        labels = task.labels[raw.train.labels]
        _check_classes(labels[:size] if rows is None else labels[rows], task)


def _check_classes(labels: Labels, task: Task) -> None:
    """Raise InputError unless every class has a training image."""
    counts = np.bincount(labels, minlength=len(task.classes))
    empty = np.flatnonzero(counts == 0)
    if empty.size:
        raise InputError(
            f"class {empty[0]} ({task.classes[empty[0]]}) has no training image: "
            "every class needs one (see data.fraction and data.task)"
        )


def _extremes(prepared: Prepared, size: int, rows: Labels | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the least and the greatest value [n0] of each pixel over the training images used."""
    if rows is None and size == len(prepared.images("train")):
        return np.array(prepared.array("min")), np.array(prepared.array("max"))
    images = prepared.images("train")
    constant = prepared.array("min") == prepared.array("max")
    low, high = np.array(images[0 if rows is None else rows[0]]), np.array(prepared.array("min"))
    high = low.copy()
    for start in range(0, size, _ROWS):
        stop = min(start + _ROWS, size)
        chunk = images[start:stop] if rows is None else images[rows[start:stop]]
        low, high = np.minimum(low, chunk.min(axis=0)), np.maximum(high, chunk.max(axis=0))
        if ((low < high) | constant).all():
            break  # every pixel that can vary does, which the first piece of natural images mostly shows
    return low, high


def _reader_notes(data: experiment.Data, prepared: Prepared) -> tuple[str, ...]:
    """Return lines on a folder given as ``data.root`` that an earlier version prepared: what it may have wrong."""
    notes = []
    used = prepared.manifest["provenance"].get("reader", 1)
    if used < _READERS.get(prepared.source, 1):
        also = ", turned ones and hidden folders" if prepared.source == "folder" else " and turned ones"
        notes.append(
            f"data.root={data.root} was prepared by an earlier version, which read 16-bit, float and transparent "
            f"pictures{also} wrongly: if it may hold such, prepare it anew"
        )
        if prepared.source == "folder" and folder_layout.are_parts(prepared.classes):
            notes.append(
                f"its classes {', '.join(prepared.classes)} seem to be the training and the validation part, which the "
                "earlier version did not know by these names: prepare it anew"
            )
    if not prepared.is_counted:
        notes.append(
            "whether validation images are also training images was not counted by the version that prepared them: "
            f"prunescope data info {prepared.path} counts them"
        )
    return tuple(notes)


def _fingerprint(prepared: Prepared, task: Task) -> str:
    """Return a SHA-256 of the shape, the arrays and the labels of the task."""
    sums = {name: entry["sha256"] for name, entry in prepared.manifest["arrays"].items()}
    text = json.dumps([prepared.manifest["shape"], sums, task.labels.tolist()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
