"""Nulls that are computed, against masks that are really shuffled."""

import numpy as np
import pytest

from prunescope.mask import Mask
from prunescope.observables.null_masks import shuffle_at_fan_in
from prunescope.randomness import generator


def check_against_shuffles(measures, density):
    """Compare what ``measures`` say of chance with 300 shuffles of a mask [45, 61] whose fan-ins are uneven."""
    rng = generator(2, "test")
    mask = Mask(rng.random((45, 61)) < density * rng.uniform(0.6, 1.07, 45)[:, np.newaxis])
    nulls = [shuffle_at_fan_in(mask, generator(k, "test")) for k in range(300)]
    for measure in measures:
        found, values = measure(mask), [measure(one).value for one in nulls]
        assert abs(np.mean(values) - found.null_mean) < 4.5 * found.null_sd / np.sqrt(len(nulls))
        if 0.02 < found.null_mean < 0.98:
            assert np.std(values) == pytest.approx(found.null_sd, rel=0.18)
