"""prunescope.analysis.formats: run with `pytest tests/analysis/test_formats.py`."""

import pytest

from prunescope.analysis.formats import by_size, gigabytes, number, span


@pytest.mark.parametrize(
    ("value", "kind", "options", "text"),
    [
        (-0.3, "z", {}, "0"),
        (-0.6, "z", {}, "-1"),
        (-0.00001, "percent", {}, "0.00 %"),
        (-0.00001, "percent", {"sign": True}, "+0.00 %"),
        (-0.0123, "percent", {"sign": True}, "-1.23 %"),
    ],
)
def test_what_rounds_to_zero_has_no_minus(value, kind, options, text):
    assert number(value, kind, **options) == text


def test_a_decimal_that_rounds_to_zero_has_no_minus():
    assert by_size(-0.001, "×") == "0.00"
    assert by_size(-0.01, "×") == "\u22120.01"


def test_absurd_numbers_are_short():
    assert number(1e308, "seconds") == "1.000e+308 s"
    assert gigabytes(1e308) == "1.000e+299 GB"
    assert by_size(-1e300, "") == "\u22121.000e+300"
    assert span(1e300) == "2.778e+296 h"
    assert span(float("nan")) == span(float("inf")) == "an unknown time"


def test_what_is_small_is_not_zero_gigabytes():
    assert gigabytes(0.31e9, 2) == "0.31 GB"
    assert gigabytes(5e6, 2) == "0.01 GB"
    assert gigabytes(4.9e6, 2) == "4.9 MB"
    assert gigabytes(5e7) == "0.1 GB"
    assert gigabytes(4.9e7) == "49.0 MB"
