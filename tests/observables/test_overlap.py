"""What two masks share, against all masks with their margins: run with `pytest tests/observables/test_overlap.py`."""

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables.fixed_margins import draws_at_margins
from prunescope.observables.overlap import overlap, shared_null, shared_null_at_fan_in
from reference.overlaps import masks_at_fan_in, masks_at_margins, ragged, shared


def moments(first, second):
    """Mean and sd of the shared weights of all pairs of masks."""
    a, b = (np.array(masks).reshape(len(masks), -1).astype(float) for masks in (first, second))
    counts = a @ b.T
    return counts.mean(), counts.std()


def test_counts_are_those_of_a_slow_count():
    a, b = ragged(9, 14, 0.3, seed=1), ragged(9, 14, 0.2, seed=2)
    found, both = overlap(a, b), shared(a.array, b.array)
    either = int((a.array | b.array).sum())
    assert (found.shared, found.kept) == (both, (a.kept, b.kept))
    assert found.jaccard == pytest.approx(both / either)
    assert found.share.value == pytest.approx(both / min(a.kept, b.kept))
    assert found.share.shuffles == 0


@pytest.mark.parametrize(("a", "b"), [((2, 1, 3), (1, 1, 2)), ((4, 0, 2), (2, 3, 1))])
def test_null_at_fan_in_is_that_of_all_masks(a, b):
    every = [list(masks_at_fan_in(fan_in, 4)) for fan_in in (a, b)]
    null = shared_null_at_fan_in(Mask(every[0][0]), Mask(every[1][0]))
    assert (null.mean, null.sd) == pytest.approx(moments(*every))


@pytest.mark.parametrize(("n_out", "n_in", "a", "b"), [(4, 4, 2, 1), (3, 6, 2, 4), (5, 5, 1, 1)])
def test_null_at_both_margins_is_exact_for_equal_margins(n_out, n_in, a, b):
    every = [masks_at_margins([count] * n_out, n_in, [count * n_out // n_in] * n_in) for count in (a, b)]
    null = shared_null(Mask(every[0][0]), Mask(every[1][0]))
    assert (null.mean, null.sd) == pytest.approx(moments(*every))


def test_null_at_both_margins_is_near_that_of_all_masks_with_unequal_ones():
    a = Mask([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 1]])
    b = Mask([[1, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 1], [0, 1, 0, 0, 0]])
    every = [masks_at_margins(mask.fan_in, 5, mask.fan_out) for mask in (a, b)]
    mean, sd = moments(*every)
    null = shared_null(a, b)
    assert null.mean == pytest.approx(mean, abs=0.05 * sd)
    assert null.sd == pytest.approx(sd, rel=0.1)


@pytest.mark.parametrize(("n_out", "n_in", "density"), [(40, 60, 0.05), (30, 40, 0.4)])
def test_null_at_both_margins_is_that_of_drawn_masks(n_out, n_in, density):
    a, b = ragged(n_out, n_in, density, seed=3), ragged(n_out, n_in, density / 2, seed=4)
    draws = zip(draws_at_margins(a, 400, "one"), draws_at_margins(b, 400, "other"), strict=True)
    counts = [int((x.array & y.array).sum()) for x, y in draws]
    null = shared_null(a, b)
    assert abs(np.mean(counts) - null.mean) < 4 * null.sd / np.sqrt(400)
    assert np.std(counts, ddof=1) == pytest.approx(
        null.sd, rel=0.12
    )  # 400 values have a relative error of 3.5 %
    # The units and inputs with many weights are the same in no random masks, so that the simpler null expects less here.
    assert null.mean != pytest.approx(shared_null_at_fan_in(a, b).mean, rel=0.02)


def test_independent_masks_are_at_chance():
    scores = []
    for number in range(40):
        a, b = (next(draws_at_margins(ragged(25, 30, 0.15), 1, f"{number} {one}")) for one in "ab")
        scores.append(overlap(a, b).share.z)
    assert max(map(abs, scores)) < 4
    assert abs(np.mean(scores)) < 4 / np.sqrt(40)
    assert np.std(scores) == pytest.approx(1, abs=0.4)


def test_what_is_shared_beyond_the_margins_is_told():
    a = ragged(30, 40, 0.1)
    array = a.array.copy()
    array[:20] = next(draws_at_margins(a, 1, "test")).array[:20]
    found = overlap(a, array)
    assert found.share.z > 8
    assert found.share_at_fan_in.z > found.share.z


def test_exchanging_the_masks_changes_nothing():
    a, b = ragged(12, 20, 0.3, seed=5), ragged(12, 20, 0.1, seed=6)
    one, other = overlap(a, b), overlap(b, a)
    assert (one.shared, one.jaccard, one.kept) == (other.shared, other.jaccard, other.kept[::-1])
    for name in ("share", "share_at_fan_in"):
        first, second = getattr(one, name), getattr(other, name)
        assert (first.null_mean, first.null_sd) == pytest.approx((second.null_mean, second.null_sd))


def test_masks_without_choice_have_no_z():
    dense, empty, some = Mask.ones(3, 4), Mask(np.zeros((3, 4))), ragged(3, 4, 0.5)
    found = overlap(dense, some)
    assert found.share.value == found.share.null_mean == 1
    assert np.isnan(found.share.z)
    assert np.isnan(overlap(empty, some).share.value)
    assert np.isnan(overlap(empty, empty).jaccard)


def test_masks_of_two_shapes_are_refused():
    with pytest.raises(
        InputError, match=r"^the first mask is 3x4, the second 4x3: masks of one shape overlap$"
    ):
        overlap(Mask.ones(3, 4), Mask.ones(4, 3))
