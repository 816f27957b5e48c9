"""prunescope.observables.repetition and blobs: run with `pytest tests/observables/test_repetition.py`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prunescope as ps
from prunescope.errors import InputError
from prunescope.observables.blobs import fit_blobs
from prunescope.randomness import generator
from reference.repetition import pairs

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 7))
SHAPE = (3, 16, 16)


def random_layer(shape, count, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((count, int(np.prod(shape)))) < rng.uniform(0.2, 0.9)
    return mask, rng.standard_normal(mask.shape)


@settings(max_examples=40)
@given(SHAPES, st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_masks_and_weights_are_compared_as_in_the_loops(shape, count, seed):
    mask, weights = random_layer(shape, count, seed)
    found = ps.repetition(mask, shape)
    images = mask[found.nodes].reshape(-1, *shape)
    np.testing.assert_allclose(found.pairs, pairs(images), atol=1e-12)
    assert (mask[found.nodes].sum(axis=1) >= 5).all()
    signed = ps.repetition(mask, shape, weights=weights)
    np.testing.assert_allclose(
        signed.pairs, pairs((mask * weights)[found.nodes].reshape(-1, *shape)), atol=1e-5
    )


def placed(template, places, shape):
    """The same template [C, h, w] at several places (y, x) of an empty image, as rows of a mask."""
    images = np.zeros((len(places), *shape), template.dtype)
    for image, (y, x) in zip(images, places, strict=True):
        image[:, y : y + template.shape[1], x : x + template.shape[2]] = template
    return images.reshape(len(places), -1)


def test_a_shifted_copy_has_similarity_1_and_its_shift():
    rng = np.random.default_rng(3)
    template = rng.random((2, 4, 5)) < 0.6
    mask = placed(template, [(0, 1), (5, 6), (3, 1)], (2, 9, 12))
    found = ps.repetition(mask, (2, 9, 12))
    assert found.pairs[0, 1] == 1
    assert found.shift(0, 1) == (5, 5)
    assert found.shift(1, 0) == (-5, -5)
    assert found.value == 1
    # The sign counts: a copy with all signs changed is another filter.
    weights = placed(rng.standard_normal(template.shape), [(0, 1), (5, 6), (3, 1)], (2, 9, 12))
    assert ps.repetition(mask, (2, 9, 12), weights=weights).value == pytest.approx(1, abs=1e-5)
    flipped = ps.repetition(mask[:2], (2, 9, 12), weights=weights[:2] * [[1], [-1]])
    assert flipped.value < 0.6


def test_units_at_one_place_are_not_elsewhere():
    line = np.ones((1, 1, 8), bool)
    same = ps.repetition(placed(line, [(4, 2), (4, 2), (5, 4)], (1, 10, 12)), (1, 10, 12))
    assert same.value == 0
    assert ps.repetition(np.ones((4, 75), bool), (3, 5, 5)).value == 0


@given(st.integers(0, 2**32 - 1))
def test_neither_place_nor_order_counts(seed):
    rng = np.random.default_rng(seed)
    templates = rng.random((4, 1, 4, 4)) < 0.7
    shape = (1, 16, 16)
    row = lambda k, y, x: placed(templates[k], [(y, x)], shape)  # noqa: E731
    corners = [row(k, 12 * (k // 2), 12 * (k % 2)) for k in range(4)]
    moved = [row(0, 1, 1), *corners[1:]]
    before, after = ps.repetition(np.concatenate(corners), shape), ps.repetition(np.concatenate(moved), shape)
    assert before.value == pytest.approx(after.value, nan_ok=True)
    turned = ps.repetition(np.concatenate(corners[::-1]), shape)
    assert turned.value == pytest.approx(before.value, nan_ok=True)


@pytest.mark.parametrize("shape", [(3, 2, 3), (5, 1, 3)])
def test_images_without_a_shift_elsewhere_have_none(shape):
    mask = np.ones((4, int(np.prod(shape))), bool)
    assert np.isnan(ps.repetition(mask, shape).value)
    assert np.isnan(ps.measure_repetition(mask, shape)["shuffled"].value)


def test_too_few_nodes_have_none():
    mask = np.zeros((5, 64), bool)
    assert np.isnan(ps.repetition(mask, (1, 8, 8)).value)
    mask[2, :9] = True
    assert ps.repetition(mask, (1, 8, 8)).nodes.tolist() == [2]
    assert np.isnan(ps.repetition(mask, (1, 8, 8)).value)
    assert ps.repetition_null(mask, (1, 8, 8), "round", draws=2).tolist() == [[0], [0]]


def test_a_series():
    template = np.array([[[1, 0, 1, 1, 0, 1, 1]]], bool)
    mask = placed(template, [(0, 0), (0, 30)], (1, 1, 50))
    found = ps.repetition(mask, (1, 1, 50))
    assert (found.value, found.shift(0, 1)) == (1, (0, 30))
    assert ps.repetition_null(mask, (1, 1, 50), "oriented", draws=3).shape == (3, 2)


def test_what_is_refused():
    mask, weights = random_layer((1, 5, 5), 3, 0)
    with pytest.raises(InputError, match=r"give shuffled or round or oriented$"):
        ps.repetition_null(mask, (1, 5, 5), "permuted")
    with pytest.raises(InputError, match="draws must be 0 or more"):
        ps.repetition_null(mask, (1, 5, 5), "round", draws=-1)
    with pytest.raises(InputError, match="does not hold"):
        ps.repetition(mask, (1, 5, 6))
    with pytest.raises(InputError, match="but the mask has"):
        ps.repetition(mask, (1, 5, 5), weights=weights[:2])
    with pytest.raises(InputError, match="finite"):
        ps.repetition(mask, (1, 5, 5), weights=np.where(mask, np.nan, weights))


def test_blobs_keep_counts_centre_and_second_moments():
    rng = np.random.default_rng(5)
    images = blobs(rng, 6)
    y, x = np.indices(SHAPE[1:])
    for oriented in (False, True):
        fitted = fit_blobs(images, oriented=oriented)
        drawn = np.array([fitted.draw(generator(0, "test", 0, k)) for k in range(400)]).reshape(
            400, *images.shape
        )
        assert (drawn.sum(axis=(3, 4)) == images.sum(axis=(2, 3))).all()
        mean, kept = drawn.mean(axis=0).sum(axis=1), images.sum(axis=1)
        moments = [y, x, y * y + x * x, *([y * y, x * x, x * y] if oriented else [])]
        for moment in moments:
            expected = (kept * moment).sum(axis=(1, 2)) / kept.sum(axis=(1, 2))
            found = (mean * moment).sum(axis=(1, 2)) / kept.sum(axis=(1, 2))
            np.testing.assert_allclose(found, expected, rtol=0.03)


def test_a_full_line_is_its_own_oriented_blob():
    mask = placed(np.ones((1, 1, 7), bool), [(4, 3)], (1, 12, 12)).reshape(1, 1, 12, 12)
    drawn = fit_blobs(mask, oriented=True).draw(generator(0, "test"))
    assert (drawn.reshape(mask.shape) & mask).sum() >= 6


def blobs(rng, count, elongation=1.0):
    """Independent normal blobs of 15 to 40 inputs at random places, elongated up to this factor in any direction."""
    _, height, width = SHAPE
    y, x = np.indices((height, width))
    images = np.zeros((count, *SHAPE), bool)
    for image in images:
        dy, dx = y - rng.uniform(3, 12), x - rng.uniform(3, 12)
        angle, longer = rng.uniform(0, np.pi), rng.uniform(1, elongation)
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        odds = -((along / longer) ** 2 + (across * longer) ** 2) / (2 * 1.6**2)
        chosen = np.argsort(-(odds + rng.gumbel(size=SHAPE)).ravel())[: rng.integers(15, 40)]
        image.reshape(-1)[chosen] = True
    return images


def copies(rng, count):
    """Four random blobs at random places, without a fifth of their inputs and with three inputs of noise."""
    images = np.zeros((count, *SHAPE), bool)
    y, x = np.indices((7, 7)) - 3
    odds = -(y * y + x * x) / 6 + rng.gumbel(size=(4, 3, 7, 7))
    templates = odds >= np.sort(odds.reshape(4, -1))[:, -20].reshape(4, 1, 1, 1)
    for number, image in enumerate(images):
        top, left = rng.integers(0, 10, 2)
        image[:, top : top + 7, left : left + 7] = templates[number % 4] & (rng.random((3, 7, 7)) > 0.2)
        image.reshape(-1)[rng.integers(0, image.size, 3)] = True
    return images


def lines(rng, count):
    """Lines of one pixel's width in two directions at random places, without a quarter of their inputs."""
    images = np.zeros((count, *SHAPE), bool)
    for image in images:
        length = rng.integers(5, 12)
        line = np.zeros(SHAPE, bool)
        left = rng.integers(0, 17 - length)
        line[:, rng.integers(0, 16), left : left + length] = rng.random((3, length)) < 0.75
        image[:] = line if rng.random() < 0.5 else line.transpose(0, 2, 1)
    return images


