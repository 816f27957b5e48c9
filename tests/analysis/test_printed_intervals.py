"""What ``compare`` prints of simulated runs whose truth is known: run with `pytest tests/analysis/test_printed_intervals.py`."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars
import pytest

from prunescope.analysis.comparison import compare
from prunescope.experiment import Experiment, Prune
from prunescope.runs.columns import schema
from prunescope.runs.record import RunRecord

TABLES, SEEDS, LEVELS, RATE = 500, 4, 18, 0.3
NOISE = 0.004
IMP, RANDOM = (Experiment(name=name, prune=Prune(method=name, rate=RATE)) for name in ("imp", "random"))


@dataclass(frozen=True)
class SimulatedRun:
    """A run in memory with the attributes that the analysis reads."""

    seed: int
    accuracies: np.ndarray
    heldout: np.ndarray
    experiment: Experiment = IMP
    status: str = "done"
    about: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    split_rule: str = "source order"

    @property
    def record(self) -> RunRecord:
        return RunRecord(name=IMP.name, identity=IMP.identity, seed=self.seed, status=self.status)

    @property
    def path(self) -> Path:
        return Path(self.experiment.name) / f"seed-{self.seed}"

    @cached_property
    def table(self) -> polars.DataFrame:
        levels = range(len(self.accuracies))
        rows = [
            {
                "level": n,
                "layer": 1,
                "nominal_density": (1 - RATE) ** n,
                "best_val_accuracy": a,
                "heldout_accuracy": h,
            }
            for n, a, h in zip(levels, self.accuracies, self.heldout, strict=True)
        ]
        kinds = {name: kind for name, kind in schema().items() if name in rows[0]}
        return polars.DataFrame(rows, schema=kinds)

    @property
    def levels(self) -> list[int]:
        return list(range(len(self.accuracies)))


def curve(peak: float) -> np.ndarray:
    """Return accuracies with a peak at a level, a whole number or not, that is high above the noise."""
    return 0.8 - 0.1 * ((np.arange(LEVELS) - peak) / LEVELS) ** 2


def simulated(rng, means, experiment=IMP):
    noise = NOISE * rng.standard_normal((2, SEEDS, LEVELS))
    return [
        SimulatedRun(seed, means + noise[0, seed], means + noise[1, seed], experiment)
        for seed in range(SEEDS)
    ]


def rows(runs, **options):
    return {(row["quantity"], row["group"]): row for row in compare(runs, **options).rows()}


@pytest.fixture(scope="module")
def printed():
    """``compare`` of many tables: iterative pruning with a sharp peak at level 9, and random pruning without one."""
    rng = np.random.Generator(np.random.Philox(11))
    means = np.where(np.arange(LEVELS) == 9, 0.85, 0.80)
    return [
        rows([*simulated(rng, means), *simulated(rng, np.full(LEVELS, 0.79), RANDOM)], baseline="random")
        for _ in range(TABLES)
    ]


def share(found, truth, low="low", high="high"):
    return np.mean([row[low] <= truth <= row[high] for row in found])


@pytest.mark.parametrize(("quantity", "truth"), [("heldout_accuracy", 0.85), ("dense_accuracy", 0.80)])
def test_the_interval_of_a_mean_covers_it(printed, quantity, truth):
    assert 0.93 <= share([table[quantity, "IMP"] for table in printed], truth) <= 0.97


def test_the_interval_of_a_difference_covers_it(printed):
    found = [table["dense_accuracy", "IMP"] for table in printed]
    assert {row["paired"] for row in found} == {False}
    assert 0.93 <= share(found, 0.01, "difference_low", "difference_high") <= 0.97


def test_a_gain_is_unbiased_where_there_is_one_and_where_all_levels_are_equal(printed):
    for group, truth in (("IMP", 0.05), ("random", 0.0)):
        gains = np.array([table["gain", group]["mean"] for table in printed])
        assert {table["gain", group]["low"] for table in printed} == {None}
        assert abs(gains.mean() - truth) < 3 * gains.std() / np.sqrt(TABLES)
    best = np.mean([table["best_accuracy", "random"]["mean"] for table in printed])
    assert best - 0.79 > 1.5 * NOISE  # what a gain at one's own best level would be made of


def test_the_interval_of_a_level_on_the_grid_covers_a_peak_between_levels():
    """The interval covers at least as often as it states, since a peak lies at most half a step from a level."""
    rng = np.random.Generator(np.random.Philox(12))
    truth = (1 - RATE) ** 9.4
    found = [rows(simulated(rng, curve(9.4)))["best_u", "imp"] for _ in range(TABLES)]
    known = [row for row in found if not row["alike"]]
    assert len(known) > 0.9 * TABLES
    assert share(known, truth) >= 0.93
