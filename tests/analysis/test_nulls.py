"""prunescope.analysis.nulls: run with `pytest tests/analysis/test_nulls.py`."""

from pathlib import Path

import pytest

from prunescope.analysis.groups import groups
from prunescope.analysis.nulls import band_of, earlier_nulls, fan_in_null, sampled_z
from prunescope.observables import measure
from prunescope.runs.directory import Run

EARLIER = Path(__file__).parents[1] / "earlier" / "runs"


def test_rows_of_an_earlier_version_have_nulls_from_twenty_shuffles():
    assert sampled_z({"locality_z": 3.0}) == 20
    assert sampled_z({"locality_z": 3.0, "null_shuffles": None}) == 20  # in a table with rows of today
    assert sampled_z({"locality_z": 3.0, "null_shuffles": 50}) is None
    assert sampled_z({"locality_z": None, "null_shuffles": None}) is None


def test_runs_of_an_earlier_version_are_named_and_not_mixed_without_a_word(finished_run):
    seeds = [Run(path) for path in sorted(EARLIER.glob("tiny-imp-*/seed-[01]"))]
    assert earlier_nulls([finished_run]) is None
    assert earlier_nulls(seeds[:1]) == (
        f"{seeds[0].path}: of version 0.1, the sd of its nulls comes from 20 shuffled masks, and so does z "
        "(relative error 16 %)"
    )
    assert earlier_nulls(seeds).startswith("2 runs: of version 0.1")
    mixed = earlier_nulls([*seeds, finished_run])
    assert mixed.endswith("that of the other runs is exact, so do not compare z between them")


def test_bands_say_how_many_shuffles_gave_them(finished_run):
    seeds = [Run(path) for path in sorted(EARLIER.glob("tiny-imp-*/seed-[01]"))]
    assert band_of(groups([finished_run])) == "shuffled ± 2 sd (exact)"
    assert band_of(groups(seeds)) == "shuffled ± 2 sd (20 shuffles)"


def test_the_fan_ins_null_from_a_table_is_that_of_the_masks(finished_run):
    rows = finished_run.table.filter(layer=1).sort("level")
    found = fan_in_null(rows, 108)
    for level, null in zip(finished_run.levels, found, strict=True):
        measured = measure(finished_run.mask(level), None, shuffles=0).fan_in_variance_ratio
        assert (null.mean, null.sd) == pytest.approx((measured.null_mean, measured.null_sd), nan_ok=True)
