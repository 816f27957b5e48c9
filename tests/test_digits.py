"""Tests of whole numbers in text: run with `pytest tests/test_digits.py`."""

import pytest

from prunescope.digits import is_whole


@pytest.mark.parametrize("text", ["0", "7", "007", "9" * 18])
def test_digits_are_whole_numbers(text):
    assert is_whole(text)


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "+1", "1.0", "1e3", "1_0", "0x1", "²", "٣", "１", "1\n", "9" * 19, "9" * 5000]
)
def test_nothing_else_is(text):
    assert not is_whole(text)
