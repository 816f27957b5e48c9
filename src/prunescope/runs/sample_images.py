"""The images of an estimate: those of the experiment where they can be read at once, else random ones of their shape."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prunescope.errors import InputError
from prunescope.experiment import Data
from prunescope.mask import ImageShape
from prunescope.runs import clock

if TYPE_CHECKING:
    from prunescope.data import Dataset
    from prunescope.data.raw_images import Chunk, Raw

# What the official files hold: shape, classes, training images and images of the validation part.
OFFICIAL: dict[str, tuple[ImageShape, int, int, int]] = {
    "imagenet32": ((3, 32, 32), 1000, 1_281_167, 50_000),
    "imagenet64": ((3, 64, 64), 1000, 1_281_167, 50_000),
    "cifar10": ((3, 32, 32), 10, 50_000, 10_000),
    "cifar100": ((3, 32, 32), 100, 50_000, 10_000),
}
UNKNOWN = ((3, 32, 32), 200, 100_000, 10_000)
POOL = 4000  # random images
# How much of a raw source is prepared to know its pace. Photographs need a second piece, which tells the setting up from
# the reading.
PIECES, ENOUGH_SECONDS = 2, 4.0
SPLIT_SEED = 0

_paces: dict[str, tuple[float, float]] = {}  # of sources: see _preparation_seconds


@dataclass(frozen=True, eq=False)
class SampleImages:
    """A data set to time steps with, and what is known of the whole one.

    ``dataset``: the experiment's, or random images of its shape. ``training``, ``validation`` and ``heldout``: the numbers of
    images that the whole one has; ``training`` is 0 where each batch has images of its own. ``opening``: the seconds that every run takes to open it. ``preparing``: those that preparing it
    takes once, and ``prepared_bytes`` what that writes to the cache. ``assumed``: what was not known.
    """

    dataset: Dataset
    validation: int
    heldout: int
    opening: float
    preparing: float = 0.0
    prepared_bytes: int = 0
    assumed: tuple[str, ...] = ()
    training: int = 0


def sample_images(data: Data) -> SampleImages:
    """Return the images of ``data``: the real ones where they are drawn or prepared, else random ones.

    A raw source that can be read is opened for its shape and classes, and its first piece is prepared to know how long
    all will take. Nothing is written but to a temporary folder.
    """
    from prunescope.data.prepared.preparation import STREAMS, find_prepared
    from prunescope.data.prepared.reading import open_prepared

    try:
        folder = find_prepared(data)
        ready = folder is not None and open_prepared(folder).parameters.get("rotate", 0.0) == data.rotate
        if ready or data.source in STREAMS:
            return _opened(data)
        if folder is not None:
            return _to_be_turned(data, folder)
        return _to_be_prepared(data)
    except InputError as error:
        return _assumed(data, str(error))


def _opened(data: Data) -> SampleImages:
    from prunescope.data import open_dataset
    from prunescope.runs.correct_images import split_digest

    began = clock.now()
    dataset = open_dataset(data, SPLIT_SEED)
    split_digest(dataset)
    seconds = clock.now() - began
    batch = dataset.draw(0, 0, 0, 2)
    training = len(batch.pixels) if len(batch.pixels) > len(batch.indices) else 0
    return SampleImages(dataset, len(dataset.validation), len(dataset.heldout), seconds, training=training)


def _to_be_turned(data: Data, folder: Path) -> SampleImages:
    """Return the images before their rotation, whose time is not known."""
    found = _opened(data.model_copy(update={"rotate": 0.0}))
    text = f"no time for rotating the images of {folder} once"
    return replace(found, assumed=(text,))


def _to_be_prepared(data: Data) -> SampleImages:
    from prunescope.data.prepared.preparation import open_raw

    raw = open_raw(data)
    known = OFFICIAL.get(data.source, (raw.shape, 0, raw.train.total, raw.validation.total))
    train, rest = raw.train.total or known[2], raw.validation.total or known[3]
    made_from = json.dumps([raw.source, raw.shape, raw.parameters, list(map(str, raw.files))], sort_keys=True)
    if (
        made_from not in _paces
    ):  # What is done to images when they are drawn does not matter to their preparation.
        _paces[made_from] = _preparation_seconds(raw)
    setup, each = _paces[made_from]
    turned = 2 if data.rotate else 1  # Turned images are written from those prepared first.
    size = int(np.prod(raw.shape)) * np.dtype(raw.dtype).itemsize
    return SampleImages(
        dataset=_random(data, raw.shape, _classes(data, len(raw.classes)), raw.dtype),
        validation=min(rest, data.validation),
        heldout=max(rest - data.validation, 0),
        opening=0.1,
        preparing=turned * (2 * setup + (train + rest) * each),  # Both splits are set up.
        prepared_bytes=turned * (train + rest) * (size + 8),
        training=0 if data.translate or data.flip or raw.dtype != "|u1" else train,
    )


def _assumed(data: Data, why: str) -> SampleImages:
    """Return random images of a source that cannot be opened here, for the reason ``why``."""
    shape, classes, train, rest = OFFICIAL.get(data.source, UNKNOWN)
    text = f"images {'x'.join(map(str, shape))} of {classes} classes that are prepared already ({why})"
    dataset = _random(data, shape, _classes(data, classes), "|u1")
    held = max(rest - data.validation, 0)
    training = 0 if data.translate or data.flip else train
    return SampleImages(dataset, min(rest, data.validation), held, 0.0, assumed=(text,), training=training)


def _classes(data: Data, classes: int) -> int:
    """Return the number of classes of the task, on a source of so many."""
    kind, _, rest = data.task.partition(":")
    if kind in ("modulo", "random"):
        return int(rest)
    return 10 if kind.startswith("semantic") else classes


def _random(data: Data, shape: ImageShape, classes: int, dtype: str) -> Dataset:
    """Return POOL random images, which are drawn and transformed as ``data`` says."""
    from prunescope.data import Dataset
    from prunescope.data.dataset import ArraySampler, Images

    n_in, rng = int(np.prod(shape)), np.random.Generator(np.random.Philox(key=0))
    bytes_ = rng.integers(0, 256, (POOL, n_in), dtype=np.uint8)
    pixels = bytes_ if np.dtype(dtype) == np.uint8 else (bytes_ / 128 - 1).astype(np.float32)
    labels = rng.integers(0, classes, POOL)
    return Dataset(
        shape=shape,
        classes=tuple(map(str, range(classes))),
        mean=np.full(n_in, 127 if pixels.dtype == np.uint8 else 0, np.float32),
        live_pixels=np.ones(n_in, np.bool_),
        train_size=POOL,
        validation=Images(pixels, labels),
        heldout=Images(pixels, labels),
        fingerprint="",
        sampler=ArraySampler(pixels, labels, POOL, None, shape, data.translate, data.flip),
        geometry=data.geometry,
    )


def _preparation_seconds(raw: Raw) -> tuple[float, float]:
    """Measure the seconds until the first piece of images is read, beyond those of any piece, and those of an image.

    Up to PIECES pieces are read and written to a temporary folder; the source's files are not hashed.
    """
    from prunescope.data.prepared.writing import write
    from prunescope.data.raw_images import Split

    pieces: list[Chunk] = []
    times = []
    began = clock.now()
    for piece in islice(raw.train.chunks(), PIECES):
        pieces.append(piece)
        times.append(clock.now() - began)
        if sum(times) > ENOUGH_SECONDS:
            break
        began = clock.now()
    if not pieces:
        return 0.0, 0.0
    reading = times[-1] / len(pieces[-1][1])
    setup = max(times[0] - reading * len(pieces[0][1]), 0.0)
    images, labels = pieces[-1]
    # No image may be in both splits: equal ones are compared byte by byte, which those of a real source seldom are.
    rows = np.unique(images, axis=0, return_index=True)[1]
    halves = [(images[part], labels[part]) for part in np.array_split(np.sort(rows), 2)]
    if min(len(part) for _, part in halves) == 0:
        return setup, reading
    train, validation = (Split(partial(iter, [half])) for half in halves)
    with tempfile.TemporaryDirectory() as folder:
        began = clock.now()
        write(replace(raw, train=train, validation=validation, files=()), Path(folder) / "images")
        writing = (clock.now() - began) / len(rows)
    return setup, reading + writing
