"""These functions draw inputs that are series, of shape (C, 1, L): time along x, one row for each channel.

An image of one row of pixels has such a shape too and is drawn in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from prunescope.figures.parts.style import BLUE, FAINT, INK, MUTED, PALETTE, VERMILION
from prunescope.mask import ImageShape

# The height of a tile over its width: of one channel, of each further one, and at most.
FIRST, FURTHER, TALLEST = 0.4, 0.18, 1.6
# The height in inches that an axis of time takes below a tile.
AXIS = 0.17
# The same below a raster, where it is named.
RASTER_AXIS = 0.3
# Inches: the height of a raster without labels, at most, and of a row with one, at least.
TALLEST_RASTER, LEAST_LABELLED = 4.5, 0.085
# What the horizontal axis of time is called.
TIME = "time (samples)"


def is_series(shape: ImageShape) -> bool:
    """Return whether inputs of this shape have one dimension of space."""
    return shape[1] == 1


def tile_ratio(shape: ImageShape) -> float:
    """Return the height over the width of a tile that shows a series of this shape."""
    return min(TALLEST, FIRST + FURTHER * (shape[0] - 1))


def columns_for(shape: ImageShape, columns: int) -> int:
    """Return the tiles in a row where images have ``columns``: half as many for series, which need the width."""
    return max(1, columns // 2) if is_series(shape) else columns


def channel_colour(channel: int, channels: int) -> str:
    """Return the colour of a channel among so many; a single one is black."""
    return INK if channels == 1 else PALETTE[channel % len(PALETTE)]


@dataclass(frozen=True, eq=False)
class SeriesPicture:
    """A series, or something of its shape, as a tile: ``values`` [C, L] drawn over time, a row for each channel.

    ``kind`` says what they are: a mask, whose kept samples are bars; weights, which are areas from zero on one scale
    for all channels, in two colours for the two signs; or values in 0 to 1, which are curves.
    """

    values: np.ndarray
    kind: Literal["mask", "weights", "values"]

    @property
    def shape(self) -> tuple[float, float]:
        """The height and the width of the tile, up to a factor; only their ratio is used."""
        return tile_ratio((len(self.values), 1, self.values.shape[1])), 1.0

    def draw(self, axes: Axes, corner: tuple[float, float], width: float) -> None:
        """Draw the tile on a page whose unit is an inch, y pointing down; ``corner`` is its upper left one."""
        x, y = corner
        channels, length = self.values.shape
        row = width * self.shape[0] / channels
        edges = x + width * np.arange(length + 1) / length
        axes.add_patch(
            Rectangle((x, y), width, row * channels, facecolor="w", edgecolor=FAINT, linewidth=0.4)
        )
        largest = float(np.abs(self.values).max()) or 1.0
        for channel, values in enumerate(self.values):
            top, colour = y + channel * row, channel_colour(channel, channels)
            if channel:
                axes.plot([x, x + width], [top, top], color=FAINT, lw=0.4, zorder=1.5)
            if self.kind == "mask":
                _bars(axes, edges, values, (top + 0.12 * row, row * 0.76), color=colour)
            elif self.kind == "weights":
                _areas(axes, edges, values / largest, top, row)
            else:
                middles = (edges[1:] + edges[:-1]) / 2
                axes.plot(middles, top + row * (0.92 - 0.84 * values), color=colour, lw=0.6, zorder=2)


def _bars(axes: Axes, edges: np.ndarray, kept: np.ndarray, place: tuple[float, float], *, color: str) -> None:
    """Draw a bar for each stretch of kept samples; ``place`` is the top and the height of the bars in inches."""
    top, height = place
    steps = np.diff(np.concatenate([[0], kept.astype(np.int8), [0]]))
    for start, end in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True):
        bar = Rectangle((edges[start], top), edges[end] - edges[start], height, fc=color, lw=0, zorder=2)
        axes.add_patch(bar)


def _areas(axes: Axes, edges: np.ndarray, shares: np.ndarray, top: float, row: float) -> None:
    """Draw areas between zero, the line in the middle of the row, and values in -1 to 1, positive ones upwards."""
    zero = top + row / 2
    axes.plot(edges[[0, -1]], [zero, zero], color=MUTED, lw=0.3, zorder=1.6)
    for sign, colour in ((1, VERMILION), (-1, BLUE)):
        heights = zero - 0.46 * row * np.clip(sign * shares, 0, None) * sign
        axes.fill_between(
            edges, np.append(heights, heights[-1]), zero, step="post", color=colour, lw=0, zorder=2
        )


def time_axis(
    axes: Axes, corner: tuple[float, float], width: float, length: int, *, words: bool = True
) -> None:
    """Draw the axis of time below a tile whose lower left corner this is, from 0 to its number of samples."""
    x, y = corner
    for place, sample, side in ((0, 0, "left"), (1, length, "right")):
        at = x + place * width
        axes.plot([at, at], [y, y + 0.025], color=MUTED, lw=0.4)
        axes.text(at, y + 0.1, str(sample), ha=side, va="baseline", fontsize=4.5, color=MUTED)
    if words:
        axes.text(x + width / 2, y + 0.1, "samples", ha="center", va="baseline", fontsize=4.5, color=MUTED)


@dataclass(frozen=True, eq=False)
class SeriesRaster:
    """Masks or weights of many nodes as one picture of a page: [K, C, L] with time along x, and a row for each node.

    Each row holds a line for each channel, in its colour. ``labels`` stand left of the rows, where there are any.
    """

    values: np.ndarray
    labels: Sequence[str] = ()

    LEFT = 0.35  # inches that the labels take

    def height(self, width: float) -> float:
        """Return the height in inches of the rows at this width of the whole in inches."""
        nodes, channels, _ = self.values.shape
        row = min(0.045 * channels + 0.06, TALLEST_RASTER / max(1, nodes))
        return nodes * (max(row, LEAST_LABELLED) if self.labels else row)

    def draw(self, axes: Axes, corner: tuple[float, float], width: float) -> float:
        """Draw the raster with its axis of time below, and return the height taken in inches."""
        x, y = corner[0] + self.LEFT, corner[1]
        wide, tall = width - self.LEFT, self.height(width)
        image = raster_image(self.values)
        limits = axes.get_xlim(), axes.get_ylim()
        axes.imshow(
            image, extent=(x, x + wide, y + tall, y), vmin=0, vmax=1, aspect="auto", interpolation="nearest"
        )
        axes.set(xlim=limits[0], ylim=limits[1])
        axes.add_patch(Rectangle((x, y), wide, tall, fill=False, edgecolor=FAINT, linewidth=0.4))
        channels = self.values.shape[1]
        for channel in range(channels) if channels > 1 else ():
            at = x + wide - 0.5 * (channels - 1 - channel)
            colour = channel_colour(channel, channels) if self.values.dtype == np.bool_ else INK
            name = f"channel {channel}"
            axes.text(at, y - 0.03, name, ha="right", va="baseline", fontsize=5.5, color=colour)
        step = tall / max(1, len(self.values))
        for number, label in enumerate(self.labels):
            axes.text(
                x - 0.04, y + (number + 0.5) * step, label, ha="right", va="center", fontsize=5, color=MUTED
            )
        length = self.values.shape[2]
        for tick in _ticks(length):
            at = x + wide * (tick + 0.5) / length
            axes.plot([at, at], [y + tall, y + tall + 0.03], color=INK, lw=0.4)
            axes.text(at, y + tall + 0.12, str(tick), ha="center", va="baseline", fontsize=5.5)
        axes.text(x + wide / 2, y + tall + 0.24, TIME, ha="center", va="baseline", fontsize=6)
        return tall + RASTER_AXIS


def _ticks(length: int) -> list[int]:
    """Return round places on an axis of so many samples."""
    places = MaxNLocator(8, integer=True).tick_values(0, length - 1)
    return [int(place) for place in places if 0 <= place < length]


def raster_image(values: np.ndarray) -> np.ndarray:
    """Return masks or weights [K, C, L] as an image [K·C, L, 3]: a line for each channel of each node.

    Kept entries of masks have their channel's colour. Weights are vermilion where positive and blue where negative,
    each node's on its own scale, and white where they are zero or pruned.
    """
    from matplotlib.colors import to_rgb

    nodes, channels, length = values.shape
    image = np.ones((nodes, channels, length, 3))
    if values.dtype == np.bool_:
        for channel in range(channels):
            image[:, channel][values[:, channel]] = to_rgb(channel_colour(channel, channels))
    else:
        largest = np.abs(values).max(axis=(1, 2), keepdims=True)
        shares = (values / np.where(largest > 0, largest, 1))[..., np.newaxis]
        for sign, colour in ((1, VERMILION), (-1, BLUE)):
            image -= np.clip(sign * shares, 0, None) * (1 - np.array(to_rgb(colour)))
    return image.reshape(nodes * channels, length, 3)


def moving_shape(shape: ImageShape) -> tuple[int, int]:
    """Return the height and the width in pixels of a movie's picture of inputs of this shape."""
    return (shape[0] * _thickness(shape), shape[2]) if is_series(shape) else (shape[1], shape[2])


