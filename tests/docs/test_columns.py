"""docs/columns.md is made from the registry: run with `pytest tests/docs/test_columns.py`."""

import column_table
from prunescope.runs.columns import columns


def test_the_page_holds_the_registrys_table():
    assert column_table.PAGE.read_text("utf-8").endswith(column_table.table()), "run tools/column_table.py"


def test_every_column_says_what_it_is():
    for column in columns():
        assert column.title
        assert column.description
        assert "|" not in column.description
