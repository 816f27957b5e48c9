"""prunescope.observables.layer_densities: run with `pytest tests/observables/test_layer_densities.py`."""

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.observables.layer_densities import compare_densities, erdos_renyi_kernel


def test_kernel_densities_worked_out():
    # Sums of sides over sizes: 10/27 and 32/1440; ε (10 + 32) is what is kept of the 1467 weights.
    shapes = [(3, 1, 3, 3), (16, 10, 3, 3)]
    scale = 0.1 * (27 + 1440) / (10 + 32)
    assert erdos_renyi_kernel(shapes, 0.1) == (1.0, pytest.approx((146.7 - 27) / 1440))
    assert scale * 10 / 27 > 1  # which is why the first layer is dense
    found = erdos_renyi_kernel(shapes, 0.02)
    assert found == pytest.approx((0.02 * 1467 / 42 * 10 / 27, 0.02 * 1467 / 42 * 32 / 1440))


@pytest.mark.parametrize("density", [0.9, 0.3, 0.02])
def test_kernel_densities_keep_the_density(density):
    shapes = [(64, 3, 7, 7), (64, 64, 3, 3), (128, 64, 1, 1), (1000, 512), (10, 1000)]
    sizes = [np.prod(shape) for shape in shapes]
    found = np.array(erdos_renyi_kernel(shapes, density))
    assert found @ sizes == pytest.approx(density * np.sum(sizes))
    assert ((found > 0) & (found <= 1)).all()
    raw = np.array([sum(shape) for shape in shapes]) / sizes
    ratio = (found / raw)[found < 1]
    assert ratio == pytest.approx(ratio[0])


def test_layers_of_erk_densities_are_at_no_distance():
    shapes = [(400, 300), (400, 400), (200, 400), (50, 200, 3, 3)]
    sizes = np.array([np.prod(shape) for shape in shapes])
    kept = np.round(np.array(erdos_renyi_kernel(shapes, 0.05)) * sizes).astype(int)
    found = compare_densities(shapes, kept.tolist())
    assert found.erk_distance < 1e-3
    assert found.uniform_distance > 0.1
    assert found.erk_correlation.value == pytest.approx(1)
    assert found.erk_correlation.z == pytest.approx(np.sqrt(3))
    assert found.measured == tuple(kept / sizes)


def test_distances_count_what_would_have_to_move():
    # 10 and 30 of 100 each: five would have to move of 40, for both layouts, as the shapes are equal.
    found = compare_densities([(10, 10), (10, 10)], [10, 30])
    assert (found.overall, found.erk) == (0.2, (pytest.approx(0.2),) * 2)
    assert found.uniform_distance == found.erk_distance == pytest.approx(10 / 40)
    assert np.isnan(found.depth_correlation.value)


@pytest.mark.parametrize(
    ("shapes", "kept"), [([], []), ([(2, 3)], [7]), ([(2, 3)], [0]), ([(2, 3)], [1, 2]), ([(2, 0)], [0])]
)
def test_layers_that_cannot_be_are_refused(shapes, kept):
    with pytest.raises(InputError, match=r"^densities need"):
        compare_densities(shapes, kept)
