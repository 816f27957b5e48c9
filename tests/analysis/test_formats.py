"""prunescope.analysis.formats: run with `pytest tests/analysis/test_formats.py`."""

import pytest

from prunescope.analysis.formats import by_size, number


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
