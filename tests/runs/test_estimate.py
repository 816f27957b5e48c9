"""prunescope.runs.estimate: run with `pytest tests/runs/test_estimate.py`."""

import numpy as np
import pytest

import tiny
from prunescope.pruning.methods.progressive import ASSUMED_DEEPER_LEVELS
from prunescope.pruning.running import estimate
from prunescope.pruning.traits import ASSUMED_LEVELS
from prunescope.runs.estimate import DENSITIES


@pytest.fixture(autouse=True)
def steps_cost_their_density(monkeypatch):
    """A step takes 0.5 s and what its kept weights cost, 10 s when dense: linear in log u between DENSITIES."""
    seconds = tuple(0.5 + 9.5 * u for u in DENSITIES)
    monkeypatch.setattr("prunescope.runs.estimate._step_seconds", lambda *of: seconds)


def an_experiment(hidden=(10, 8), **prune):
    return tiny.experiment(
        network={"hidden": list(hidden)}, train={"steps": 100, "eval_every": 100}, prune=prune
    )


def test_levels_cost_what_their_density_does():
    cost = estimate(an_experiment(rate=0.7, levels=3))
    at = an_experiment()
    evaluations = 1 + at.data.validation / at.train.batch / 3 / at.train.eval_every
    assert cost.level_seconds[:2] == pytest.approx((1000 * evaluations, 335 * evaluations))  # u = 1, 0.3
    assert np.all(np.diff(cost.level_seconds) < 0)
    assert cost.seconds == sum(cost.level_seconds)


def test_the_time_left_is_that_of_the_levels_left():
    cost = estimate(an_experiment(rate=0.7, levels=3))
    second, third, fourth = cost.level_seconds[1:]
    assert cost.seconds_after(0) == cost.seconds
    assert cost.seconds_after(1) == pytest.approx(second + third + fourth)
    assert cost.seconds_after(1, 0.25) == pytest.approx(0.75 * second + third + fourth)
    assert cost.seconds_after(4) == cost.seconds_after(9) == 0


def test_layer_by_layer_only_one_layer_is_pruned_at_a_time():
    hidden = (4, 64, 64)  # 12288, 256 and 4096 weights
    cost = estimate(an_experiment(hidden=hidden, method="progressive", rate=0.5, levels=None))
    assert cost.levels == ASSUMED_LEVELS + 2 * ASSUMED_DEEPER_LEVELS
    assert any("each other" in text for text in cost.assumed)
    uniform = estimate(an_experiment(hidden=hidden, rate=0.5, levels=2))
    dense, half, quarter = uniform.level_seconds
    after_first = cost.level_seconds[ASSUMED_LEVELS]  # 4352 of 16640 weights are left
    assert cost.level_seconds[0] == dense
    assert quarter < after_first < half
    assert after_first == pytest.approx(quarter, rel=0.1)
    assert cost.level_seconds[ASSUMED_LEVELS + ASSUMED_DEEPER_LEVELS] > 0.9 * after_first  # a small layer
    assert cost.level_seconds[-1] < 0.2 * after_first


def test_layer_by_layer_ends_after_the_levels_asked_for():
    assert estimate(an_experiment(method="progressive", levels=5)).levels == 5
