"""This module makes the paper's experiments smaller by fixed rules, the scales mini, miniature, laptop and small.

The override ``scale=mini|miniature|laptop|small|paper`` of an experiment reduces width, steps, batch and images together. Fields
that are set by other overrides stay as set. The rules for experiments of the paper's size (a batch of 1000):

=================  ==============  ==============  ===========  ===========  ===========
                   mini            miniature       laptop       small        paper
=================  ==============  ==============  ===========  ===========  ===========
width              x 1/8           x 5/32          x 1/4        x 1/2        x 1
steps              x 0.015         x 0.015         x 0.04       x 0.2        x 1
longest steps      3000            3000            8000         40,000       500,000
batch              256             256             256          512          1000
learning rate      x 4             x 4             x 4          x 2          x 1
rewind step        x 0.15          x 0.15          x 0.4        x 1          x 1
levels end at u    0.47 %          0.47 %          0.47 %       0.23 %       stop rule
layer by layer to  dense           dense           dense - 1 %  dense        dense
evaluations        20 a level      10 a level      20 a level   50 a level   each 100
ImageNet files     photographs     photographs     x 1/4        x 1/2        x 1
validation images  4000            4000            5000         10,000       10,000
=================  ==============  ==============  ===========  ===========  ===========

The scale miniature is what ``prunescope reproduce --scale mini`` runs. The scale mini is what it ran before: its
experiments keep their fields, so that runs of them are still found.

In progressive pruning, a layer is pruned until the network is worse than the dense one. At laptop it may be worse by a
point of accuracy (``prune.tolerance``), because with few images the first prunings bring no gain, and 5000 validation
images resolve only half a point. Adam's learning rate is not changed. Rewinding goes to at most a fifth of a level's
steps. Images are mirrored at mini, miniature and laptop, where they are few, unless they are rotated: of lines turned by 20
degrees, mirrored ones would lie at -20 degrees. Photographs stand in for
ImageNet at mini and miniature, or where ``data.source=photographs`` is set: 16x16 pixels there and 32x32 above (twice that for
ImageNet64), and label noise stands in for tasks of ImageNet's classes: none for the semantic one, half for the two
in between, full for random classes.

Experiments smaller than the paper's are limited to the size that the scale gives ``paper/main``, and none of their
values is multiplied. The numbers follow the presets quickstart and tiny-imagenet, which are known to work. Their
learning rate is four times the paper's, because weights must move far from their initial values in few steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prunescope.errors import InputError
from prunescope.experiment import Data, Experiment

FULL_BATCH = 1000  # Experiments with at least this batch are of the paper's size.
FULL_WIDTH, FULL_STEPS = 1024, 100_000
LONGEST = 2  # Longer training is cut to so many times the steps of the paper's main run.
LEAST_WIDTH = 16
OFFICIAL = ("imagenet32", "imagenet64")


@dataclass(frozen=True)
class Scale:
    """A scale: the factors and values of one column in the table of this module."""

    name: str
    width: float
    steps: float
    batch: int
    rate: float
    rewind: float
    sparsest: float
    tolerance: float
    evaluations: int
    images: float
    validation: int
    mirrored: bool
    size: int
    patches: int


SCALES: dict[str, Scale | None] = {
    "mini": Scale("mini", 1 / 8, 0.015, 256, 4, 0.15, 0.0048, 0, 20, 1, 4000, True, 16, 120_000),
    "miniature": Scale("miniature", 5 / 32, 0.015, 256, 4, 0.15, 0.0048, 0, 10, 1, 4000, True, 16, 120_000),
    "laptop": Scale("laptop", 1 / 4, 0.04, 256, 4, 0.4, 0.0048, 0.01, 20, 1 / 4, 5000, True, 32, 100_000),
    "small": Scale("small", 1 / 2, 0.2, 512, 2, 1, 0.0024, 0, 50, 1 / 2, 10_000, False, 32, 200_000),
    "paper": None,
}
WITHOUT_FILES = ("mini", "miniature")  # Scales at which photographs take the place of ImageNet's files.
# With photographs, label noise stands in for tasks of ImageNet's classes: the share of labels that are replaced.
NOISE = {"semantic": 0.0, "semantic-5-random-5": 0.5, "semantic-partial": 0.5, "modulo": 1.0, "random": 1.0}


def find_scale(name: str) -> Scale | None:
    """Return the scale of this name, None for the paper's own; raises InputError for an unknown name."""
    if name not in SCALES:
        raise InputError(f"scale is {name!r}: use {', '.join(SCALES)}")
    return SCALES[name]


