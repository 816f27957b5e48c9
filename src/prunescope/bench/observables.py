"""Measure what observables cost: locality and fan-in of a first-layer mask, and all that a level's end measures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.bench.problem import make_experiment, make_problem, random_mask, random_ticket
from prunescope.bench.sizes import Sizes
from prunescope.bench.timing import Turn, alternate, seconds_of, turn_of
from prunescope.mask import Mask
from prunescope.model import initial
from prunescope.observables import fan_in, locality

if TYPE_CHECKING:
    from prunescope.data import Dataset
    from prunescope.training.engine import Engine
    from prunescope.training.levels import Setting


def measure_observables(sizes: Sizes, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return rows {name, u, seconds, …} of exact S(d) and of fan-in of random masks [units, C·H·W]."""
    say("observables")
    n_in = int(np.prod(sizes.shape))
    masks = {u: random_mask(sizes.observed_units, n_in, u) for u in sizes.observed_densities}
    found = []
    for name, observe in (("locality", lambda mask: locality(mask, sizes.shape)), ("fan-in", fan_in)):
        turns = {f"{u:g}": _turn(observe, mask, sizes.turn_seconds) for u, mask in masks.items()}
        timings = alternate(turns, sizes.rounds)
        found += [{"name": name, "u": u} | timings[f"{u:g}"].to_dict() for u in masks]
    return found


def _turn(observe: Callable[[Mask], object], mask: Mask, least: float) -> Turn:
    return turn_of(lambda: seconds_of(lambda: observe(mask)), least)


def measure_level_end(sizes: Sizes, device: str, rounds: int = 3) -> list[dict[str, Any]]:
    """Return rows {u, piece, seconds} of the end of a level, by its pieces and ``all`` of them, on a torch device.

    What is timed is what a run does after the last step of a level of random masks of each density: the model comes to
    the host, is measured, and is written. Seconds are the least of ``rounds`` ends, after one that is not timed.
    """
    from prunescope.training import make_engine
    from prunescope.training.levels import Setting

    dataset = _images(sizes)
    experiment = make_experiment(sizes, "auto" if device == "cpu" else "torch", 0)
    placed = experiment.run.model_copy(update={"device": device})
    experiment = experiment.model_copy(update={"run": placed})
    layers = (len(dataset.mean), *sizes.hidden, sizes.end_classes)
    setting = Setting(experiment, layers, 0, dataset)
    engine = make_engine(experiment, dataset.mean, dataset.live_pixels)
    found: list[dict[str, Any]] = []
    for u in sizes.end_densities:
        ends = [_level_end(setting, engine, u) for _ in range(rounds + 1)][1:]
        found += [{"u": u, "piece": name, "seconds": min(end[name] for end in ends)} for name in ends[0]]
    return found


def _level_end(setting: Setting, engine: Engine, density: float) -> dict[str, float]:
    """Return the seconds of the pieces of a level's end, and of all together."""
    from prunescope.runs.arrays import write_arrays
    from prunescope.runs.checkpoint import Checkpoint
    from prunescope.runs.columns import LevelEnd
    from prunescope.runs.level_measurements import level_observations, level_rows
    from prunescope.runs.piece_times import collecting_times, piece
    from prunescope.training.engine import Score
    from prunescope.training.levels import Level
    from prunescope.training.loop import Evaluation, Progress, Trained

    experiment, dataset = setting.experiment, setting.dataset
    assert dataset is not None
    steps, ticket = experiment.train.steps, random_ticket(setting.sizes, density)
    start = initial(setting.sizes, experiment.network.norm, 0)
    engine.start(start, ticket)
    engine.step(dataset.draw(0, 0, 0, experiment.train.batch))
    last = Evaluation(1, steps, 0.0, Score(len(dataset.validation), 0, 0, 0.0))
    level = Level(1, ticket, start, steps, density)
    with tempfile.TemporaryDirectory() as folder, collecting_times() as times:
        with piece("all"):
            with piece("model to the host"):
                model = engine.model()
            with piece("checkpoint"):
                saved = Checkpoint(Progress(), engine.state(), 0.0).to_arrays()
                write_arrays(Path(folder) / "checkpoint", saved)
            trained = Trained(model, None, 0.0, steps - 1, model, last, ticket, ticket)
            observed = level_observations(level, trained, setting, engine)
            level_rows(
                LevelEnd(
                    level=level,
                    trained=trained,
                    dataset=dataset,
                    observed=observed,
                    seconds=0.0,
                    engine=engine.name,
                )
            )
            with piece("files"):
                for name, arrays in (("masks", ticket.to_arrays()), ("weights", model.to_arrays())):
                    write_arrays(Path(folder) / name, arrays)
                write_arrays(Path(folder) / "observations", observed)
        return dict(times)


def _images(sizes: Sizes) -> Dataset:
    """Return a data set of uniform noise with as many images as the sizes say."""
    from prunescope.data import Dataset, Images
    from prunescope.data.dataset import ArraySampler

    def drawn(count: int) -> Images:
        problem = make_problem(replace(sizes, images=count), sizes.end_classes)
        return Images(problem.pixels, problem.labels)

    train = make_problem(sizes, sizes.end_classes)
    return Dataset(
        shape=sizes.shape,
        classes=tuple(map(str, range(sizes.end_classes))),
        mean=train.mean,
        live_pixels=np.ones(len(train.mean), np.bool_),
        train_size=len(train.labels),
        validation=drawn(sizes.end_validation),
        heldout=drawn(sizes.end_heldout),
        fingerprint="0" * 64,
        sampler=ArraySampler(train.pixels, train.labels, len(train.labels), None, sizes.shape, False, False),
    )
