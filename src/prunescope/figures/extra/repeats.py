"""This module draws nodes beside the nodes elsewhere that are most similar to them, and how similar chance makes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from prunescope.analysis.groups import FigureOptions, groups, shown_levels
from prunescope.errors import InputError
from prunescope.figures.parts.drawing import Drawing
from prunescope.figures.parts.pictures import height_over_width, weight_picture
from prunescope.figures.parts.series import columns_for
from prunescope.figures.parts.style import BLUE, GREEN, MUTED, ORANGE, PAGE, VERMILION
from prunescope.figures.parts.tiles import GAP, Position, axes_at, blank, panel, place, write
from prunescope.model import Arrays
from prunescope.observables.measure import Scalar
from prunescope.observables.repetition import PERMUTED, Repetition, nulls_of, repetition, repetition_null
from prunescope.observables.threads import using_cores
from prunescope.runs.directory import Run

TEMPLATES, MATCHES = 4, 5
# Inches: the widths of the pictures' part and of a curve's axes.
PICTURES, CURVE = 4.25, 1.75
COLOURS = {"shuffled": MUTED, "round": ORANGE, "oriented": GREEN, PERMUTED: VERMILION}
NAMES = {
    "shuffled": "random places",
    "round": "round blobs",
    "oriented": "oriented blobs",
    PERMUTED: "permuted",
}


def figure_repeats(runs: Sequence[Run], options: FigureOptions) -> Drawing:
    """Draw nodes with the most similar nodes elsewhere (a), and the similarities against nulls for masks (b) and weights (c).

    A row of a is a node's masked weights, then its five most similar ones elsewhere, each at its own place, with the
    cosine of the weights and the shift (dx, dy) in pixels. Its nodes are ``options.nodes``, else those whose matches are
    best, without a node in two rows. b and c: the cumulative share of nodes by the similarity to the
    best node elsewhere, and the same for the draws of each null. The level is the sparsest no worse than the dense
    network, or ``options.levels[0]``. Data: level, nodes, templates, matches, similarity and shift of a; best and null_…
    of b and c. Raises InputError where fewer than two nodes keep five inputs, and for nodes that are not compared.
    docs/science.md, "Repetition".
    """
    run, group = runs[0], groups(runs[:1])[0]
    level = shown_levels(group, options)[0] if options.levels is not None else group.told_level()[0]
    mask, weight = run.mask(level), run.model(level).layers[0].weight
    found = {"masks": repetition(mask, run.shape), "weights": repetition(mask, run.shape, weights=weight)}
    if not np.isfinite(found["weights"].value):
        raise InputError(f"{run.path}: at level {level} fewer than two nodes can be compared over a shift")
    matches = columns_for(run.shape, MATCHES + 1) - 1
    rows = _templates(found["weights"], options.nodes, matches)
    data: Arrays = {"level": np.array(level), "nodes": found["weights"].nodes}
    data |= _matches(found["weights"], rows, matches)
    with using_cores():
        for kind, values in found.items():
            data[f"best_{kind}"] = values.best
            compared = None if kind == "masks" else weight
            for null in nulls_of(compared):
                data[f"null_{kind}_{null}"] = repetition_null(mask, run.shape, null, weights=compared)
    tall = height_over_width(run.shape)
    side = (PICTURES - 0.1) / (matches + 1) - GAP
    step = side * tall + 0.3
    height = max(0.35 + step * len(rows), 3.2)
    figure, page = blank(PAGE, height)
    panel(page, 0.05, 0.15, "a")
    title = f"masked weights and the most similar nodes elsewhere, {group.title(level)}"
    write(page, 0.22, 0.15, title, ha="left", va="baseline")
    _draw_rows(page, run, found["weights"], data, (side, step))
    for number, kind in enumerate(found):
        top = 0.3 + number * height / 2
        panel(page, PICTURES + 0.2, top - 0.15, "bc"[number])
        axes = axes_at(figure, PICTURES + 0.62, top + 0.22, CURVE, height / 2 - 0.9)
        _draw_curves(axes, data, kind)
    return Drawing(figure, data)


def _templates(found: Repetition, chosen: Sequence[int] | None, matches: int) -> list[int]:
    """Return the places in ``found.nodes`` of the nodes that have a row."""
    if chosen is not None:
        places = {int(node): place for place, node in enumerate(found.nodes)}
        if missing := [node for node in chosen if node not in places]:
            raise InputError(
                f"node {missing[0]} is none of the {len(places)} most connected that are compared"
            )
        return [places[node] for node in chosen]
    best = np.sort(found.pairs, axis=1)[:, ::-1][:, :matches].mean(axis=1)
    rows: list[int] = []
    taken: set[int] = set()
    for node in np.argsort(-best, kind="stable").tolist():
        own = {node, *np.argsort(-found.pairs[node], kind="stable")[:matches].tolist()}
        if len(rows) < TEMPLATES and not own & taken:
            rows.append(node)
            taken |= own
    return rows


def _matches(found: Repetition, rows: Sequence[int], matches: int) -> Arrays:
    """Return the matches of each row, [rows, matches]: node, similarity and shift (dy, dx); node -1 for none."""
    count = min(matches, len(found.nodes) - 1)
    order = np.array([np.argsort(-found.pairs[row], kind="stable")[:count] for row in rows])
    similarity = np.take_along_axis(found.pairs[rows], order, axis=1)
    shifts = [
        [found.shift(row, other) for other in own] for row, own in zip(rows, order.tolist(), strict=True)
    ]
    return {
        "templates": found.nodes[rows],
        "matches": np.where(similarity > 0, found.nodes[order], -1),
        "similarity": similarity,
        "shift": np.array(shifts),
    }


def _draw_rows(page: Axes, run: Run, found: Repetition, data: Arrays, sizes: tuple[float, float]) -> None:
    side, step = sizes
    whole = np.ones(int(np.prod(run.shape)), np.bool_)
    image = dict(zip(found.nodes.tolist(), found.images, strict=True))
    for row, template in enumerate(data["templates"].tolist()):
        top = 0.45 + row * step
        nodes = [template, *data["matches"][row].tolist()]
        for column, node in enumerate(nodes):
            if node < 0:
                continue
            left = 0.1 + column * (side + GAP) + (0.05 if column else 0)
            picture = weight_picture(image[node].ravel(), whole, run.shape, symmetric=True)
            place(page, picture, Position(left, top, side), f"node {node}")
            if column == 0:
                edge = Rectangle(
                    (left, top), side, side * height_over_width(run.shape), fill=False, ec=BLUE, lw=1
                )
                page.add_patch(edge)
                continue
            dy, dx = data["shift"][row, column - 1].tolist()
            text = f"{data['similarity'][row, column - 1]:.2f}  ({dx:+d}, {dy:+d})"
            below = top + side * height_over_width(run.shape) + 0.09
            write(page, left + side / 2, below, text, va="baseline", fontsize=5)


def _draw_curves(axes: Axes, data: Arrays, kind: str) -> None:
    for null, colour in COLOURS.items():
        values = data.get(f"null_{kind}_{null}")
        if values is None:
            continue
        scalar = Scalar.against(float(data[f"best_{kind}"].mean()), values.mean(axis=1).tolist())
        z = f", z = {scalar.z:.1f}" if np.isfinite(scalar.z) else ""
        _cumulative(axes, values.ravel(), color=colour, lw=0.9, label=f"{NAMES[null]}{z}")
    _cumulative(axes, data[f"best_{kind}"], color=BLUE, lw=1.4, label=f"trained, {kind}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("similarity to the best node elsewhere")
    axes.set_ylabel("share of nodes with less")
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.2, 1.0), ncols=2, fontsize=5, handlelength=1.2, columnspacing=1
    )


def _cumulative(axes: Axes, values: np.ndarray, **style: object) -> None:
    ordered = np.sort(values)
    axes.plot(ordered, np.arange(1, len(ordered) + 1) / len(ordered), **style)  # type: ignore[arg-type]
