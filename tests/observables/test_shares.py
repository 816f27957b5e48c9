"""prunescope.observables.shares: run with `pytest tests/observables/test_shares.py`."""

import numpy as np
import pytest

from prunescope.observables.null_moments import Moments
from prunescope.observables.shares import share_against


def test_z_of_what_chance_never_makes_is_its_number():
    assert share_against(3 / 40, Moments(1e-30, 1e-16), 40).z == pytest.approx(3)
    assert share_against(3 / 40, Moments(0.0, 0.0), 40).z == pytest.approx(3)


def test_larger_sds_stay_and_what_is_fixed_has_no_z():
    assert share_against(0.5, Moments(0.4, 0.05), 40).z == pytest.approx(2)
    assert np.isnan(share_against(0.25, Moments(0.25, 0.0), 40).z)
    assert share_against(float("nan"), Moments(0.2, 0.1), 40).shuffles is None
