"""What a run shows of itself in a notebook, while it is trained too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prunescope.analysis.formats import number, percent
from prunescope.analysis.groups import groups
from prunescope.analysis.input_wording import images_of
from prunescope.analysis.nulls import earlier_nulls
from prunescope.errors import InputError
from prunescope.notebook.markup import card, heading, line, table, text
from prunescope.notebook.masks import nodes_html
from prunescope.runs.columns import find_column, shown_on
from prunescope.runs.directory import Run

LEVELS = 24  # rows of the table; earlier levels are counted


def run_html(run: Run) -> str:
    """Return a run as HTML: what it is, its levels, and masks of its first layer.

    A part that cannot be read, because it is damaged or just being written, is a line that says so.
    """
    return card(_or_why(part, run) for part in (_title, _levels, _masks))


def _or_why(part: Callable[[Run], str], run: Run) -> str:
    """Return a part of a run, or why it cannot be shown."""
    try:
        return part(run)
    except (InputError, OSError) as error:
        return line(text(error), muted=True)


def _title(run: Run) -> str:
    record = run.record
    parts = [
        heading(record.name, f"seed {record.seed}, {record.status}"),
        line(text(run.path), muted=True),
    ]
    for said in (record.error, record.ended):
        if said:
            parts.append(line(text(said)))
    return "".join(parts)


def _levels(run: Run) -> str:
    if not run.levels:
        return line("no level is finished yet", muted=True)
    first = run.table.filter(layer=1).sort("level").to_dicts()
    notes = [f"accuracies are on {images_of([run], 'validation')}", earlier_nulls([run])]
    return level_table(first) + "".join(line(text(note), muted=True) for note in notes if note)


def level_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of levels that live views have; ``rows``: those of the first layer, in their order."""
    columns = [find_column("level"), *shown_on("live")]
    titles = [f"{column.title} of layer 1" if column.of == "layer" else column.title for column in columns]
    cells = (
        [text(number(row.get(column.name), column.format)) for column in columns] for row in rows[-LEVELS:]
    )
    left_out = len(rows) - LEVELS
    above = line(f"{left_out} earlier levels are not shown", muted=True) if left_out > 0 else ""
    return above + table(titles, cells)


def _masks(run: Run) -> str:
    if not run.levels:
        return ""
    level, why = groups([run])[0].told_level()
    if run.experiment.data.geometry == "none":
        return ""
    mask = run.mask(level)
    u = run.table.filter(level=level)["nominal_density"][0]
    told = f"masks of the most connected of {mask.n_out} first-layer nodes at level {level}, u = {percent(u)} ({why})"
    return nodes_html(mask, run.shape) + line(text(told), muted=True)
