"""These functions draw runs on rotated images, on images of 64×64 pixels and on translated ones.

They are the paper's Figs. 20, 21 and 22.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunescope.analysis.curves import summary
from prunescope.analysis.directions import angular_density
from prunescope.analysis.groups import FigureOptions, Group, one_group, shown_levels
from prunescope.analysis.locality import summed_locality
from prunescope.errors import InputError
from prunescope.figures.parts.angles import draw_angles
from prunescope.figures.parts.curves import draw_curve, table_arrays
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.lags import chance
from prunescope.figures.parts.locality_maps import draw_pairs, label_pairs
from prunescope.figures.parts.series import is_series
from prunescope.figures.parts.sheets import mask_sheet, weight_sheet
from prunescope.figures.parts.style import BLUE, PAGE, density_axis
from prunescope.figures.parts.tiles import (
    Position,
    Sheet,
    axes_at,
    blank,
    draw_tile_sheet,
    panel,
    tile_sheet_height,
    write,
)
from prunescope.model import Arrays
from prunescope.observables import Locality, most_connected
from prunescope.runs.directory import Run

ROTATED_MASKS, LARGE_MASKS, TRANSLATED_MASKS = 48, 90, 200
# Inches: a map's width, the gap below it, the baseline of titles, the width of labels, the tops of maps and sheets.
MAP, BETWEEN, HEAD, LEFT, TOP, SHEETS = 1.3, 0.08, 0.27, 0.5, 0.35, 2.1
LEAST_WITH_UNIT = 0.9  # Inches: the height of a map from which the label beside it holds its unit.
NAMES = {"same": "$S_{sc}$", "different": "$S_{dc}$"}


@dataclass(frozen=True, eq=False)
class ShownExperiment:
    """An experiment at the level that a figure shows, with S(d) summed over its seeds and nodes of its first seed."""

    group: Group
    level: int
    pairs: Locality
    nodes: np.ndarray

    @property
    def run(self) -> Run:
        """The run whose nodes are shown."""
        return self.group.runs[0]

    @property
    def title(self) -> str:
        """The level's title, such as ``u = 2.8 %, level 10``."""
        return self.group.title(self.level)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the S(d) to draw; images of one channel have no S_dc."""
        return ("same", "different") if self.run.shape[0] > 1 else ("same",)

    def sheet(
        self, columns: int, remark: str = "", *, weighted: bool = False, captions: bool = True
    ) -> Sheet:
        """Return a sheet of the nodes' masks, or of their masked weights with ``weighted``.

        ``columns``: the pictures in a row; ``remark``: added to the title of masks; ``captions``: whether fan-ins
        are written above the pictures.
        """
        mask, shape = self.run.mask(self.level), self.run.shape
        masks = mask.array[self.nodes]
        if weighted:
            weights = self.run.model(self.level).layers[0].weight[self.nodes]
            return weight_sheet("the same, masked weights", weights, masks, shape, columns)
        title = f"masks of the {len(self.nodes)} most connected of {mask.n_out} nodes" + f", {remark}" * bool(
            remark
        )
        return mask_sheet(title, masks, shape, columns, captions=captions)

    def arrays(self) -> Arrays:
        """Return the numbers shown: level, S(d), and nodes, fan_in and masks [K, C, H, W]."""
        mask = self.run.mask(self.level)
        return {
            "level": np.array(self.level),
            "same": self.pairs.same,
            "different": self.pairs.different,
            "nodes": self.nodes,
            "fan_in": mask.fan_in[self.nodes],
            "masks": mask.images(self.run.shape)[self.nodes],
        }


def figure_20(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw S_sc and S_dc (a), the masks of the 48 most connected nodes (b), and pairs by direction (c).

    The level is that of best accuracy. Dashed lines are the axes of the images, turned by data.rotate. In c, 1 is
    isotropic and the grey band the mean ± 2 sd of 50 masks shuffled at matched fan-in. Data: S(d), pairs by
    direction, masks. Raises InputError for series. Paper Fig. 20.
    """
    shown = _shown(runs, options, "20", ROTATED_MASKS)
    if is_series(shown.run.shape):
        raise InputError(
            f"{shown.run.path}: its inputs are series, which have no directions; figure 20 needs images"
        )
    turned = shown.run.experiment.data.rotate
    arms = directions(turned, mirrored=shown.run.experiment.data.flip)
    tall = _map_height(shown)
    x, below = LEFT + MAP + 0.2, TOP + len(shown.kinds) * (tall + BETWEEN)
    rotation = f"images rotated by {turned:g}°" if turned else "images not rotated"
    sheet, width = shown.sheet(8, rotation), PAGE - LEFT - MAP - 0.2
    figure, page = blank(PAGE, max(below + 1.45, TOP + tile_sheet_height(sheet, width)))
    for row, kind in enumerate(shown.kinds):
        axes = axes_at(figure, LEFT, TOP + row * (tall + BETWEEN), MAP, tall)
        _draw_map(axes, shown, kind, bottom=kind == shown.kinds[-1], left=True)
        # Beside a flat map the unit has no place; the label below the maps tells it.
        axes.set_ylabel(
            f"{NAMES[kind]},  $d_y$ (pixels)" if tall >= LEAST_WITH_UNIT else f"{NAMES[kind]}, $d_y$"
        )
        _draw_axes(axes, arms)
    density = angular_density(shown.group, shown.level)
    draw_angles(axes_at(figure, LEFT, below + 0.5, MAP, 0.6), density, arms)
    draw_tile_sheet(page, sheet, Position(x, 0.1, width), "b")
    panel(page, 0.05, HEAD, "a")
    panel(page, 0.05, below + 0.42, "c")
    write(page, 0.25, HEAD, shown.title, ha="left", va="baseline")
    return Drawing(
        figure, shown.arrays() | {f"angles_{name}": value for name, value in vars(density).items()}
    )