def changes(preset: Experiment, given: Mapping[str, Any], scale: str) -> dict[str, Any]:
    """Return the fields that a scale sets, by dotted name.

    ``preset``: the experiment before any override. ``given``: the fields that other overrides set, by dotted name;
    they are never in the result. ``scale``: the name of the scale. Raises InputError for an unknown scale.
    """
    chosen = find_scale(scale)
    if chosen is None:
        return {}
    full = preset.train.batch >= FULL_BATCH
    found = {"name": _name(preset.name, scale), **(_multiplied if full else _capped)(preset, chosen)}
    if full:
        found |= _images(preset.data, given, chosen)
    steps = given.get("train.steps")
    # Values of another type raise an error later, when the fields are checked.
    if not isinstance(steps, int):
        steps = found["train.steps"]
    found["prune.rewind_step"] = min(found["prune.rewind_step"], steps // 5)
    found["train.eval_every"] = max(1, steps // chosen.evaluations)
    return {name: value for name, value in found.items() if name not in given}


def _multiplied(preset: Experiment, chosen: Scale) -> dict[str, Any]:
    """Return the fields of an experiment of the paper's size, multiplied by the factors of the scale."""
    train, prune = preset.train, preset.prune
    found: dict[str, Any] = {
        "network.hidden": [max(LEAST_WIDTH, round(chosen.width * width)) for width in preset.network.hidden],
        "train.steps": round(chosen.steps * min(train.steps, LONGEST * FULL_STEPS)),
        "train.batch": chosen.batch,
        "prune.rewind_step": round(chosen.rewind * prune.rewind_step),
        "data.validation": min(preset.data.validation, chosen.validation),
    }
    if train.optimizer != "adam":
        found["train.lr"] = chosen.rate * train.lr
    if prune.method == "imp":
        found["prune.levels"] = _levels(preset, chosen)
    if prune.method == "progressive":
        found["prune.tolerance"] = chosen.tolerance
    return found


def _capped(preset: Experiment, chosen: Scale) -> dict[str, Any]:
    """Return the fields of a smaller experiment, limited to the size that the scale gives the paper's main run."""
    widest = round(chosen.width * FULL_WIDTH)
    found: dict[str, Any] = {
        "network.hidden": [min(width, widest) for width in preset.network.hidden],
        "train.steps": min(preset.train.steps, round(chosen.steps * FULL_STEPS)),
        "train.batch": min(preset.train.batch, chosen.batch),
        "prune.rewind_step": preset.prune.rewind_step,
        "data.validation": min(preset.data.validation, chosen.validation),
    }
    if preset.prune.method == "imp":
        found["prune.levels"] = _levels(preset, chosen)
    if preset.data.source in ("photographs", "nlgp", "nlgp-clone"):
        found |= {"data.size": min(preset.data.size, chosen.size), "data.heldout": found["data.validation"]}
    if preset.data.source == "photographs":
        found["data.patches"] = min(preset.data.patches, chosen.patches)
    return found


def _images(data: Data, given: Mapping[str, Any], chosen: Scale) -> dict[str, Any]:
    """Return the fields of the images: fewer, mirrored where they are few, or photographs in place of ImageNet."""
    rotated = given.get("data.rotate", data.rotate)
    found: dict[str, Any] = {"data.flip": chosen.mirrored and not rotated}
    source = given.get("data.source", "photographs" if chosen.name in WITHOUT_FILES else data.source)
    if source == "photographs" and data.source in OFFICIAL:
        found |= {
            "data.source": source,
            "data.size": chosen.size * (2 if data.source == "imagenet64" else 1),
            "data.patches": chosen.patches,
            "data.heldout": chosen.validation,
            "data.task": "classes",
            "data.label_noise": NOISE.get(data.task.partition(":")[0], data.label_noise),
        }
    elif source in OFFICIAL:
        found["data.fraction"] = data.fraction * chosen.images
    return found


def _levels(preset: Experiment, chosen: Scale) -> int:
    """Return the number of levels until u is at the sparsest of the scale."""
    # The 0.05 allows for the rounding of the table's values.
    enough = math.ceil(math.log(chosen.sparsest) / math.log(1 - preset.prune.rate) - 0.05)
    return enough if preset.prune.levels is None else min(enough, preset.prune.levels)


def _name(name: str, scale: str) -> str:
    family, slash, rest = name.partition("/")
    return f"{scale}/{rest}" if slash and family == "paper" else f"{name}-{scale}"
