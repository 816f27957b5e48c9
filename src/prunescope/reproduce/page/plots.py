"""Draw the plot of each section of the page from the miniature's runs."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from prunescope.figures.parts.style import BLUE, FAINT, GREEN, MUTED, ORANGE, PALETTE, PURPLE, SKY, VERMILION
from prunescope.observables import fan_out_image, locality, relative_density, uniform_null
from prunescope.reproduce.claims.data import FRACTIONS, NOISES, ROTATED
from prunescope.reproduce.claims.methods import SHOWN
from prunescope.reproduce.claims.miniature import Miniature
from prunescope.reproduce.claims.quantities import SPARSE, excess_share, gain, pruned_layers, receptive_radius
from prunescope.reproduce.page.plot_parts import (
    SIZE,
    Style,
    curve,
    dense,
    finish,
    null_band,
    on_images,
    panel,
    points,
    thin,
)

METHODS = (
    ("imp", "IMP", BLUE),
    ("oneshot", "one-shot", VERMILION),
    ("snip", "SNIP", GREEN),
    ("synflow", "SynFlow", PURPLE),
    ("grasp", "GraSP", ORANGE),
    ("random", "random", MUTED),
)
SHARES = {"imp": 1.0, "fraction-30": 0.3, "fraction-10": 0.1, "fraction-3": 0.03}


def accuracy(mini: Miniature) -> Figure:
    """Draw held-out accuracy against u, a line for each seed."""
    figure, axes = panel()
    thin(axes, mini, "imp", "heldout_accuracy", Style(BLUE, scale=100))
    curve(axes, mini, "imp", "heldout_accuracy", Style(BLUE, "IMP", scale=100))
    dense(axes, mini)
    return finish(figure, axes, on_images(mini, ("imp",), "held-out accuracy (%)", "heldout"))


def fan_in(mini: Miniature) -> Figure:
    """Draw the fan-in variance over the binomial one against u, and that of random masks."""
    figure, axes = panel()
    thin(axes, mini, "imp", "fan_in_var_ratio", Style(BLUE))
    curve(axes, mini, "imp", "fan_in_var_ratio", Style(BLUE, "IMP"))
    curve(axes, mini, "random", "fan_in_var_ratio", Style(MUTED, "random"))
    axes.axhline(1, color=MUTED, lw=0.7, ls=":")
    return finish(figure, axes, "fan-in variance / binomial, layer 1")


def locality_curve(mini: Miniature) -> Figure:
    """Draw locality against u with the band of shuffled masks."""
    figure, axes = panel()
    null_band(axes, mini, "imp")
    thin(axes, mini, "imp", "locality", Style(BLUE))
    curve(axes, mini, "imp", "locality", Style(BLUE, "IMP"))
    return finish(figure, axes, "locality of layer 1 (1 = chance)")


def ablation(mini: Miniature) -> Figure:
    """Draw accuracy against the number of nodes removed in three orders, mean over seeds."""
    figure, axes = panel()
    for order, label, colour in (
        ("decreasing", "most connected first", VERMILION),
        ("random", "random order", MUTED),
        ("increasing", "least connected first", BLUE),
    ):
        curves = []
        for seed, run in sorted(mini["imp"].runs.items()):
            level = mini["imp"].level_at(seed, SPARSE)
            if level is not None:
                observations = run.observations(level)
                if f"ablation_{order}" in observations:
                    curves.append((observations["ablation_removed"], 100 * observations[f"ablation_{order}"]))
        if curves:
            axes.plot(
                curves[0][0], np.mean([y for _, y in curves], axis=0), "o-", ms=2.5, color=colour, label=label
            )
    axes.set_xlabel("first-layer nodes removed")
    label = on_images(mini, ("imp",), "validation accuracy (%)", "validation")
    return finish(figure, axes, label, density=False)


def global_pruning(mini: Miniature) -> Figure:
    """Draw the best validation accuracy of layer-wise and of global pruning against u."""
    figure, axes = panel()
    for kind, label, colour in (("imp", "layer-wise", BLUE), ("global", "global", VERMILION)):
        curve(axes, mini, kind, "best_val_accuracy", Style(colour, label, scale=100))
    label = on_images(mini, ("imp", "global"), "best validation accuracy (%)", "validation")
    return finish(figure, axes, label)


def progressive(mini: Miniature) -> Figure:
    """Draw the radius of effective masks, and the density, of each layer."""
    figure = Figure(figsize=SIZE)
    left, right = figure.subplots(1, 2)
    layers = [layer for layer, _ in pruned_layers(mini, "progressive")]
    radii = [receptive_radius(mini, "", "progressive", layer) for layer in layers]
    densities = [quantity for _, quantity in pruned_layers(mini, "progressive")]
    points(left, layers, radii, Style(BLUE))
    points(right, layers, densities, Style(VERMILION, scale=100))
    left.set_ylabel("radius of receptive fields (pixels)")
    right.set_ylabel("weights kept (%)")
    right.set_yscale("log")
    for axes in (left, right):
        axes.set_xlabel("hidden layer")
        axes.set_xticks(layers)
    return figure


def methods_locality(mini: Miniature) -> Figure:
    """Draw the locality of every method against the density of the first layer."""
    figure, axes = panel()
    for kind, label, colour in METHODS:
        for number, (x, y) in enumerate(mini.curve(kind, "locality")):
            keep = x < 1
            form = "-" if kind == "imp" else "o"
            axes.plot(
                x[keep],
                y[keep],
                form,
                ms=3.5,
                lw=0.8,
                color=colour,
                label=None if number else label,
                alpha=0.8,
            )
    axes.axhline(1, color=MUTED, lw=0.7, ls=":")
    axes.set_yscale("log")
    axes.set_yticks([1, 2, 3, 5, 8], ["1", "2", "3", "5", "8"])
    axes.minorticks_off()
    return finish(figure, axes, "locality, log scale (1 = chance)", xlabel="first layer's weights kept (%)")


def null_locality(mini: Miniature) -> Figure:
    """Draw excess locality as a share of IMP's, by method and density."""
    figure, axes = panel()
    kinds = [entry for entry in METHODS if entry[0] != "imp"]
    for shift, (text, u) in zip((-0.12, 0.12), SHOWN, strict=True):
        shares = [excess_share(mini, "", kind, u) for kind, _, _ in kinds]
        colour = SKY if shift < 0 else BLUE
        style = Style(colour, f"nominal u = {text}")
        points(axes, np.arange(len(kinds)) + shift, shares, style, line=False)
    axes.axhline(1, color=MUTED, lw=0.7, ls="--")
    axes.axhline(0, color=MUTED, lw=0.7, ls=":")
    axes.set_xticks(range(len(kinds)), [label for _, label, _ in kinds])
    return finish(figure, axes, "excess locality / IMP's", density=False)


