"""Changes of the columns of a parquet file: other types, nulls, odd values, missing and repeated columns and rows."""

from __future__ import annotations

import io
from random import Random
from typing import Any

from fuzz import values

_TYPES = (
    "String",
    "Int64",
    "UInt8",
    "Float32",
    "Float64",
    "Boolean",
    "Binary",
    "Date",
    "Categorical",
    "Null",
    "UInt64",
)
_EDITS = ("type", "nulls", "null", "drop", "value", "rename", "list", "struct", "rows", "twice", "reverse")


def drawn(rng: Random, data: bytes) -> dict[str, Any]:
    """Return the entries of a change of one column."""
    import polars as pl

    try:
        names = pl.read_parquet_schema(io.BytesIO(data))
    except Exception:  # It is damaged already, so that the change will not fit.
        names = {"": pl.Null()}
    return {
        "column": rng.choice(list(names) or [""]),
        "edit": rng.choice(_EDITS),
        "type": rng.choice(_TYPES),
        "value": rng.choice([value for value in values.VALUES if not isinstance(value, list | dict)]),
        "row": rng.randrange(-1, 12),
    }


def changed(data: bytes, change: dict[str, Any]) -> bytes:
    """Return a parquet file with one column changed, its metadata as before."""
    import polars as pl

    table = pl.read_parquet(io.BytesIO(data))
    metadata = {
        key: value
        for key, value in pl.read_parquet_metadata(io.BytesIO(data)).items()
        if key != "ARROW:schema"
    }
    stream = io.BytesIO()
    _edited(table, change).write_parquet(stream, metadata=metadata or None)
    return stream.getvalue()


def _edited(table: Any, change: dict[str, Any]) -> Any:
    import polars as pl

    name, edit, value = change["column"], change["edit"], change["value"]
    column = pl.col(name)
    if edit == "type":
        return table.with_columns(column.cast(getattr(pl, change["type"]), strict=False))
    if edit == "nulls":
        return table.with_columns(pl.lit(None, table.schema[name]).alias(name))
    if edit == "null":
        return table.with_columns(pl.when(_row(change)).then(None).otherwise(column).alias(name))
    if edit == "drop":
        return table.drop(name)
    if edit == "value":
        row = pl.lit(True) if change["row"] < 0 else _row(change)
        return table.with_columns(pl.when(row).then(pl.lit(value)).otherwise(column).alias(name))
    if edit == "rename":
        return table.rename({name: str(value)})
    if edit == "list":
        return table.with_columns(pl.concat_list(column, column).alias(name))
    if edit == "struct":
        return table.with_columns(pl.struct(column).alias(name))
    if edit == "rows":
        return table.head(max(change["row"], 0))
    if edit == "twice":
        return pl.concat([table, table])
    return table.reverse()


def _row(change: dict[str, Any]) -> Any:
    import polars as pl

    return pl.int_range(pl.len()) == max(change["row"], 0)
