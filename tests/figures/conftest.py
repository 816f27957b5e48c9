"""Stored runs that the figures are drawn from."""

import pytest

from stored_runs import write_run


@pytest.fixture(scope="session")
def seeds(tmp_path_factory):
    """Three seeds of one experiment."""
    out = tmp_path_factory.mktemp("stored")
    return [write_run(out, seed=seed) for seed in range(3)]


@pytest.fixture(scope="session")
def grey(tmp_path_factory):
    """A run on images of one channel, higher than wide."""
    return write_run(tmp_path_factory.mktemp("grey"), shape=(1, 12, 9), levels=8, name="grey")
