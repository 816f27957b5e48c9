"""Figs. 20 to 22: directions of pairs on masks whose direction is known, and the numbers on the pages."""

import numpy as np
import pytest

from figures.drawn import drawn_arrays
from prunescope.analysis.directions import angular_density, by_sector, isotropic
from prunescope.analysis.groups import groups
from prunescope.figures.paper.variants import directions
from prunescope.mask import Mask
from reference.locality import pair_counts

pytestmark = pytest.mark.usefixtures("coarse")
BEST = 9  # of write_run's curve over 12 levels


@pytest.mark.parametrize(
    ("dx", "dy", "degrees"),
    [(3, 0, 0), (-3, 0, 0), (0, 4, 90), (0, -4, 90), (5, -1, 10), (5, 1, 170), (3, -2, 30), (-3, 2, 30)],
)
def test_directions_are_counted_counter_clockwise(dx, dy, degrees):
    counts = np.zeros((23, 23))
    counts[11 + dy, 11 + dx] = 7
    found = by_sector(counts)
    assert found.sum() == 7
    assert 10 * np.argmax(found) == degrees


def test_near_and_far_pairs_have_no_direction():
    counts = np.zeros((23, 23))
    counts[11, [13, 17, 18, 22]] = 1  # at 2, 6, 7 and 11 pixels; half of the image are 6
    assert by_sector(counts).sum() == 1


def test_pairs_that_depend_on_the_distance_alone_are_isotropic():
    expected = np.random.default_rng(0).uniform(1, 3, (15, 15))
    assert isotropic(2 * expected, expected) == pytest.approx(2 * expected)
    dy, dx = np.mgrid[-7:8, -7:8]
    falling = expected * (20 - np.rint(np.hypot(dx, dy)))  # the same in each ring
    rings = np.hypot(dx, dy) == np.rint(np.hypot(dx, dy))
    assert isotropic(falling, expected)[rings] == pytest.approx(falling[rings])


@pytest.mark.parametrize(("vertical", "degrees"), [(False, 0), (True, 90)])
def test_lines_stand_out_in_their_direction(vertical, degrees, seeds, monkeypatch):
    image = np.zeros((40, 3, 12, 12), np.bool_)
    for node in range(40):
        image[node, 0, node % 12, :] = True
    mask = Mask((image.swapaxes(2, 3) if vertical else image).reshape(40, -1))
    monkeypatch.setattr(type(seeds[0]), "mask", lambda *_: mask)
    found = angular_density(groups(seeds[:1])[0], 0, shuffles=3)
    assert found.degrees[np.argmax(found.density)] == degrees
    assert found.density[np.arange(18) != degrees // 10] == pytest.approx(0)
    assert found.shuffled.shape == (3, 18)
    assert found.shuffled.max() < found.density.max()


def test_the_axes_of_turned_images():
    assert directions(20, mirrored=False) == [20, 110]
    assert directions(20, mirrored=True) == [20, 70, 110, 160]
    assert directions(0, mirrored=True) == [0, 90]


@pytest.mark.parametrize("figure", ["20", "21", "22"])
def test_numbers_of_a_page(figure, seeds, tmp_path):
    data = drawn_arrays(figure, seeds, tmp_path)
    assert data["level"] == BEST
    masks = [run.mask(BEST) for run in seeds]
    both = [pair_counts(mask.array, seeds[0].shape) for mask in masks]
    for name, values in zip(("same", "different"), zip(*both, strict=True), strict=True):
        assert np.array_equal(data[name], sum(values))
    order = np.argsort(-masks[0].fan_in, kind="stable")
    assert np.array_equal(data["nodes"], order)  # The 40 nodes are fewer than the pages can hold.
    assert np.array_equal(data["masks"].reshape(40, -1), masks[0].array[order])
    if figure == "22":
        weight = seeds[0].model(BEST).layers[0].weight * masks[0].array
        assert np.array_equal(data["weights"].reshape(40, -1), weight[order])
    if figure != "20":
        assert data["curve_nominal_density"] == pytest.approx(0.7 ** np.arange(12))
        tables = [run.table.filter(layer=1) for run in seeds]
        means = np.mean([table.sort("level")["best_val_accuracy"].to_numpy() for table in tables], axis=0)
        assert data["curve_best_val_accuracy_mean"] == pytest.approx(means)


@pytest.mark.parametrize("figure", ["20", "21"])
def test_grey_images_that_are_higher_than_wide(figure, grey, tmp_path):
    assert not drawn_arrays(figure, [grey], tmp_path)["different"].any()


def test_a_level_of_ones_own(grey, tmp_path):
    assert drawn_arrays("22", [grey], tmp_path, levels=[3])["level"] == 3
