"""What the parts share: the request, images, experiments, engines, and a watch over warnings."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gpu_parts.output import Output

PROGRAM = [sys.executable, "-c", "from prunescope.cli import main; main()"]


@dataclass(frozen=True)
class Request:
    """What was asked of a part; ``options`` are those of single parts, as sequence's data."""

    output: Output
    device: str = "cuda"
    tiny: bool = False
    seconds: float = 300.0
    options: Mapping[str, Any] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.seconds - (time.monotonic() - self.begun)


@dataclass(frozen=True)
class Layout:
    """The sizes of a network and of its images."""

    shape: tuple[int, int, int]
    hidden: tuple[int, ...]
    classes: int
    batch: int
    images: int = 4000

    @property
    def sizes(self) -> tuple[int, ...]:
        """The layer sizes (n0, …, nL)."""
        return (int(np.prod(self.shape)), *self.hidden, self.classes)


# The paper's, and one whose sizes no kernel likes.
LAYOUTS = {
    "paper": Layout((3, 32, 32), (1024, 1024, 1024), 1000, 1000, 20_000),
    "odd": Layout((3, 15, 15), (250, 131, 70), 7, 100),
}
TINY_LAYOUTS = {
    "paper": Layout((3, 6, 6), (48, 40, 32), 5, 50, 300),
    "odd": Layout((1, 5, 5), (11, 7), 3, 10, 300),
}


@dataclass(frozen=True)
class Work:
    """Images in memory and in a file, and what is made of them; ``folder`` is for files that are not kept."""

    request: Request
    folder: Path
    expected: dict[str, Any] = field(default_factory=dict)  # what the CPU computed, by what was asked

    def layout(self, name: str) -> Layout:
        """Return the layout of this name."""
        return (TINY_LAYOUTS if self.request.tiny else LAYOUTS)[name]

    def dataset(self, name: str) -> Any:
        """Return images in memory in a layout: noise with a brighter band for each class, and some dead pixels."""
        if name not in self._datasets:
            self._datasets[name] = _dataset(self.layout(name))
        return self._datasets[name]

    def experiment(self, name: str, **sections: Mapping[str, Any]) -> Any:
        """Return an experiment in a layout; sections are updated with those given."""
        from prunescope.experiment import build

        layout = self.layout(name)
        fields: dict[str, dict[str, Any]] = {
            "data": {"source": "npz", "root": str(self.images_file), "validation": 200},
            "network": {"hidden": list(layout.hidden)},
            "train": {"steps": 40, "batch": layout.batch, "eval_every": 10},
            "prune": {"levels": 2, "rewind_step": 5},
            "run": {"device": self.request.device, "engine": "torch"},
        }
        for section, values in sections.items():
            fields[section] = fields.get(section, {}) | dict(values)
        return build({"name": "check", **fields})

    def engine(self, name: str, experiment: Any, update_rule: Any = "kept") -> Any:
        """Return the engine on the device; on a CPU it is the one for devices, without a graph."""
        from prunescope.training import make_engine
        from prunescope.training.torch.device_engine import DeviceEngine

        data = self.dataset(name)
        if experiment.run.device == "cpu":
            return DeviceEngine(experiment, data.mean, data.live_pixels, update_rule)
        return make_engine(experiment, data.mean, data.live_pixels, update_rule)

    def reference_engine(self, name: str, experiment: Any, update_rule: Any = "kept") -> Any:
        """Return the torch engine on the CPU in float32."""
        from prunescope.training.torch.engine import TorchEngine

        data = self.dataset(name)
        train = experiment.train.model_copy(update={"precision": "float32"})
        run = experiment.run.model_copy(update={"device": "cpu"})
        plain = experiment.model_copy(update={"train": train, "run": run})
        return TorchEngine(plain, data.mean, data.live_pixels, update_rule=update_rule)

    @cached_property
    def images_file(self) -> Path:
        """An .npz file of small images for whole runs."""
        layout = self.layout("odd")
        path = self.folder / "images.npz"
        data = _pixels(layout, 1600, 0), _pixels(layout, 800, 1)
        arrays = {}
        for part, (pixels, labels) in zip(("train", "test"), data, strict=True):
            arrays[f"x_{part}"] = pixels.reshape(-1, *layout.shape).transpose(0, 2, 3, 1)
            arrays[f"y_{part}"] = labels
        np.savez(path, **arrays)
        return path

    @cached_property
    def _datasets(self) -> dict[str, Any]:
        return {}


def _pixels(layout: Layout, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % layout.classes
    n_in = layout.sizes[0]
    pixels = rng.integers(0, 200, (count, n_in), dtype=np.uint8)
    width = max(1, n_in // layout.classes)
    for label in range(layout.classes):
        pixels[labels == label, label * width : (label + 1) * width] += 40
    pixels[:, [0, 3, n_in - 1]] = 7
    return pixels, labels


def _dataset(layout: Layout) -> Any:
    from prunescope.data import Dataset, Images
    from prunescope.data.dataset import ArraySampler

    pixels, labels = _pixels(layout, layout.images, 0)
    validation, heldout = _pixels(layout, layout.images // 4, 1), _pixels(layout, 50, 2)
    return Dataset(
        shape=layout.shape,
        classes=tuple(map(str, range(layout.classes))),
        mean=pixels.mean(0).astype(np.float32),
        live_pixels=pixels.min(0) < pixels.max(0),
        train_size=len(pixels),
        validation=Images(*validation),
        heldout=Images(*heldout),
        fingerprint="0" * 64,
        sampler=ArraySampler(pixels, labels, len(pixels), None, layout.shape, False, False),
    )


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect what the package warns of within the context, and Python's warnings about captures, fallbacks and kernels."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    collector, logger = Collector(logging.WARNING), logging.getLogger("prunescope")
    logger.addHandler(collector)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield found
    finally:
        logger.removeHandler(collector)
        signs = ("captur", "eager", "fall", "graph", "triton")
        found += [str(w.message) for w in caught if any(sign in str(w.message).lower() for sign in signs)]


def toml(experiment: Any, path: Path) -> Path:
    """Write an experiment as a file of TOML that the command line reads."""
    lines = [f'name = "{experiment.name}"']
    for section, values in experiment.model_dump(exclude_unset=True).items():
        if isinstance(values, dict):
            lines.append(f"[{section}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items() if value is not None]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def start(arguments: Sequence[str | Path], folder: Path) -> subprocess.Popen[str]:
    """Start the command ``prunescope`` as a process of its own, in the group of this one, which is stopped as a whole."""
    environment = os.environ | {"PRUNESCOPE_CACHE": str(folder / "cache")}
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def called(arguments: Sequence[str | Path], folder: Path, seconds: float) -> tuple[int, str, str]:
    """Run the command ``prunescope`` to its end and return its exit code and what it wrote; stop it after ``seconds``."""
    process = start(arguments, folder)
    try:
        out, error = process.communicate(timeout=max(1.0, seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        out, error = process.communicate()
        error += f"\nstopped after {seconds:.0f} s"
    return process.returncode, out, error
