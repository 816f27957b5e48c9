"""prunescope.layers.unstructured: run with `pytest tests/layers/test_unstructured.py`."""

import numpy as np
import pytest

from prunescope.layers.unstructured import named_patterns, unstructured_scalars
from prunescope.layers.unstructured_quantities import UNSTRUCTURED
from prunescope.mask import Mask
from prunescope.randomness import generator


def random_mask(n_out, n_in, density, seed=0):
    return Mask(generator(seed, "test").random((n_out, n_in)) < density)


@pytest.mark.parametrize(
    ("n_out", "n_in", "density"),
    [(120, 160, 0.5), (150, 90, 0.1), (200, 203, 0.02), (37, 41, 0.9), (10, 784, 0.3)],
)
def test_random_masks_lie_near_their_nulls(n_out, n_in, density):
    found = unstructured_scalars(random_mask(n_out, n_in, density))
    assert list(found) == list(UNSTRUCTURED)
    far = {name: scalar.z for name, scalar in found.items() if abs(scalar.z) >= 4}
    assert far == {}
    assert sum(np.isfinite(scalar.z) for scalar in found.values()) > 25


def test_what_is_said_of_each_scalar():
    titles = [words.title for words in UNSTRUCTURED.values()]
    assert len(set(titles)) == len(titles)
    for words in UNSTRUCTURED.values():
        assert words.meaning.endswith(".")
        assert words.null.endswith(".")


def test_the_same_mask_has_the_same_scalars():
    mask = random_mask(60, 70, 0.2)
    assert unstructured_scalars(mask) == unstructured_scalars(Mask(mask.array.astype(np.float32)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (3, 70), (40, 1)])
@pytest.mark.parametrize("density", [0, 0.4, 1])
def test_masks_of_few_weights_and_of_all(shape, density):
    found = unstructured_scalars(Mask(generator(1, "test").random(shape) < density))
    assert list(found) == list(UNSTRUCTURED)
    for scalar in found.values():
        assert np.isnan(scalar.value) or np.isfinite(scalar.null_mean) or scalar.shuffles is None


def test_patterns_of_a_convolution_are_along_its_channels():
    # 2:4 along the channels of each of nine positions, in the order of torch: filter, channel, position.
    order = np.argsort(generator(2, "test").random((32, 4, 4, 9)), axis=2)
    mask = Mask((order < 2).reshape(32, 16 * 9))
    assert named_patterns(mask, 9) == ("2:4 along inputs",)
    assert named_patterns(mask) == ()
    found, flat = unstructured_scalars(mask, 9), unstructured_scalars(mask)
    assert found["at_most_2_of_4_inputs"].value == 1
    assert found["at_most_2_of_4_inputs"].z > 20
    assert abs(flat["at_most_2_of_4_inputs"].z) < 4
    # Margins and clusters do not know the order.
    assert found["fan_out_tail"] == flat["fan_out_tail"]
    assert found["spectral_gap"] == flat["spectral_gap"]


def test_heads_of_a_transformer_that_are_pruned_are_no_pattern():
    mask = np.ones((64, 64), bool)
    mask[16:32] = False
    assert named_patterns(Mask(mask)) == ()