# The study by which the nulls were chosen (docs/science.md, "Repetition"): the z of layers whose structure is known.
STUDY = {
    "random": (
        lambda rng, count: rng.random((count, *SHAPE)) < 0.03,
        {"shuffled": (-3, 3), "round": (-5, 3), "oriented": (-5, 3)},
    ),
    "independent blobs": (blobs, {"shuffled": (30, 500), "round": (-4, 3), "oriented": (-4, 3)}),
    "elongated blobs": (
        lambda rng, count: blobs(rng, count, 2.0),
        {"shuffled": (30, 500), "round": (1, 40), "oriented": (-5, 3)},
    ),
    "lines": (lines, {"shuffled": (50, 500), "round": (20, 500), "oriented": (-5, 4)}),
    "copies": (copies, {"shuffled": (30, 500), "round": (20, 500), "oriented": (20, 500)}),
}


@pytest.mark.parametrize("layer", STUDY)
def test_each_null_takes_out_what_it_keeps(layer):
    make, expected = STUDY[layer]
    mask = make(np.random.default_rng(7), 48).reshape(48, -1)
    found = {null: scalar.z for null, scalar in ps.measure_repetition(mask, SHAPE).items()}
    assert found.keys() == expected.keys()
    for null, (least, most) in expected.items():
        assert least < found[null] < most, (null, found)


