"""Images, data sets and experiments small enough to train in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prunescope.data import Dataset, Images
from prunescope.data.dataset import ArraySampler
from prunescope.experiment import Experiment, build

SHAPE = (3, 6, 6)
CLASSES = 3
DEAD_PIXELS = (0, 5, 40)


def images(count: int, seed: int, dead: tuple[int, ...] = DEAD_PIXELS) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [count, n0] and labels: noise with a bright spot per class; ``dead`` pixels never change."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    pixels = rng.integers(0, 200, (count, *SHAPE))
    for label in range(CLASSES):
        pixels[labels == label, :, 2 * label : 2 * label + 2, 1:4] += 40
    pixels = pixels.reshape(count, int(np.prod(SHAPE))).astype(np.uint8)
    pixels[:, list(dead)] = 7
    return pixels, labels


def dataset(train: int = 300, validation: int = 120, heldout: int = 60) -> Dataset:
    """A Dataset in memory, with DEAD_PIXELS."""
    pixels, labels = images(train, 0)
    seen, heard = images(validation, 1), images(heldout, 2)
    return Dataset(
        shape=SHAPE,
        classes=tuple("abc"),
        mean=pixels.mean(0).astype(np.float32),
        live_pixels=pixels.min(0) < pixels.max(0),
        train_size=train,
        validation=Images(*seen),
        heldout=Images(*heard),
        fingerprint="0" * 64,
        sampler=ArraySampler(pixels, labels, train, None, SHAPE, False, False),
    )


def fields(name: str = "tiny", **sections: dict[str, Any]) -> dict[str, Any]:
    """Fields of a tiny experiment, sections updated with those given."""
    base: dict[str, Any] = {
        "name": name,
        "data": {"source": "npz", "validation": 60},
        "network": {"hidden": [12, 10]},
        "train": {"steps": 30, "batch": 20, "eval_every": 10},
        "prune": {"levels": 3, "rewind_step": 5},
        "run": {"threads": 1},
    }
    return base | {key: base.get(key, {}) | values for key, values in sections.items()}


def experiment(name: str = "tiny", **sections: dict[str, Any]) -> Experiment:
    """A tiny experiment."""
    return build(fields(name, **sections))


def write_images(path: Path, train: int = 300, validation: int = 120, seed: int = 0) -> Path:
    """The images of ``dataset`` as an .npz file that data.source=npz reads."""
    (x, y), (held, held_labels) = images(train, seed), images(validation, seed + 1)

    def as_images(rows: np.ndarray) -> np.ndarray:
        return rows.reshape(-1, *SHAPE).transpose(0, 2, 3, 1)

    np.savez(path, x_train=as_images(x), y_train=y, x_test=as_images(held), y_test=held_labels)
    return path
