"""prunescope.layers.pictures and histograms: run with `pytest tests/layers/test_pictures.py`."""

import numpy as np
import pytest

from prunescope.layers.histograms import count_histogram
from prunescope.layers.kinds import LayerForm, LayerMask
from prunescope.layers.pictures import drawn_arrays, mask_picture
from prunescope.mask import Mask
from prunescope.observables import locality

RNG = np.random.default_rng(3)


def test_a_small_mask_is_shown_weight_by_weight_and_a_large_one_by_blocks():
    small = RNG.random((20, 30)) < 0.2
    picture, white = mask_picture(Mask(small))
    assert white == 1
    np.testing.assert_array_equal(picture, 255 * small.astype(np.uint8))
    large = np.zeros((512, 1024), bool)
    large[:2, :4] = True  # one block whole, its neighbour half
    large[0, 4:8] = True
    picture, white = mask_picture(Mask(large))
    assert (picture.shape, picture.dtype, white) == ((256, 256), np.uint8, 1)
    assert picture[0, :3].tolist() == [255, 128, 0]
    assert picture[1:].max() == 0


def test_arrays_of_a_layer_on_images():
    array = RNG.random((50, 3 * 4 * 5)) < 0.2
    layer = LayerMask("first", Mask(array), LayerForm("linear", (50, 60), (3, 4, 5)))
    arrays = drawn_arrays(layer)
    assert arrays["unit_masks"].shape == (32, 3, 4, 5)
    fan_in = array.sum(1)
    assert fan_in[arrays["units"]].tolist() == sorted(fan_in, reverse=True)[:32]
    np.testing.assert_array_equal(arrays["unit_masks"].reshape(32, -1), array[arrays["units"]])
    np.testing.assert_array_equal(arrays["same_pairs"], locality(Mask(array), (3, 4, 5)).same)
    without = drawn_arrays(LayerMask("first", Mask(array), LayerForm("linear", (50, 60))))
    assert set(without) == {"fan_in", "fan_out", "picture", "picture_white"}


@pytest.mark.parametrize("bars", [4, 32, 400])
def test_a_histogram_holds_every_unit_once_beside_the_binomial(bars):
    from scipy.stats import binom

    counts = RNG.binomial(200, RNG.random(300) * 0.2)
    found = count_histogram(counts, 200, bars)
    assert len(found.lines) <= bars
    assert found.lines.sum() == 300
    for start, lines, expected in zip(found.starts, found.lines, found.expected, strict=True):
        inside = np.arange(start, start + found.width)
        assert lines == np.isin(counts, inside).sum()
        inside = inside[inside <= counts.max()] if start == found.starts[-1] else inside
        assert expected == pytest.approx(300 * binom.pmf(inside, 200, counts.mean() / 200).sum(), abs=0.05)


def test_a_histogram_of_a_dense_mask_has_one_bar():
    found = count_histogram(np.full(5, 8), 8)
    assert (found.start, found.lines.tolist(), found.expected.tolist()) == (8, [5.0], [5.0])
