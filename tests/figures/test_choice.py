"""prunescope.figures.choice: run with `pytest tests/figures/test_choice.py`."""

import pytest

from prunescope.figures.choice import sparsest_no_worse


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [
        ([0.5, 0.6, 0.4, 0.55, 0.3], 3),  # a dip in between does not end it
        ([0.5, 0.5], 1),
        ([0.5, 0.4, 0.3], None),  # the dense network itself is no answer
        ([0.5], None),
    ],
)
def test_sparsest_no_worse(accuracy, expected):
    assert sparsest_no_worse(accuracy) == expected
