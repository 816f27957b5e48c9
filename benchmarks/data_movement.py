"""Measure what moving data costs: `python benchmarks/data_movement.py [IMAGES]`.

Needs 3 KB of disk an image, twice. Writes synthetic images 32x32 in the official npz form, prepares them, opens them,
makes the first step of a run on them, and compares the times of a level's validation passes, checkpoints and
observations with those of its steps.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from prunescope.data import open_dataset
from prunescope.data.prepared.preparation import prepare
from prunescope.experiment import Experiment, build
from prunescope.model import Ticket, initial, layer_sizes
from prunescope.runs.checkpoint import Checkpoint
from prunescope.runs.writer import open_run
from prunescope.training import make_engine
from prunescope.training.loop import Progress

BATCHES = 10


def write_official(folder: Path, images: int, validation: int) -> None:
    """Write random images as the official files: train_data_batch_1 … 10 and val_data.

    Each is a .npz with data [n, 3072], labels 1 … 1000 and mean.
    """
    rng = np.random.default_rng(0)
    for number in range(BATCHES + 1):
        count = images // BATCHES if number else validation
        data = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        facts = {"data": data, "labels": rng.permutation(np.arange(count) % 1000 + 1)}
        if number:
            facts["mean"] = data.mean(0)
        np.savez(folder / (f"train_data_batch_{number}.npz" if number else "val_data.npz"), **facts)


def timed(what: str, began: float) -> None:
    """Print the seconds since ``began``, and the most memory used so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{what:52} {time.perf_counter() - began:8.2f} s   peak {peak:6.0f} MB", flush=True)


def first_step(experiment: Experiment, folder: Path) -> None:
    """Time the start of a run, from opening the data to the end of the first update."""
    began = time.perf_counter()
    dataset = open_dataset(experiment.data, 0)
    timed("opening", began)
    engine = make_engine(experiment, dataset.mean, dataset.live_pixels)
    sizes = layer_sizes(3072, experiment.network.hidden, len(dataset.classes))
    engine.start(initial(sizes, "before", 0), Ticket.dense(sizes))
    engine.step(dataset.draw(0, 0, 0, experiment.train.batch))
    timed("opening, network, first step", began)


def shares(experiment: Experiment, folder: Path) -> None:
    """Print the times of a step, a validation pass and a checkpoint, dense and at 3 % density."""
    dataset = open_dataset(experiment.data, 0)
    engine = make_engine(experiment, dataset.mean, dataset.live_pixels)
    sizes = layer_sizes(3072, experiment.network.hidden, len(dataset.classes))
    model, ticket = initial(sizes, "before", 0), Ticket.dense(sizes)
    rng = np.random.default_rng(0)
    sparse = Ticket(tuple(type(m)(rng.random(m.array.shape) < 0.03) for m in ticket.masks), ticket.biases)
    for name, chosen, count in (("dense", ticket, 10), ("u = 3 %", sparse, 40)):
        engine.start(model, chosen)
        engine.step(dataset.draw(0, 0, 0, experiment.train.batch))
        began = time.perf_counter()
        for step in range(count):
            engine.step(dataset.draw(0, 0, step, experiment.train.batch))
        step = (time.perf_counter() - began) / count
        engine.evaluate(dataset.validation)
        began = time.perf_counter()
        engine.evaluate(dataset.validation)
        evaluation = time.perf_counter() - began
        with open_run(experiment, int(count), folder) as directory:
            best = engine.snapshot()
            progress = Progress(step=1, best=0.5, best_step=1, best_snapshot=best, kept_snapshot=best)
            began = time.perf_counter()
            directory.write_checkpoint(0, Checkpoint(progress, engine.state(), seconds=0.0))
            save = time.perf_counter() - began
        every = experiment.train.eval_every * step
        level = experiment.run.checkpoint_seconds
        print(
            f"{name:10} step {1e3 * step:6.1f} ms, validation {1e3 * evaluation:6.1f} ms = {evaluation / every:5.1%} of "
            f"{experiment.train.eval_every} steps, checkpoint {1e3 * save:6.1f} ms = {save / level:5.1%} of {level:.0f} s"
        )


def main(images: int) -> None:
    """Measure everything in a temporary folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["PRUNESCOPE_CACHE"] = str(folder / "cache")
        official = folder / "official"
        official.mkdir()
        write_official(official, images, 50_000)
        fields = {"name": "movement", "data": {"source": "imagenet32", "root": str(official)}}
        experiment = build(fields)
        began = time.perf_counter()
        prepare(experiment.data)
        timed(f"preparing {images:,} + 50,000 images", began)
        first_step(experiment, folder)
        shares(experiment, folder / "runs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_281_160)
