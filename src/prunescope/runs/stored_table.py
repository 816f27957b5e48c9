"""The table of a run's levels (levels.parquet), checked once, where it is read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError, damaged, first_line
from prunescope.runs.columns import schema
from prunescope.runs.record import LARGEST, LARGEST_NUMBER

if TYPE_CHECKING:
    import polars

TABLE_LIMIT = 100_000_000  # bytes; a row has some 400
MOST_ROWS = 1_000_000
MOST_LEVELS = 1_000_000
REQUIRED = ("level", "layer", "nominal_density", "best_val_accuracy")


def read_table(path: Path, data: bytes) -> polars.DataFrame:
    """Return the table of levels that the bytes of a levels.parquet hold; raise InputError when it is damaged."""
    import polars

    try:
        rows = polars.scan_parquet(io.BytesIO(data)).select(polars.len()).collect().item()
        if rows > MOST_ROWS:
            raise damaged(path, f"{rows:,} rows")
        table = polars.read_parquet(io.BytesIO(data))
    except InputError:
        raise
    except (Exception, polars.exceptions.PanicException) as error:
        raise damaged(path, first_line(error)) from None
    check_table(path, table)
    return table


def check_table(path: Path, table: polars.DataFrame) -> None:
    """Raise InputError for a table of levels without its columns, of other types, or with values that cannot be."""
    import polars

    known = schema()
    for name in REQUIRED:
        if name not in table.columns:
            raise damaged(path, f"no column {name}")
    others = (*set(known.values()), polars.Boolean)
    for name, kind in table.schema.items():
        if kind != known[name] if name in known else kind not in others:
            raise damaged(path, f"column {name[:40]!a} holds {kind}")
    if table.is_empty():
        raise damaged(path, "no rows")
    if wrong := _wrong_values(table):
        raise damaged(path, wrong)
    rows = list(zip(table["level"].to_list(), table["layer"].to_list(), strict=True))
    levels, layers = len({level for level, _ in rows}), max(layer for _, layer in rows)
    if len(set(rows)) < len(rows):  # faster than a query, of the few rows that there are
        raise damaged(path, "two rows of one level and layer")
    if table.height != levels * layers:
        raise damaged(path, f"{table.height} rows of {levels} levels with {layers} layers each")


def _wrong_values(table: polars.DataFrame) -> str:
    """Return the first column with a value that cannot be, and that value; empty where there is none."""
    import polars

    def possible(name: str, kind: polars.DataType) -> polars.Expr:
        column = polars.col(name)
        if kind == polars.Float64:
            fine = column.is_finite() & (column.abs() <= LARGEST_NUMBER)
            if name == "nominal_density":
                fine &= column > 0
            elif name == "seconds":
                fine &= column >= 0
        elif kind == polars.Int64:
            most = MOST_LEVELS if name in ("level", "layer") else LARGEST
            fine = column.is_between(1 if name == "layer" else 0, most)
        else:
            fine = polars.lit(True)
        return fine.fill_null(name not in REQUIRED)

    right = {name: possible(name, kind) for name, kind in table.schema.items()}
    verdicts = table.select(expression.all().alias(name) for name, expression in right.items()).row(
        0, named=True
    )
    for name, verdict in verdicts.items():
        if not verdict:
            return f"{name} is {table.filter(~right[name])[name][0]}"
    return ""