def methods_accuracy(mini: Miniature) -> Figure:
    """Draw the held-out accuracy of every method against nominal u."""
    figure, axes = panel()
    dense(axes, mini)
    for kind, label, colour in METHODS:
        curve(axes, mini, kind, "heldout_accuracy", Style(colour, label, scale=100))
    kinds = [kind for kind, *_ in METHODS]
    return finish(figure, axes, on_images(mini, kinds, "held-out accuracy (%)", "heldout"))


def fractions(mini: Miniature) -> Figure:
    """Draw locality and the gain in held-out accuracy at u = 0.97 % against the share of the patches."""
    figure = Figure(figsize=SIZE)
    left, right = figure.subplots(1, 2)
    shares = [100 * SHARES[kind] for _, kind in FRACTIONS]
    local = [mini.at(name, kind, "locality", SPARSE) for name, kind in FRACTIONS]
    null = [mini.at(name, kind, "locality_null", SPARSE) for name, kind in FRACTIONS]
    points(left, shares, local, Style(BLUE))
    points(left, shares, null, Style(FAINT))
    gains = [gain(mini, name, kind) for name, kind in FRACTIONS]
    points(right, shares, gains, Style(VERMILION, scale=100))
    right.axhline(0, color=MUTED, lw=0.7, ls=":")
    left.set_ylabel("locality of layer 1 at $u$ = 0.97 %")
    kinds = [kind for _, kind in FRACTIONS]
    right.set_ylabel(on_images(mini, kinds, "gain at $u$ = 0.97 % (points)", "heldout"))
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlabel("patches (%)")
        axes.set_xticks(shares, [f"{share:g}" for share in shares])
        axes.minorticks_off()
    return figure


