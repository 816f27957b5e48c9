"""Several runs at a time: run with `pytest tests/runs/trials/test_crowding.py`."""

import tiny
from prunescope.runs.sample_images import sample_images
from prunescope.runs.trials.crowding import crowding


def test_runs_at_a_time_are_not_faster_than_one():
    experiment = tiny.experiment()
    assert crowding(experiment, sample_images(experiment.data), 2, "kept") >= 1
