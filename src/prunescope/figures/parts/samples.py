"""These functions draw sample images of the classes that tasks make of the same images (paper Fig. 17a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from prunescope.analysis.groups import Group
from prunescope.errors import InputError
from prunescope.figures.parts.series import draw_grid, is_series
from prunescope.figures.parts.side_by_side import montage
from prunescope.figures.parts.style import frame
from prunescope.runs.directory import Run

CLASSES = 10
SERIES_DIMENSIONS = 4


@dataclass(frozen=True, eq=False)
class Samples:
    """Sample images [rows, columns, H, W, 3] in [0, 1], white where none was found.

    Sample series are [rows, columns, C, L] in [0, 1], nan where none was found.

    ``columns`` and ``rows`` are the names of their classes, ``tasks`` the labels of the two experiments whose
    tasks make these classes.
    """

    pictures: np.ndarray
    columns: list[str]
    rows: list[str]
    tasks: tuple[str, str]


def class_samples(found: Sequence[Group]) -> Samples | str:
    """Return one validation image for each pair of a class of one task (column) and a class of another (row).

    The tasks are the first experiment's and the first other one that makes other classes of the same images;
    where there is none, rows are the classes of the one task, with up to ten images each. Returns a sentence that says
    why instead, when the images are not on this machine or not those of the runs.
    """
    try:
        first, *others = [_labelled(group.runs[0]) for group in found]
    except InputError as error:
        return f"sample images were left out: {error}"
    pixels, labels, names, shape = first
    if shape[0] not in (1, 3) and not is_series(shape):
        return f"sample images were left out: they have {shape[0]} channels"
    chosen = range(min(CLASSES, len(names)))
    for group, (theirs, other, other_names, _) in zip(found[1:], others, strict=True):
        if np.array_equal(pixels, theirs) and not np.array_equal(labels, other):
            rows = range(min(CLASSES, len(other_names)))
            places = [[np.flatnonzero((labels == c) & (other == r))[:1] for c in chosen] for r in rows]
            tasks = (found[0].label, group.label)
            return Samples(
                _pictures(pixels, shape, places), names[: len(chosen)], other_names[: len(rows)], tasks
            )
    by_class = [np.flatnonzero(labels == c)[:CLASSES] for c in chosen]
    places = [[of_class[k : k + 1] for k in range(CLASSES)] for of_class in by_class]
    return Samples(_pictures(pixels, shape, places), [], names[: len(chosen)], ("", found[0].label))


def draw_samples(axes: Axes, samples: Samples) -> None:
    """Draw the images or series in a grid, with the names of classes and tasks below and on the left."""
    if samples.pictures.ndim == SERIES_DIMENSIONS:
        height = width = 1
        draw_grid(axes, samples.pictures)
    else:
        _, columns, height, width = samples.pictures.shape[:4]
        axes.imshow(montage(list(samples.pictures.reshape(-1, height, width, 3)), columns), vmin=0, vmax=1)
    frame(axes)
    for axis, names, step in (
        (axes.xaxis, samples.columns, width + 1),
        (axes.yaxis, samples.rows, height + 1),
    ):
        axis.set_ticks([(k + 0.5) * step - 1 for k in range(len(names))], [_short(name) for name in names])
    axes.tick_params(length=0, labelsize=4.5, pad=1)
    if samples.columns:
        axes.tick_params(axis="x", rotation=90)
    axes.set_xlabel(samples.tasks[0], fontsize=6.5)
    axes.set_ylabel(samples.tasks[1], fontsize=6.5)


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"


def _labelled(run: Run) -> tuple[np.ndarray, np.ndarray, list[str], tuple[int, int, int]]:
    """Return the validation images [N, n0], labels, class names and shape of a run's data."""
    from prunescope.data import open_dataset

    dataset = open_dataset(run.experiment.data, run.seed, split_rule=run.split_rule)
    known = run.data.get("fingerprint")
    if known != dataset.fingerprint:
        raise InputError(f"{run.path}: the images found here are not those of the run")
    return dataset.validation.pixels, dataset.validation.labels, list(dataset.classes), dataset.shape


def _pictures(
    pixels: np.ndarray, shape: tuple[int, int, int], places: Sequence[Sequence[np.ndarray]]
) -> np.ndarray:
    """Return the images at these places in a grid; an empty array of places leaves its cell white, or nan."""
    if is_series(shape):
        curves = np.full((len(places), len(places[0]), shape[0], shape[2]), np.nan)
        for row, of_row in enumerate(places):
            for column, place in enumerate(of_row):
                if len(place):
                    curve = np.asarray(pixels[place[0]], np.float64)
                    curves[row, column] = _stretched(curve).reshape(shape[0], shape[2])
        return curves
    pictures = np.ones((len(places), len(places[0]), shape[1], shape[2], 3))
    for row, of_row in enumerate(places):
        for column, place in enumerate(of_row):
            if len(place):
                image = np.asarray(pixels[place[0]]).reshape(shape).transpose(1, 2, 0)
                pictures[row, column] = image / 255 if image.dtype == np.uint8 else _stretched(image)
    return pictures


def _stretched(image: np.ndarray) -> np.ndarray:
    """Return an image of real numbers with its minimum at 0 and its maximum at 1."""
    low, high = float(image.min()), float(image.max())
    return np.asarray((image - low) / max(high - low, 1e-12))
