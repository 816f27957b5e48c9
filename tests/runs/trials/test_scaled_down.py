"""Smaller experiments to take times with: run with `pytest tests/runs/trials/test_scaled_down.py`."""

import pytest

from prunescope.experiment import load
from prunescope.runs.trials.scaled_down import TIMED_WORK, timed


def test_times_of_a_huge_network_are_those_of_a_small_one_in_proportion():
    usual = timed(load("paper/main"), 3072, 1000)
    assert (usual.experiment, usual.step, usual.image, usual.assumed) == (load("paper/main"), 1, 1, ())
    huge = load("quickstart", ["network.hidden=[100000,100000]", "train.batch=1000000"])
    small = timed(huge, 3072, 10)
    hidden, batch = small.experiment.network.hidden, small.experiment.train.batch
    weights = 3072 * hidden[0] + hidden[0] * hidden[1] + hidden[1] * 10
    assert weights * batch <= TIMED_WORK
    whole = 3072 * 10**5 + 10**10 + 10**6
    assert small.image == pytest.approx(whole / weights)
    assert small.step == pytest.approx(whole * 10**6 / (weights * batch))
    assert "in proportion" in small.assumed[0]
