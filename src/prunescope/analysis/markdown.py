"""This module writes tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(heading: Sequence[str], rows: Iterable[Sequence[str]] = (), right: int = 0) -> str:
    """Return a table of cells that are texts in Markdown, without the end of its last line.

    ``right``: how many of the last columns are set against their right edge. Without rows it is the heading and the
    ruler, which ``markdown_line`` goes on with.
    """
    ruler = ["---"] * (len(heading) - right) + ["---:"] * right
    return "\n".join(map(markdown_line, (heading, ruler, *rows)))


def markdown_line(cells: Sequence[str]) -> str:
    """Return a line of a table, without its end."""
    return f"| {' | '.join(cells)} |"


def in_markdown(text: str) -> str:
    """Return a text as a cell, in which no name ends the cell or the line, or is HTML."""
    return " ".join(text.splitlines()).replace("|", "\\|").replace("<", "&lt;")
