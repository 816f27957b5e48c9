"""Random masks with both margins, against all that there are: run with `pytest tests/observables/test_fixed_margins.py`."""

from collections import Counter

import numpy as np
import pytest

from prunescope.mask import Mask
from prunescope.observables.fixed_margins import draws_at_margins, margin_odds
from prunescope.randomness import generator
from reference.overlaps import masks_at_margins, ragged


@pytest.mark.parametrize(
    ("n_out", "n_in", "density"), [(7, 9, 0.3), (6, 5, 0.8), (1, 8, 0.5), (5, 1, 0.4), (9, 40, 0.05)]
)
def test_draws_keep_both_margins(n_out, n_in, density):
    mask = ragged(n_out, n_in, density)
    for drawn in draws_at_margins(mask, 6, "test"):
        assert np.array_equal(drawn.fan_in, mask.fan_in)
        assert np.array_equal(drawn.fan_out, mask.fan_out)


@pytest.mark.parametrize(
    "rows", [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]]
)
def test_every_mask_with_the_margins_is_equally_likely(rows):
    mask = Mask(np.array(rows))
    every = [one.tobytes() for one in masks_at_margins(mask.fan_in, mask.n_in, mask.fan_out)]
    count = 150 * len(every)
    drawn = Counter(one.array.tobytes() for one in draws_at_margins(mask, count, "test"))
    assert set(drawn) == set(every)
    expected = count / len(every)
    chi_square = sum((drawn[one] - expected) ** 2 / expected for one in every)
    degrees = len(every) - 1
    assert chi_square < degrees + 5 * np.sqrt(2 * degrees)


def test_draws_are_a_function_of_content_and_purpose():
    mask = ragged(8, 12, 0.3)
    again = Mask(mask.array.astype(np.float32))
    first, second = (list(draws_at_margins(one, 3, "test")) for one in (mask, again))
    assert first == second
    assert first[0] != first[1]
    assert list(draws_at_margins(mask, 1, "other")) != first[:1]


@pytest.mark.parametrize("density", [0.03, 0.3, 0.9])
def test_probabilities_have_the_margins(density):
    mask = ragged(20, 30, density)
    p = margin_odds(mask.fan_in, mask.fan_out).probabilities(slice(None))
    assert p.sum(axis=1) == pytest.approx(mask.fan_in, abs=1e-4)
    assert p.sum(axis=0) == pytest.approx(mask.fan_out, abs=1e-4)
    # The most random of all: the log-odds are a part of the row and a part of the column.
    free = p[mask.fan_in > 0][:, mask.fan_out > 0]
    odds = np.log(free / (1 - free))
    assert odds - odds[:1] - odds[:, :1] + odds[0, 0] == pytest.approx(0, abs=1e-6)


def test_rows_and_columns_without_choice_are_decided():
    array = generator(0, "test").random((6, 8)) < 0.5
    array[1], array[:, 2] = False, True  # a dead unit, and an input that every living one keeps
    array[1, 2] = False
    array[4] = True
    mask = Mask(array)
    odds = margin_odds(mask.fan_in, mask.fan_out)
    p = odds.probabilities(slice(None))
    assert (p[1] == 0).all()
    assert (p[4] == 1).all()
    assert (np.delete(p[:, 2], 1) == 1).all()
    assert odds.free_rows.tolist() == [True, False, True, True, False, True]
    assert not odds.free_columns[2]
    assert p.sum(axis=0) == pytest.approx(mask.fan_out, abs=1e-4)


@pytest.mark.parametrize("array", [np.zeros((3, 4)), np.ones((3, 4)), [[1, 0], [1, 0]], np.tri(5)])
def test_masks_without_any_choice_have_odds_of_their_own(array):
    mask = Mask(np.asarray(array))
    assert margin_odds(mask.fan_in, mask.fan_out).probabilities(slice(None)) == pytest.approx(
        mask.array.astype(float), abs=1e-6
    )