def test_weights_at_permuted_places_keep_the_mask():
    rng = np.random.default_rng(11)
    mask = copies(rng, 32).reshape(32, -1)
    unrelated = ps.measure_repetition(mask, SHAPE, weights=rng.standard_normal(mask.shape))
    assert -3 < unrelated["permuted"].z < 3
    shared = rng.standard_normal((3, 7, 7))
    weights = np.zeros(mask.shape)
    for image, row in zip(mask.reshape(-1, *SHAPE), weights.reshape(-1, *SHAPE), strict=True):
        y, x = (np.median(axis).astype(int) for axis in np.nonzero(image)[1:])
        row[:] = np.roll(np.pad(shared, ((0, 0), (0, 9), (0, 9))), (y - 3, x - 3), axis=(1, 2))
    assert ps.measure_repetition(mask, SHAPE, weights=weights)["permuted"].z > 10


def test_the_null_is_a_function_of_the_mask_alone():
    mask = blobs(np.random.default_rng(1), 8).reshape(8, -1)
    first, again = (ps.repetition_null(mask * one, SHAPE, "oriented", draws=3) for one in (1, 1.0))
    assert (first == again).all()
    more = ps.repetition_null(mask, SHAPE, "oriented", draws=5)
    assert (more[:3] == first).all()