def noise(mini: Miniature) -> Figure:
    """Draw locality and fan-in variance against u for clean and random labels."""
    figure = Figure(figsize=SIZE)
    left, right = figure.subplots(1, 2)
    for (label, kind), colour in zip(NOISES, PALETTE, strict=False):
        curve(left, mini, kind, "locality", Style(colour, label))
        curve(right, mini, kind, "fan_in_var_ratio", Style(colour))
    for axes in (left, right):
        axes.axhline(1, color=MUTED, lw=0.7, ls=":")
    finish(figure, right, "fan-in variance / binomial, layer 1")
    return finish(figure, left, "locality of layer 1 (1 = chance)")


def rotation(mini: Miniature) -> Figure:
    """Draw g(d) of upright and of rotated images, summed over seeds."""
    figure = Figure(figsize=SIZE)
    for axes, (kind, title, degrees) in zip(
        figure.subplots(1, 2),
        (("imp", "upright", 0.0), ("rotated", f"rotated by {ROTATED:g}°", ROTATED)),
        strict=True,
    ):
        axes.set_title(title)
        pairs, expected, shape = np.zeros(()), np.zeros(()), None
        for seed, run in mini[kind].runs.items():
            level = mini[kind].level_at(seed, SPARSE)
            if level is not None:
                mask, shape = run.mask(level), run.shape
                pairs = pairs + locality(mask, shape).same
                expected = expected + uniform_null(mask.fan_in, shape).same
        if shape is None:
            continue
        density = relative_density(pairs, expected)
        reach = shape[1] // 2
        near = density[shape[1] - 1 - reach : shape[1] + reach, shape[2] - 1 - reach : shape[2] + reach]
        edge = reach + 0.5
        axes.imshow(near, extent=(-edge, edge, edge, -edge), cmap="magma", vmin=0)
        for angle in np.radians([degrees, degrees + 90]):
            x, y = reach * np.cos(angle), -reach * np.sin(angle)
            axes.plot([-x, x], [-y, y], ls="--", lw=0.8, color="white")
        axes.set_xlabel("dx (pixels)")
    return figure


def translation(mini: Miniature) -> Figure:
    """Draw the fan-out of each pixel, for images in place and translated, on one colour scale."""
    figure = Figure(figsize=SIZE)
    panels = (("imp", "in place"), ("translated", "translated"))
    images = {}
    for kind, _ in panels:
        levels = {seed: mini[kind].level_at(seed, SPARSE) for seed in mini[kind].runs}
        found = [
            fan_out_image(run.mask(level), run.shape).sum(axis=0)
            for seed, run in mini[kind].runs.items()
            if (level := levels[seed]) is not None
        ]
        if found:
            images[kind] = np.sum(found, axis=0) / np.mean(np.sum(found, axis=0))
    top = max((float(image.max()) for image in images.values()), default=1.0)
    shown = None
    several = figure.subplots(1, 2)
    for axes, (kind, title) in zip(several, panels, strict=True):
        axes.set_title(title)
        axes.set_axis_off()
        if kind in images:
            shown = axes.imshow(images[kind], cmap="viridis", vmin=0, vmax=top)
    if shown is not None:
        figure.colorbar(shown, ax=list(several), label="connections / mean", shrink=0.8)
    return figure
