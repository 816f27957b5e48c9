"""prunescope.observables.nodes: run with `pytest tests/observables/test_nodes.py`."""

import numpy as np
import pytest

from prunescope import observables
from prunescope.errors import InputError
from reference.locality import pair_counts


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 1, 9)])
def test_each_node_has_its_own_pairs(shape):
    rng = np.random.default_rng(0)
    mask = rng.random((6, np.prod(shape))) < np.array([0, 0.1, 0.3, 0.5, 0.9, 1])[:, np.newaxis]
    maps = observables.node_locality(mask, shape)
    for node in range(6):
        np.testing.assert_array_equal(maps[node], pair_counts(mask[[node]], shape)[0])
    np.testing.assert_array_equal(maps.sum(axis=0), observables.locality(mask, shape).same)
    np.testing.assert_array_equal(observables.node_locality(mask, shape, [4, 1]), maps[[4, 1]])
    with pytest.raises(InputError, match="does not hold"):
        observables.node_locality(mask, (2, 3, 3))
