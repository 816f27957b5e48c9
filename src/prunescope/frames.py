"""Tables as DataFrames of pandas, made without pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas
    import polars


def as_pandas(table: polars.DataFrame) -> pandas.DataFrame:
    """Return a table of polars as a DataFrame of pandas, which must be installed, but no other package.

    Columns of numbers that are null everywhere are float NaN, as are those that are null somewhere. Raises ImportError
    without pandas.
    """
    import pandas

    empty = {
        name: "float64"
        for name, kind in table.schema.items()
        if kind.is_numeric() and table[name].null_count() == len(table)
    }
    return pandas.DataFrame(table.to_dict(as_series=False)).astype(empty)
