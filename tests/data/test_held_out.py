"""Images that are held out for validation: run with `pytest tests/data/test_held_out.py`."""

import hashlib

import numpy as np

from prunescope.data.sources.held_out import held_out


def test_the_choice_is_that_of_earlier_versions():
    chosen = held_out(np.random.default_rng(3).integers(0, 7, 500))
    assert hashlib.sha256(chosen.tobytes()).hexdigest()[:12] == "d0a1df14b4b5"
    assert not held_out(np.empty(0, np.int64)).any()


def test_a_tenth_of_each_class_and_at_least_one_of_two():
    labels = np.repeat([0, 1, 2, 3], [40, 25, 2, 1])
    counts = np.bincount(labels[held_out(labels)], minlength=4)
    assert counts.tolist() == [4, 2, 1, 0]
