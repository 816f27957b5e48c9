"""prunescope.bench.problem: run with `pytest tests/bench/test_problem.py`."""

import numpy as np
import pytest

from prunescope.bench.problem import make_problem, random_mask, random_ticket


@pytest.mark.parametrize(("density", "kept"), [(1.0, 200), (0.34, 68), (0.03, 6), (1e-9, 1)])
def test_masks_keep_exactly_their_share_anywhere(density, kept):
    mask = random_mask(10, 20, density)
    assert mask.kept == kept
    assert mask == random_mask(10, 20, density)


def test_a_sparse_mask_has_no_order():
    fan_in = random_mask(50, 400, 0.1).fan_in
    assert 20 < fan_in.min() < fan_in.max() < 65  # 40 expected; 6 standard deviations of 6 are far outside


def test_a_ticket_keeps_biases_and_leaves_the_output_alone():
    ticket = random_ticket((48, 24, 20, 3), 0.25)
    assert [mask.kept for mask in ticket.masks] == [288, 120]
    assert all(bias.all() for bias in ticket.biases)


def test_batches_differ_by_step_and_carry_the_rows_labels(small):
    problem = make_problem(small, 3)
    first, again, second = problem.batch(0), problem.batch(0), problem.batch(1)
    assert np.array_equal(first.indices, again.indices)
    assert not np.array_equal(first.indices, second.indices)
    assert len(first.indices) == small.batch
    assert np.array_equal(first.labels, problem.labels[first.indices])
    assert problem.pixels.shape == (small.images, 48)
    assert problem.layers == (48, 24, 20, 3)


def test_other_classes_share_the_images(small):
    problem = make_problem(small, 3)
    many = problem.with_classes(50)
    assert many.pixels is problem.pixels
    assert many.layers[-1] == 50
    assert set(problem.labels) == {0, 1, 2}
    assert many.labels.max() > 2
