"""prunescope.observables.receptive_fields: run with `pytest tests/observables/test_fields.py`."""

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.observables import mask_image, most_connected, weight_image

SHAPE = (3, 1, 2)  # red, green, blue of the left and the right pixel


def test_weight_image_spans_the_node_with_zeros_included():
    weights = [4.0, 1.0, 2.0, -9.0, 3.0, 0.5]
    mask = [1, 1, 0, 0, 1, 1]  # -9 is pruned, so that the smallest value is 0
    image = weight_image(weights, mask, SHAPE)
    assert image.shape == (1, 2, 3)
    assert image[0, 0].tolist() == [1, 0, 0.75]
    assert image[0, 1].tolist() == [0.25, 0, 0.125]


def test_weight_image_takes_the_smallest_weight_to_zero():
    image = weight_image([-1.0, 3.0, 0.0, 0.0, 0.0, 0.0], np.ones(6), SHAPE)
    assert image[0, :, 0].tolist() == [0, 1]
    assert image[0, 0, 1] == 0.25


def test_symmetric_weight_image_has_zero_in_the_middle():
    image = weight_image([-1.0, 4.0, 2.0, 7.0, 0.0, 0.0], [1, 1, 1, 0, 1, 1], SHAPE, symmetric=True)
    assert image[0, 0].tolist() == [0.375, 0.75, 0.5]
    assert image[0, 1].tolist() == [1, 0.5, 0.5]


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_node_without_connections_is_grey(symmetric):
    assert (weight_image(np.arange(6), np.zeros(6), SHAPE, symmetric=symmetric) == 0.5).all()


def test_one_channel_is_shown_grey_and_pixels_are_in_place():
    image = mask_image([0, 0, 1, 0, 0, 1], (1, 2, 3))
    assert image.shape == (2, 3, 3)
    assert image[:, :, 0].tolist() == [[0, 0, 1], [0, 0, 1]]
    assert np.array_equal(image[..., 0], image[..., 2])


def test_mask_image_shows_channels_as_colours():
    assert mask_image([1, 0, 0, 0, 1, 1], SHAPE).tolist() == [[[1, 0, 1], [0, 0, 1]]]


def test_tensors_are_taken():
    torch = pytest.importorskip("torch")
    weights = torch.tensor([4.0, 1.0, 2.0, -9.0, 3.0, 0.5], requires_grad=True)
    mask = torch.tensor([1, 1, 0, 0, 1, 1])
    assert np.array_equal(
        weight_image(weights, mask, SHAPE), weight_image(weights.tolist(), mask.tolist(), SHAPE)
    )


def test_pruned_weights_may_be_anything_kept_ones_must_be_finite():
    weights = [np.nan, 1, 2, np.inf, 0, 0]
    assert np.isfinite(weight_image(weights, [0, 1, 1, 0, 1, 1], SHAPE)).all()
    with pytest.raises(InputError, match="nan or inf"):
        weight_image(weights, np.ones(6), SHAPE)


def test_wrong_shapes_are_refused():
    with pytest.raises(InputError, match="1 or 3 channels, got 2 in 2x1x3"):
        mask_image(np.ones(6), (2, 1, 3))
    with pytest.raises(InputError, match=r"mask of a node must have shape \(12,\) for 3x2x2, got \(6,\)"):
        mask_image(np.ones(6), (3, 2, 2))
    with pytest.raises(InputError, match=r"weights of a node .* got \(5,\)"):
        weight_image(np.ones(5), np.ones(6), SHAPE)


def test_most_connected_comes_first_with_ties_by_index():
    mask = np.arange(4) < np.array([1, 3, 0, 3, 4])[:, np.newaxis]
    assert most_connected(mask, 3).tolist() == [4, 1, 3]
    assert most_connected(mask, 99).tolist() == [4, 1, 3, 0, 2]
    assert most_connected(mask, 0).size == 0
    with pytest.raises(InputError, match="got -1"):
        most_connected(mask, -1)


def test_an_image_of_the_largest_and_smallest_floats():
    for size in (1.7e308, 5e-324):
        row = np.array([-size, 0, size, size])
        assert weight_image(row, np.ones(4), (1, 2, 2))[..., 0].ravel().tolist() == [0, 0.5, 1, 1]