def _thickness(shape: ImageShape) -> int:
    """Return the pixels that a channel's line is high in a movie."""
    return max(1, round(tile_ratio(shape) * min(shape[2], 64) / shape[0]))


def moving_picture(values: np.ndarray, shape: ImageShape) -> np.ndarray:
    """Return a mask or masked weights [n0] of a series as pixels of a movie: a line over time for each channel."""
    image = raster_image(values.reshape(1, shape[0], shape[2]))
    return np.repeat(image, _thickness(shape), axis=0)


def draw_over_time(axes: Axes, values: np.ndarray, **style: Any) -> None:
    """Draw values [C, L] as curves over time, one for each channel, with a legend where there are several."""
    channels = len(values)
    for channel, curve in enumerate(values):
        name = f"channel {channel}" if channels > 1 else None
        axes.plot(curve, color=channel_colour(channel, channels), lw=0.9, label=name, **style)
    axes.set_xlim(-0.5, values.shape[1] - 0.5)
    axes.set_ylim(0, None)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_xlabel(TIME)
    if channels > 1:
        axes.legend(loc="best", fontsize=5)


def draw_raster(axes: Axes, values: np.ndarray) -> None:
    """Draw masks or weights of nodes [K, C, L] on axes of their own, nodes in rows, with an axis of time."""
    length = values.shape[2]
    axes.imshow(
        raster_image(values), extent=(-0.5, length - 0.5, len(values), 0), vmin=0, vmax=1, aspect="auto"
    )
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_xlabel(TIME, labelpad=1)


def draw_grid(axes: Axes, values: np.ndarray) -> None:
    """Draw series [rows, columns, C, L] with values in 0 to 1 in a grid of cells that are two units wide and high.

    A line of cells ends one unit before the next one begins, as in a montage of pictures of one pixel.
    """
    rows, columns, channels, length = values.shape
    across = np.linspace(-0.9, 0.9, length)
    for row in range(rows):
        for column in range(columns):
            for channel, curve in enumerate(values[row, column]):
                low = 2 * row + 0.95 - 1.9 * channel / channels
                y = low - 1.7 / channels * curve
                axes.plot(2 * column + across, y, color=channel_colour(channel, channels), lw=0.5)
    axes.set_xlim(-1, 2 * columns - 1)
    axes.set_ylim(2 * rows - 1, -1)
