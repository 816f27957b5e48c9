"""The miniature's kinds, from stored runs that were not trained."""

import pytest

from prunescope.reproduce.recipes import MINIATURE
from stored_runs import write_run

SEEDS = 3
LEVELS = 14  # the last is at u = 0.97 %


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder of run directories and the runs of two different experiments."""
    out = tmp_path_factory.mktemp("runs")

    def several(name, **options):
        return [
            write_run(out, seed=seed, levels=LEVELS, hidden=(40, 24, 16), name=name, **options)
            for seed in range(SEEDS)
        ]

    return out, several("mini/main"), several("mini/other", flip=True)


@pytest.fixture(scope="session")
def kinds(runs):
    """Every kind by name: the main experiment, and one stand-in for all others."""
    _, main, other = runs
    return {kind: main if kind == "imp" else other for kind in MINIATURE}
