"""prunescope.runs.level_measurements and columns: run with `pytest tests/runs/test_level_measurements.py`."""

import pytest

from prunescope.observables import measure
from prunescope.runs.columns import COLUMNS, columns, find_column, schema, shown_on


def test_a_mask_has_the_same_null_whoever_asks(finished_run):
    for row in finished_run.table.filter(layer=1).iter_rows(named=True):
        found = measure(finished_run.mask(row["level"]), finished_run.shape).locality
        stored = (row["locality"], row["locality_null"], row["locality_null_sd"])
        assert stored == (found.value, found.null_mean, found.null_sd)


def test_the_table_has_every_column_in_the_registrys_order(finished_run):
    assert finished_run.table.columns == [column.name for column in columns()]
    assert dict(finished_run.table.schema) == schema()


def test_columns_of_a_level_say_the_same_in_all_its_rows(finished_run):
    whole = [column.name for column in columns() if column.of == "level" and column.name != "level"]
    for level in finished_run.levels:
        rows = finished_run.table.filter(level=level).select(whole)
        assert rows.unique().height == 1


def test_names_are_unique_and_found():
    assert [find_column(column.name) for column in columns()] == list(columns())
    with pytest.raises(KeyError):
        find_column("colour")
    assert {column.name for column in shown_on("live")} == {
        column.name for column in COLUMNS if "live" in column.on
    }
