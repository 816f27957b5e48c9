"""prunescope.frames: run with `pytest tests/test_frames.py`."""

import polars
import pytest

from prunescope.frames import as_pandas


def test_columns_of_numbers_that_are_null_everywhere_are_nan():
    pandas = pytest.importorskip("pandas")
    table = polars.DataFrame(
        {"n": [None, None], "x": [None, None], "some": [1, None], "z": [1.5, 2.5], "word": [None, None]},
        schema={"n": polars.Int64, "x": polars.Float64, "some": polars.Int64, "z": float, "word": str},
    )
    found = as_pandas(table)
    assert isinstance(found, pandas.DataFrame)
    assert [str(found.dtypes[name]) for name in ("n", "x", "some", "z")] == ["float64"] * 4
    assert found["n"].isna().all()
    assert found["z"].tolist() == [1.5, 2.5]
    assert found["word"].isna().all()
    assert found["word"].dtype != "float64"
