"""The registry of what is measured of layers: title, one sentence and the null of every scalar.

Definitions are in docs/science.md, "Scalars" and "Kinds of layers".
"""

from __future__ import annotations

import re
from dataclasses import replace

from prunescope.layers.layer_quantity import EACH_INPUT, EACH_UNIT, LayerQuantity
from prunescope.layers.unstructured_quantities import UNSTRUCTURED

EACH_FILTER = "Each filter keeps its number of weights, at uniform positions."

_SPATIAL = {
    "locality": LayerQuantity(
        "locality",
        "The share of pairs of a unit's inputs that lie at most 2 pixels apart, over that share by chance.",
        EACH_UNIT,
    ),
    "half_width": LayerQuantity(
        "half-width", "The distance in pixels at which the excess of pairs of inputs has halved."
    ),
    "anisotropy": LayerQuantity(
        "anisotropy",
        "How much denser pairs of inputs are along the axes than along the diagonals.",
        EACH_UNIT,
    ),
    "radius_of_gyration": LayerQuantity(
        "radius of gyration",
        "The root mean square distance in pixels of a unit's inputs from their centre.",
        EACH_UNIT,
    ),
}

_OF_WEIGHTS = {
    "scaled_participation": LayerQuantity(
        "scaled participation",
        "How unequal a unit's kept weights are: 1 where all are equally strong, its fan-in where one has all strength.",
        "Normal weights on the same mask.",
    ),
}

_OUTPUTS = {
    f"output_{name}": LayerQuantity(
        f"{words.title} of outputs",
        words.meaning.replace("unit's inputs", "input's outputs").replace(
            "pairs of inputs", "pairs of outputs"
        ),
        words.null and EACH_INPUT,
    )
    for name, words in _SPATIAL.items()
}

_CONVOLUTIONS = {
    "kernel_position_ratio": LayerQuantity(
        "kernel positions",
        "How unequally the positions in the kernel are kept: their variance over that by chance.",
        EACH_FILTER,
    ),
    "kernel_centre": LayerQuantity(
        "kernel centre",
        "The share of kept weights that lie in the middle of the kernel, over that by chance.",
        EACH_FILTER,
    ),
    "dead_kernels": LayerQuantity(
        "dead kernels",
        "The share of pairs of an input channel and a filter between which no weight is kept.",
        EACH_FILTER,
    ),
    "channel_fan_in_ratio": LayerQuantity(
        "channel fan-in",
        "How far the numbers of input channels that filters reach lie from those by chance: squares over variances.",
        EACH_FILTER,
    ),
    "channel_fan_out_ratio": LayerQuantity(
        "channel fan-out",
        "The variance over input channels of the number of filters that reach them, over that by chance.",
        EACH_FILTER,
    ),
    "dead_channels": LayerQuantity(
        "dead input channels",
        "The share of input channels that no filter reaches.",
        EACH_FILTER + " The sd is at least one channel.",
    ),
    "effective_field": LayerQuantity(
        "effective field",
        "The share of the input pixels of a unit's dense receptive field that reach it along kept weights, the mean "
        "over channels.",
        "50 stacks in which each filter of each layer keeps its number of weights, at uniform positions.",
    ),
}


def _of_groups(one: str, many: str) -> dict[str, LayerQuantity]:
    """Return the quantities of a layer in equal groups, such as heads or gates."""
    return {
        f"{one}_ratio": LayerQuantity(
            f"variance of {many}",
            f"The variance of the density over {many}, divided by that by chance.",
            "As many weights lie anywhere in the layer, of a packed projection in each part.",
        ),
        f"{one}_ratio_given_lines": LayerQuantity(
            f"variance of {many} given lines",
            f"The variance of the density over {many}, divided by that where their rows or columns are dealt anew.",
            f"The rows or columns of all {many} are dealt to them at random.",
        ),
    }


_GROUPS = (
    _of_groups("head", "heads")
    | {
        "dead_heads": LayerQuantity(
            "dead heads",
            "The share of heads without a kept weight.",
            "As many weights lie anywhere in the layer, of a packed projection in each part. The sd is at least one head.",
        )
    }
    | _of_groups("part", "parts q, k, v")
    | _of_groups("gate", "gates")
)

_EMBEDDINGS = {
    "token_order": LayerQuantity(
        "order of tokens",
        "The rank correlation of a token's number in the vocabulary with how many of its weights are kept.",
        "The tokens are numbered at random.",
    ),
}

QUANTITIES = _SPATIAL | _OUTPUTS | _CONVOLUTIONS | _GROUPS | _EMBEDDINGS | UNSTRUCTURED | _OF_WEIGHTS

# What units and inputs are called in layers of some kinds.
CALLED = {
    "embedding": {"unit": "token", "input": "dimension"},
    "convolution": {"unit": "filter", "input": "filter weight"},
}


def quantity(name: str, kind: str = "linear") -> LayerQuantity:
    """Return the words of a scalar in a layer of some kind; its name stands for those of a scalar that has none."""
    words = QUANTITIES.get(name, LayerQuantity(name.replace("_", " "), ""))
    called = CALLED.get(kind, {})
    if not called or name in _CONVOLUTIONS:
        return words
    pattern = re.compile(rf"\b({'|'.join(called)})(?=s\b|\b)")

    def renamed(text: str) -> str:
        return pattern.sub(lambda found: called[found[1]], text)

    return replace(
        words, title=renamed(words.title), meaning=renamed(words.meaning), null=renamed(words.null)
    )
