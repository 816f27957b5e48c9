"""What methods do besides training: run with `pytest tests/runs/trials/test_method_work.py`."""

import pytest

import tiny
from prunescope.pruning.running import _facts
from prunescope.runs.sample_images import sample_images
from prunescope.runs.trials.method_work import methods_work


@pytest.mark.parametrize(
    ("prune", "before", "inside"),
    [
        ({}, 1, 0),
        ({"method": "synflow", "density": 0.1, "rounds": 12}, 3, 0),  # measured with 4 of its rounds
        ({"method": "snip", "density": 0.1, "score_images": 5000}, 5, 0),  # with 1000 images
        ({"method": "snip", "density": 0.1, "score_images": 50}, 1, 0),
        ({"method": "rigl", "density": 0.1, "update_every": 10}, 1, 1),
    ],
)
def test_what_methods_do_besides_training_is_timed(ticks, prune, before, inside):
    experiment = tiny.experiment(prune=prune)
    found = methods_work(experiment, sample_images(experiment.data), _facts(experiment))
    assert found == (pytest.approx(before), pytest.approx(inside))
