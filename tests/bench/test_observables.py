"""Times of observables and of a level's end: run with `pytest tests/bench/test_observables.py`."""

from dataclasses import replace

from prunescope.bench.observables import measure_level_end

PIECES = [
    "model to the host",
    "checkpoint",
    "right at the end",
    "network to the device",
    "top images",
    "ablation",
    "kurtosis",
    "right at the best step",
    "columns",
    "files",
    "all",
]


def test_a_levels_end_is_timed_by_pieces_that_add_up(small):
    sizes = replace(small, end_densities=(1.0, 0.3), end_classes=5, end_validation=40, end_heldout=20)
    rows = measure_level_end(sizes, "cpu", rounds=1)
    assert [(row["u"], row["piece"]) for row in rows] == [(u, name) for u in (1.0, 0.3) for name in PIECES]
    for u in (1.0, 0.3):
        *pieces, whole = [row["seconds"] for row in rows if row["u"] == u]
        assert min(pieces) > 0
        assert sum(pieces) <= whole
