"""Ticks of axes of densities, scales of overlaps, rows of sheets: run with `pytest tests/figures/test_axes.py`."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from prunescope.figures.extra.overlap import _same_scale
from prunescope.figures.parts.style import density_axis, density_ticks
from prunescope.figures.parts.tiles import TileSheet, _row_tops


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.17, 0.70, [0.2, 0.3, 0.5]),
        (0.17, 1.0, [0.2, 0.5, 1.0]),
        (0.01, 1.0, [0.01, 0.03, 0.1, 0.3, 1.0]),
        (0.24, 0.36, [0.25, 0.3, 0.35]),
    ],
)
def test_an_axis_of_densities_has_three_ticks(low, high, ticks):
    assert density_ticks(low, high) == pytest.approx(ticks)
    axes = Figure().add_subplot()
    density_axis(axes, [low, high])
    assert len(axes.get_xticks()) >= 3


def _limits(values: list[float], around: float) -> tuple[float, float]:
    row = list(Figure().subplots(1, 2))
    row[0].plot([0.5, 0.2], values)
    row[1].plot([0.5, 0.2], [values[0], np.nan])
    _same_scale(row, [0.2, 0.5], around)
    assert row[0].get_ylim() == row[1].get_ylim()
    return row[0].get_ylim()


def test_shares_near_chance_are_not_a_flat_line():
    low, high = _limits([1.02, 1.1], 1.0)
    assert 0.9 < low < 1 < 1.1 < high < 1.2
    low, high = _limits([0.8, 0.9], 1.0)
    assert 0.7 < low < 0.8 < 1 < high
    assert _limits([1.5, 4.0], 1.0) == pytest.approx((0, 4.32))
    assert _limits([20.0, 60.0], 0.0) == pytest.approx((0, 64.8))


def test_a_mask_is_closer_to_its_weights_than_these_to_the_next_number():
    images = [np.zeros((8, 8, 3))] * 8
    sheet = TileSheet("title", images, ["1", "2", "", "", "3", "4", "", ""], 2)
    first, second, third, fourth, end = _row_tops(sheet, 4.0)
    assert third - second > second - first + 0.1
    assert fourth - third == pytest.approx(second - first)
    assert end > fourth
    plain = _row_tops(TileSheet("title", images, ["1"] * 8, 2), 4.0)
    assert np.ptp(np.diff(plain)) == pytest.approx(0, abs=0.2)
