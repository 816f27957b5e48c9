"""These functions make the notes below a figure: what its accuracies, its layer and its levels are."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from prunescope.analysis.formats import percent
from prunescope.analysis.groups import FigureOptions, Group, groups
from prunescope.analysis.input_wording import images_of
from prunescope.figures.parts.style import MUTED

if TYPE_CHECKING:
    from prunescope.figures.registry import FigureSpec, Rule
    from prunescope.runs.directory import Run

SIZE = 5.5  # points
LINE, MARGIN = 0.11, 0.06  # inches: the height of a line, and what is left beside the text
FIXED = "\u00a0"  # a space at which no line ends
CHARACTER = 0.039  # inches, the mean width of a character of this size


def figure_notes(spec: FigureSpec, runs: Sequence[Run], options: FigureOptions) -> tuple[str, ...]:
    """Return what a reader of a figure of these runs has to know beside its titles and axes, in sentences."""
    if not runs or not (spec.accuracies or spec.first_layer or spec.levels):
        return ()
    found = groups(runs[:1] if spec.one_run else runs)
    notes = []
    if spec.accuracies:
        shown = [run for group in found for run in group.runs]
        same = ", the same for all seeds" if any(len(group.runs) > 1 for group in found) else ""
        notes.append(f"Accuracies are on {images_of(shown, 'validation')}{same}.")
    if spec.first_layer:
        notes.append("Masks are those of layer 1, the first hidden layer.")
    if spec.levels and options.levels is None:
        notes += _level_notes(found, spec.levels)
    return tuple(notes)


def _level_notes(found: Sequence[Group], rule: Rule) -> list[str]:
    """Return why each group is shown at its level; of several groups only those that are not at their best level."""
    notes = []
    for group in found:
        level, why = group.told_level() if rule == "told" else group.shown_level()
        where = f"level {level} (u = {percent(group.density(level))})".replace(" ", FIXED)
        if len(found) > 1 and level != group.best_level():
            notes.append(f"{group.label} is at {where}: {why}.")
        elif len(found) == 1:
            around = "Levels are chosen around" if rule == "around" else "Shown is"
            notes.append(f"{around} {where}: {why}.")
    return notes


def write_below(figure: Figure, notes: Sequence[str]) -> Bbox | None:
    """Write notes below a figure, in small grey lines, and return the figure's box with them, in inches.

    The figure itself stays as it is: the notes lie below its lower edge. It is None without a note.
    """
    if not notes:
        return None
    width, height = figure.get_size_inches()
    _hold_legends(figure)
    lines = textwrap.wrap(" ".join(notes), max(20, int((width - 2 * MARGIN) / CHARACTER)))
    below = MARGIN + LINE * len(lines)
    text = "\n".join(lines)
    figure.text(
        MARGIN / width, -0.02 / height, text, va="top", color=MUTED, fontsize=SIZE, linespacing=1.25
    ).set_in_layout(False)
    return Bbox.from_bounds(0, -below, width, height + below)


def _hold_legends(figure: Figure) -> None:
    """Fix the legends outside of the axes where the layout puts them, which would follow the lower edge otherwise."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for legend in figure.legends:
        corner = legend.get_window_extent().transformed(figure.transFigure.inverted()).p0
        legend.set_loc("lower left")
        legend.borderaxespad = 0
        legend.set_bbox_to_anchor(tuple(corner), transform=figure.transFigure)
