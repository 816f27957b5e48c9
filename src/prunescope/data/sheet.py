"""This module draws sample sheets: pictures of a data set with a row of images, or of series, for each class."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import path_of, whole
from prunescope.data.dataset import Dataset
from prunescope.data.input_wording import INPUTS, size_in_words
from prunescope.data.prepared.reading import open_prepared
from prunescope.errors import InputError
from prunescope.files import write_bytes
from prunescope.mask import ImageShape
from prunescope.randomness import generator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#222222", "#D55E00", "#009E73", "#0072B2", "#CC79A7", "#56B4E9")
_CELL = 0.62  # inches
_GAP = 0.04


def sample_sheet(
    source: str | Path | Dataset, out_png: str | Path, columns: int = 12, rows: int = 12, seed: int = 0
) -> Path:
    """Draw a PNG with ``columns`` images of at most ``rows`` classes and return its path.

    Series are curves, a row for each channel; the features of a table are bars.

    ``source``: a prepared folder, whose training images are drawn, or an open Dataset, of which one training
    batch is drawn for streams and else the validation images. ``seed``: chooses the images of each class.
    Raises InputError when the folder is not a prepared one, and for a file whose name does not end in .png.
    """
    check_sheet(out_png)
    columns, rows, seed = (
        whole("columns", columns, 1, 1000),
        whole("rows", rows, 1, 1000),
        whole("seed", seed),
    )
    pixels, labels, shape, classes, title = _content(source)
    geometry = _geometry(source)
    chosen = np.unique(np.linspace(0, len(classes) - 1, min(rows, len(classes))).round().astype(int))
    figure, axes = _grid(len(chosen), columns, [classes[label] for label in chosen], title)
    for row, label in enumerate(chosen):
        found = np.flatnonzero(labels == label)
        found = generator(seed, "sheet", int(label)).permutation(found)[:columns]
        limit = _limit(pixels, found)
        for column in range(columns):
            axis = axes[row][column]
            if column < len(found) and geometry != "image":
                _draw_curves(axis, np.asarray(pixels[found[column]]).reshape(shape[0], -1), limit, geometry)
            elif column < len(found):
                image = _picture(np.asarray(pixels[found[column]]), shape, limit)
                aspect = "auto" if shape[1] == 1 else "equal"  # an image of one row fills its cell
                axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect=aspect)
    out = Path(out_png)
    out.parent.mkdir(parents=True, exist_ok=True)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph ")  # signs that the font lacks are drawn as boxes
        figure.savefig(picture, dpi=150, format="png")
    write_bytes(out, picture.getvalue())
    return out


def check_sheet(out_png: str | Path) -> None:
    """Raise InputError for the name of a sheet that is no PNG, and for a place where no file can be written."""
    out = path_of("out_png", out_png)
    if out.suffix.lower() != ".png":
        raise InputError(f"{out_png}: sheets of samples are PNG images: let its name end in .png")
    try:
        if out.exists() and not out.is_file():
            raise InputError(f"{out_png}: is not a file, and a sheet of samples cannot take its place")
        folder = next(folder for folder in out.absolute().parents if folder.exists())
    except OSError as error:
        raise InputError(f"{out_png}: {error.strerror or error}") from None
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"{out_png}: nothing can be written in {folder}: give the sheet another place")


def _geometry(source: str | Path | Dataset) -> str:
    """Return what the inputs are, as data.geometry says it."""
    if isinstance(source, Dataset):
        return source.geometry
    return str(open_prepared(path_of("source", source)).parameters.get("geometry", "image"))


def _draw_curves(axis: Axes, values: NDArray[Any], limit: float, geometry: str) -> None:
    """Draw values [C, L] as curves above each other, or those of a table as bars, with the scale of their row."""
    whole = values.dtype == np.uint8
    scaled = values / 255 if whole else 0.5 + values / (2 * limit)
    for channel, curve in enumerate(scaled):
        below = len(scaled) - 1 - channel
        if geometry == "series":
            axis.plot(below + curve, color=_COLOURS[channel % len(_COLOURS)], lw=0.7)
        else:
            zero = 0.0 if whole else 0.5
            axis.bar(np.arange(len(curve)), curve - zero, bottom=zero, width=0.8, color=_COLOURS[0])
    axis.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(-0.05, len(scaled) + 0.05))


def _content(
    source: str | Path | Dataset,
) -> tuple[NDArray[Any], NDArray[np.int64], ImageShape, tuple[str, ...], str]:
    """Return the pixels, the labels, the shape, the class names and the title of the sheet."""
    if isinstance(source, Dataset):
        geometry = source.geometry
        if source.train_size is None:
            batch = source.draw(0, 0, 0, 64 * len(source.classes))
            pixels, labels, what = batch.pixels, batch.labels, "unlimited training images"
        else:
            pixels, labels = source.validation.pixels, source.validation.labels
            what = f"{source.train_size:,} training {INPUTS[source.geometry]}"
        name = ""
        shape, classes = source.shape, source.classes
    else:
        prepared = open_prepared(path_of("source", source))
        geometry = _geometry(source)
        pixels, labels = prepared.images("train"), prepared.labels("train")
        shape, classes = prepared.shape, prepared.classes
        name = f"{prepared.source} · "
        what = (
            f"{len(labels):,} training, {len(prepared.images('validation')):,} validation {INPUTS[geometry]}"
        )
    size = f"{shape[2]}x{shape[1]}" + (" RGB" if shape[0] == 3 else "")
    if geometry != "image":
        size = size_in_words(shape, geometry)
    return pixels, labels, shape, classes, f"{name}{what} · {size} · {len(classes)} classes"


def _grid(rows: int, columns: int, names: list[str], title: str) -> tuple[Figure, NDArray[np.object_]]:
    """Return a figure with the title and the class names, and its axes [rows, columns]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [name if len(name) <= 26 else name[:25] + "…" for name in names]
    left = 0.2 + 0.078 * max(len(name) for name in shown)
    width, height = left + columns * _CELL + 0.1, rows * _CELL + 0.45
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=left / width, right=1 - 0.1 / width, bottom=0.08 / height, top=1 - 0.37 / height,
        wspace=_GAP, hspace=_GAP,
    )  # fmt: skip
    for row, name in enumerate(shown):
        axes[row][0].text(
            -0.12,
            0.5,
            name,
            transform=axes[row][0].transAxes,
            ha="right",
            va="center",
            fontsize=9,
            parse_math=False,
        )
    for axis in axes.flat:
        axis.set_axis_off()
    figure.text(0.1 / width, 1 - 0.19 / height, title, fontsize=10, va="center", parse_math=False)
    return figure, axes


def _limit(pixels: NDArray[Any], rows: NDArray[np.int64]) -> float:
    """Return the largest magnitude of the float images of a row, whose values share one symmetric scale."""
    if pixels.dtype == np.uint8 or not len(rows):
        return 1.0
    return float(np.abs(pixels[rows]).max()) or 1.0


def _picture(values: NDArray[Any], shape: ImageShape, limit: float) -> NDArray[np.float64]:
    """Return an image [H, W] or [H, W, 3] in [0, 1], of the first channel alone unless there are 1 or 3."""
    scaled = values / 255 if values.dtype == np.uint8 else 0.5 + values / (2 * limit)
    image = scaled.reshape(shape).transpose(1, 2, 0)
    if shape[0] not in (1, 3):
        image = image[..., :1]
    return np.asarray(image.squeeze(-1) if image.shape[-1] == 1 else image, dtype=np.float64)
