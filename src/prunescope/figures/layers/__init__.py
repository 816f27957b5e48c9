"""These figures show the layers of a network that was pruned anywhere. Importing this imports no matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.digits import numbers_of
from prunescope.errors import InputError, did_you_mean
from prunescope.figures.figure_files import check_figure_place, file_stem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from prunescope.figures.parts.drawing import Drawing
    from prunescope.layers import ObservedNetwork

PREFIX = "layers-"


@dataclass(frozen=True)
class LayersFigure:
    """A figure of a network's layers: what it shows, and the function that draws it, ``module:function`` in this package."""

    id: str
    title: str
    source: str


LAYER_FIGURES = {
    f"{PREFIX}{name}": LayersFigure(f"{PREFIX}{name}", title, source)
    for name, title, source in (
        ("densities", "Densities of the layers by depth", "densities:draw_densities"),
        ("ranking", "How far each layer lies from chance", "ranking:draw_ranking"),
        ("connections", "Fan-in and fan-out beside random pruning", "connections:draw_connections"),
        ("kinds", "Kernel positions, heads and gates", "kinds:draw_kinds"),
    )
}


def draw_layers(
    figure_id: str, observed: ObservedNetwork, out: Path, *, layers: Sequence[int] | None = None
) -> list[Path]:
    """Draw a figure of a network's layers into folder ``out`` as PDF and PNG (300 dpi), with its data (CSV or NPZ).

    ``figure_id``: a name of LAYER_FIGURES, with or without "layers-". ``layers``: numbers of the layers shown, 1 for the
    first, where a figure shows chosen ones; by default the farthest from their null. Returns the paths written. Raises
    InputError for an unknown figure, layers that do not exist, and a folder that cannot be written.
    """
    from prunescope.figures.parts.drawing import write
    from prunescope.figures.plots import in_style

    figure = find_layers_figure(figure_id)
    check_figure_place(Path(out), figure.id)
    with in_style():
        return write(_drawing(figure, observed, layers), Path(out), file_stem(figure.id))


def plot_layers(
    observed: ObservedNetwork, figure_id: str = "ranking", layers: Sequence[int] | int | None = None
) -> Figure:
    """Draw a figure, as ``draw_layers`` does, and return it with the notes below it; no file is written."""
    from prunescope.figures.plots import finished, in_style

    with in_style():
        return finished(_drawing(find_layers_figure(figure_id), observed, layers))


def find_layers_figure(figure_id: str) -> LayersFigure:
    """Return the figure of this id, with or without "layers-". Raises InputError for an unknown one."""
    figure_id = str(figure_id)
    found = LAYER_FIGURES.get(figure_id) or LAYER_FIGURES.get(f"{PREFIX}{figure_id}")
    if found is None:
        near = did_you_mean(figure_id, LAYER_FIGURES, "it is none of them")
        raise InputError(f"unknown figure {figure_id!r} of layers: {near} ({', '.join(LAYER_FIGURES)})")
    return found


def _drawing(figure: LayersFigure, observed: ObservedNetwork, layers: Sequence[int] | int | None) -> Drawing:
    numbers = numbers_of("layers", layers)
    for number in numbers or ():
        if not 1 <= number <= len(observed):
            raise InputError(f"{observed.source}: no layer {number}; it has {len(observed)}, 1 is the first")
    module, _, function = figure.source.partition(":")
    make = getattr(import_module(f"prunescope.figures.layers.{module}"), function)
    chosen = None if numbers is None else [observed[number - 1] for number in numbers]
    drawn: Drawing = make(observed, chosen)
    return drawn
