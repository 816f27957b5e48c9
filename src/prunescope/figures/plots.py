"""Figures as values of matplotlib, for notebooks: those of the registry, and of a mask alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from prunescope.analysis.groups import FigureOptions
from prunescope.digits import numbers_of
from prunescope.figures.parts.drawing import Drawing, rendered
from prunescope.figures.parts.notes import figure_notes, write_below
from prunescope.figures.parts.style import COLUMN, PAGE, STYLE, frame, grid
from prunescope.figures.parts.texts import make_drawable, quiet_about_glyphs
from prunescope.figures.registry import FigureSpec
from prunescope.mask import ImageShape, Mask

if TYPE_CHECKING:
    from prunescope.runs.directory import Run

SCREEN_DPI = 150
MASKS, COLUMNS = 30, 10
LARGEST = 600  # rows and columns of a picture of a whole mask


@contextmanager
def in_style() -> Iterator[None]:
    """Draw in the style of the figures inside the ``with`` block; matplotlib's settings are the user's own after it."""
    with rc_context(STYLE), quiet_about_glyphs():
        yield


def drawing(
    spec: FigureSpec,
    runs: Sequence[Run],
    levels: Sequence[int] | int | None,
    nodes: Sequence[int] | int | None,
) -> Drawing:
    """Draw a figure of the registry with the notes that belong to it; ``levels`` and ``nodes`` as for ``draw``."""
    module, function = spec.source.split(":")
    make = getattr(import_module(f"prunescope.figures.{module}"), function)
    options = FigureOptions(numbers_of("levels", levels), numbers_of("nodes", nodes))
    drawn: Drawing = make(list(runs), options)
    return replace(drawn, notes=(*drawn.notes, *figure_notes(spec, runs, options)))


class NotebookFigure(Figure):
    """A figure that a notebook shows without pyplot, and that is saved with the notes below it.

    ``box``: its edges in inches with the notes; None without a note.
    """

    box: Bbox | None = None

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save the figure, as matplotlib does, with its notes."""
        with rc_context(STYLE), quiet_about_glyphs():
            super().savefig(fname, **({"bbox_inches": self.box} | options))

    def get_tightbbox(
        self, renderer: Any = None, *, bbox_extra_artists: Iterable[Artist] | None = None
    ) -> Bbox:
        """Return the edges of what is drawn, in inches, the notes among it: by these pyplot's own notebook backend cuts."""
        return self.box or super().get_tightbbox(renderer, bbox_extra_artists=bbox_extra_artists)

    def _repr_png_(self) -> bytes:
        return rendered(self, format="png", dpi=SCREEN_DPI)


def finished(drawn: Drawing) -> Figure:
    """Return the figure of a drawing with its notes below it, as one that notebooks show."""
    figure = drawn.figure
    make_drawable(figure)
    box = write_below(figure, drawn.notes)
    make_drawable(figure)  # the notes too
    figure.__class__ = NotebookFigure
    assert isinstance(figure, NotebookFigure)
    figure.box = box
    return figure


def mask_figure(mask: Mask, shape: ImageShape | None = None) -> Figure:
    """Draw a mask; see ``Mask.plot``."""
    with in_style():
        drawn = _whole(mask) if shape is None else _nodes(mask, shape)
        return finished(Drawing(drawn, {}))


def _nodes(mask: Mask, shape: ImageShape) -> Figure:
    """Draw the masks of the most connected units as images, each under its fan-in."""
    from prunescope.figures.parts.sheets import mask_sheet
    from prunescope.figures.parts.tiles import stacked
    from prunescope.observables import most_connected

    mask.images(shape)  # refuses a shape that does not fit
    nodes = most_connected(mask, MASKS)
    title = f"the {len(nodes)} most connected of {mask.n_out} units, with their fan-in"
    return stacked([mask_sheet(title, mask.array[nodes], shape, columns=COLUMNS)], PAGE)


def _whole(mask: Mask) -> Figure:
    """Draw all of a mask: units from top to bottom, inputs from left to right, blocks of weights where it is large."""
    from prunescope.observables.downscaling import block_means

    shares = block_means(mask.array, LARGEST, LARGEST)
    figure = Figure(figsize=(COLUMN, 0.4 + COLUMN * min(1.5, max(0.3, mask.n_out / mask.n_in))))
    axes = grid(figure, 1, 1)[0, 0]
    axes.imshow(shares, cmap="gray", vmin=0, vmax=shares.max() or 1, aspect="auto", interpolation="nearest")
    frame(axes)
    axes.set(xlabel=f"{mask.n_in:,} inputs", ylabel=f"{mask.n_out:,} units")
    white = "kept" if shares.max() == 1 else f"{100 * shares.max():.3g} % kept"
    axes.set_title(f"{mask.kept:,} kept, density {100 * mask.density:.3g} % (white: {white})")
    return figure
