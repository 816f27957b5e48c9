"""This module draws the most connected nodes over the levels, as movies and as a strip (the paper's videos)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars
from matplotlib.figure import Figure

from prunescope.analysis.formats import percent
from prunescope.analysis.groups import FigureOptions, Group, given_nodes, groups, shown_levels
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.movie import Frame, FrameContent, Layout, Movie, frame
from prunescope.figures.parts.pictures import Picture, height_over_width, mask_picture, weight_picture
from prunescope.figures.parts.series import AXIS, is_series, moving_picture, moving_shape, time_axis
from prunescope.figures.parts.style import PAGE
from prunescope.figures.parts.tiles import GAP, Position, blank, place, write
from prunescope.observables import mask_image, most_connected, weight_image
from prunescope.runs.directory import Run

NODES = 40
STRIP_NODES, STRIP_LEVELS = 6, 9
Frames = Callable[[int, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class MaskMovie:
    """The nodes and levels that the movies show, with masks bool and masked weights float32 [levels, nodes, n0]."""

    group: Group
    levels: list[int]
    nodes: np.ndarray
    masks: np.ndarray
    weights: np.ndarray

    def mask_picture(self, level: int, node: int) -> np.ndarray:
        """Return the mask of a node as a picture [H, W, 3]; level and node are indices in ``levels`` and ``nodes``."""
        shape = self.group.runs[0].shape
        if is_series(shape):
            return moving_picture(self.masks[level, node], shape)
        return mask_image(self.masks[level, node], shape)

    def weight_picture(self, level: int, node: int) -> np.ndarray:
        """Return the masked weights of a node as a picture [H, W, 3]; arguments are as in mask_picture.

        Zero is grey in all pictures, so that the background does not change between levels.
        """
        shape = self.group.runs[0].shape
        if is_series(shape):
            return moving_picture(self.weights[level, node], shape)
        return weight_image(self.weights[level, node], self.masks[level, node], shape, symmetric=True)

    def mask_tile(self, level: int, node: int) -> Picture:
        """Return the mask of a node as a tile of the strip; arguments are as in mask_picture."""
        return mask_picture(self.masks[level, node], self.group.runs[0].shape)

    def weight_tile(self, level: int, node: int) -> Picture:
        """Return the masked weights of a node as a tile of the strip; arguments are as in mask_picture."""
        shape = self.group.runs[0].shape
        return weight_picture(self.weights[level, node], self.masks[level, node], shape, symmetric=True)


def figure_videos(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw movies of the masks and the masked weights of up to 40 first-layer nodes, and a strip of some of them.

    The nodes are ``options.nodes``, by default the most connected at the level of best accuracy; the levels are
    ``options.levels``, by default all. Numbers are fan-ins. Data: levels, nodes, fan_in [levels, nodes], masks
    and weights [levels, nodes, C, H, W].
    """
    reel = _reel(runs[0], options)
    kinds = {"masks": reel.mask_picture, "weights": reel.weight_picture}
    movies = tuple(Movie(name, _frames(reel, name, picture)) for name, picture in kinds.items())
    shape = (len(reel.levels), len(reel.nodes), *runs[0].shape)
    data = {
        "levels": np.array(reel.levels),
        "nodes": reel.nodes,
        "fan_in": reel.masks.sum(axis=-1),
        "masks": reel.masks.reshape(shape),
        "weights": reel.weights.reshape(shape),
    }
    return Drawing(_strip(reel), data, movies)


def _reel(run: Run, options: FigureOptions) -> MaskMovie:
    group = groups([run])[0]
    levels = group.densest_first() if options.levels is None else shown_levels(group, options)
    nodes = given_nodes(run, options)
    if nodes is None:
        best = run.mask(group.shown_level()[0])
        nodes = most_connected(best, Layout.of(min(NODES, best.n_out), *moving_shape(run.shape)).count)
    masks = np.stack([run.mask(level).array[nodes] for level in levels])
    weights = np.stack([run.model(level).layers[0].weight[nodes] for level in levels])
    return MaskMovie(group, levels, nodes, masks, weights * masks)


def _frames(reel: MaskMovie, name: str, picture: Frames) -> Callable[[], Iterator[Frame]]:
    table = reel.group.table.filter(polars.col("layer") == 1).sort("level")
    table = table.filter(polars.col("level").is_in(reel.levels))
    accuracy = dict(zip(table["level"], table["best_val_accuracy"], strict=True))
    accuracies = np.array([accuracy[level] for level in reel.levels], np.float64)
    what = {"masks": "masks", "weights": "masked weights"}[name]
    layout = Layout.of(len(reel.nodes), *moving_shape(reel.group.runs[0].shape), fewest=len(reel.nodes))
    subtitle = f"{reel.group.label}: {what} of {layout.count} first-layer nodes, with their $C_{{in}}$"

    def frames() -> Iterator[Frame]:
        for now, level in enumerate(reel.levels):
            pictures = [picture(now, node) for node in range(layout.count)]
            captions = [str(count) for count in reel.masks[now, : layout.count].sum(axis=1)]
            title = reel.group.title(level)
            yield frame(layout, FrameContent(title, subtitle, pictures, captions, accuracies, now))

    return frames


def _strip(reel: MaskMovie) -> Figure:
    """Return a figure of masks above and masked weights below, with nodes in rows and levels in columns."""
    chosen = np.unique(
        np.linspace(0, len(reel.levels) - 1, min(STRIP_LEVELS, len(reel.levels))).round().astype(int)
    )
    rows = min(STRIP_NODES, len(reel.nodes))
    left, top = 0.42, 0.38
    shape = reel.group.runs[0].shape
    axis = AXIS if is_series(shape) else 0.0
    side = min(0.9, (PAGE - left) / len(chosen) - GAP)
    step = side * height_over_width(shape) + GAP
    width = max(2.5, left + len(chosen) * (side + GAP))
    figure, axes = blank(width, 2 * (top + rows * step + axis) + GAP)
    for block, (name, picture) in enumerate(
        (("masks", reel.mask_tile), ("masked weights", reel.weight_tile))
    ):
        above = block * (top + rows * step + axis)
        write(axes, GAP, above + 0.17, f"{name}, nodes in rows", ha="left", va="baseline")
        for column, place_of_level in enumerate(chosen):
            x = left + column * (side + GAP)
            density = percent(reel.group.density(reel.levels[place_of_level]))
            write(axes, x + side / 2, above + top - 0.03, f"$u$ = {density}", fontsize=6)
            for row in range(rows):
                position = Position(x, above + top + row * step, side)
                place(axes, picture(int(place_of_level), row), position)
            if is_series(shape):
                corner = x, above + top + rows * step - GAP
                time_axis(axes, corner, side, shape[2], words=column == 0)
        for row in range(rows):
            write(
                axes,
                left - 0.05,
                above + top + (row + 0.5) * step,
                str(reel.nodes[row]),
                ha="right",
                va="center",
            )
    return figure
