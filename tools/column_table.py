"""Write the documentation's table of columns from the registry: `python tools/column_table.py`."""

from __future__ import annotations

from pathlib import Path

from prunescope.analysis.markdown import markdown_line, markdown_table
from prunescope.runs.columns import Column, columns

PAGE = Path(__file__).parents[1] / "docs" / "columns.md"
HEADING = markdown_table(["column", "type", "of", "unit", "what it is", "shown on"]) + "\n"


def table() -> str:
    """Return a Markdown table of every column, in the order of the file."""
    return HEADING + "".join(_line(column) for column in columns())


def _line(column: Column) -> str:
    places = ", ".join(sorted(column.on))
    cells = [f"`{column.name}`", column.kind, column.of, column.unit, column.description, places]
    return f"{markdown_line(cells)}\n"


def main() -> None:
    """Replace the table on the page."""
    before, _, _ = PAGE.read_text("utf-8").partition(HEADING)
    PAGE.write_text(before + table(), "utf-8")


if __name__ == "__main__":
    main()