def figure_21(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw accuracy against u (a), S_sc and S_dc (b) and the 90 most connected masks (c) of larger images.

    b and c are at the level of best accuracy, the square in a. Data: the curve, S(d), masks. Paper Fig. 21.
    """
    shown = _shown(runs, options, "21", LARGE_MASKS)
    sheet = shown.sheet(15)
    figure, page, curve = _curve_and_maps(shown, shown.kinds, tile_sheet_height(sheet, PAGE))
    draw_tile_sheet(page, sheet, Position(0, SHEETS, PAGE), "c")
    return Drawing(figure, shown.arrays() | curve)


def figure_22(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw accuracy against u (a), S_sc (b), the 200 most connected masks (c) and their masked weights (d).

    b to d are at the level of best accuracy, the square in a. Data: the curve, S(d), masks, weights. Paper Fig. 22.
    """
    shown = _shown(runs, options, "22", TRANSLATED_MASKS)
    sheets = [shown.sheet(20, captions=False), shown.sheet(20, captions=False, weighted=True)]
    heights = [tile_sheet_height(sheet, PAGE) for sheet in sheets]
    figure, page, curve = _curve_and_maps(shown, ("same",), sum(heights))
    for letter, sheet, top in zip("cd", sheets, (SHEETS, SHEETS + heights[0]), strict=True):
        draw_tile_sheet(page, sheet, Position(0, top, PAGE), letter)
    weight = shown.run.model(shown.level).layers[0].weight * shown.run.mask(shown.level).array
    weights = weight[shown.nodes].reshape(-1, *shown.run.shape)
    return Drawing(figure, shown.arrays() | curve | {"weights": weights})


def _shown(runs: Sequence[Run], options: FigureOptions, figure: str, masks: int) -> ShownExperiment:
    group = one_group(runs, figure)
    level = shown_levels(group, options)[0] if options.levels is not None else group.shown_level()[0]
    nodes = most_connected(group.runs[0].mask(level), masks)
    return ShownExperiment(group, level, summed_locality(group, level), nodes)


def _curve_and_maps(
    shown: ShownExperiment, kinds: Sequence[str], below: float
) -> tuple[Figure, Axes, Arrays]:
    """Return a page with the accuracy curve and maps of S(d), ``below`` inches left under them, and the curve."""
    figure, page = blank(PAGE, SHEETS + below)
    table = summary([shown.group])
    left = PAGE - len(kinds) * (MAP + 0.12) - 0.45
    axes = axes_at(figure, LEFT, TOP, left - LEFT - 0.75, MAP)
    draw_curve(axes, table, "best_val_accuracy", scale=100, color=BLUE)
    best = table.filter(polars.col("level") == shown.level)
    axes.plot(best["nominal_density"], 100 * best["best_val_accuracy_mean"], "s", ms=8, mfc="none", mec=BLUE)
    dense = table.filter(polars.col("level") == 0)
    for accuracy in dense["best_val_accuracy_mean"]:
        axes.axhline(100 * accuracy, color=BLUE, lw=0.7, ls="--", alpha=0.6, zorder=1)
        right = axes.get_yaxis_transform()
        axes.text(
            1, 100 * accuracy, "dense", transform=right, ha="right", va="bottom", color=BLUE, fontsize=6
        )
    density_axis(axes, table["nominal_density"].to_list())
    axes.set_ylabel("best validation accuracy (%)")
    axes.set_title(f"{shown.group.label}, {shown.group.n}")
    for column, kind in enumerate(kinds):
        map_axes = axes_at(figure, left + column * (MAP + 0.12) + 0.4, TOP, MAP, _map_height(shown))
        _draw_map(map_axes, shown, kind, bottom=True, left=column == 0)
        map_axes.set_title(f"{NAMES[kind]}, {shown.title}" if column == 0 else NAMES[kind])
    panel(page, 0.05, HEAD, "a")
    panel(page, left, HEAD, "b")
    return figure, page, table_arrays("curve", table)


def _map_height(shown: ShownExperiment) -> float:
    rows, columns = shown.pairs.same.shape
    if is_series(shown.run.shape):
        return MAP
    return MAP * max(0.3, min(1.0, rows / columns))


def _draw_map(axes: Axes, shown: ShownExperiment, kind: str, *, bottom: bool, left: bool) -> None:
    values = getattr(shown.pairs, kind)
    null = chance([run.mask(shown.level) for run in shown.group.runs], shown.run.shape)
    of_kind = None if null is None else getattr(null, kind)
    draw_pairs(axes, values, without_centre=kind == "same", null=of_kind)
    axes.set_anchor("NW")
    label_pairs(axes, values, bottom=bottom, left=left)
    if null is not None:
        axes.legend(loc="upper right", fontsize=5)
        return
    note = f"max {values.max():,}".replace(",", "\u2009")
    axes.text(0.97, 0.03, note, transform=axes.transAxes, ha="right", va="bottom", color="w", fontsize=5.5)


def directions(turned: float, *, mirrored: bool) -> list[float]:
    """Return the directions of the axes of images that are turned by ``turned`` degrees, from 0 to below 180.

    ``mirrored``: whether training mirrors half of the images, which adds the mirrored directions.
    """
    return sorted(
        {(sign * turned + right) % 180 for sign in ((1, -1) if mirrored else (1,)) for right in (0, 90)}
    )


def _draw_axes(axes: Axes, arms: Sequence[float]) -> None:
    """Draw the directions of the images' own axes near the edge of the map, where there are few pairs."""
    for angle in np.radians([*arms, *(arm + 180 for arm in arms)]):
        direction = np.array([np.cos(angle), -np.sin(angle)])
        far = min(np.abs(axes.get_xlim()).max(), np.abs(axes.get_ylim()).max()) / np.abs(direction).max()
        axes.plot(*np.outer(direction, [0.62 * far, 0.8 * far]), color="w", lw=0.9, ls=(0, (2, 1.5)))
