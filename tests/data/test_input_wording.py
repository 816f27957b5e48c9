"""prunescope.data.input_wording: run with `pytest tests/data/test_input_wording.py`."""

import pytest

from prunescope.data.input_wording import size_in_words


@pytest.mark.parametrize(
    ("shape", "geometry", "words"),
    [
        ((3, 32, 32), "image", "32×32 pixels, colour"),
        ((1, 4, 12), "image", "12×4 pixels, grey"),
        ((2, 4, 12), "image", "12×4 pixels, 2 channels"),
        ((1, 1, 128), "series", "128 samples, 1 channel"),
        ((12, 1, 5000), "series", "5,000 samples, 12 channels"),
        ((1, 1, 20), "none", "20 features"),
        ((1, 1, 1), "none", "1 feature"),
    ],
)
def test_sizes_are_said_in_what_inputs_consist_of(shape, geometry, words):
    assert size_in_words(shape, geometry) == words
