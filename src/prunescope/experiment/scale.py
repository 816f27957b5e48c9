"""The scale dial: the paper's experiments made smaller by stated rules. Cheap to import.

``scale=mini|laptop|small|paper`` among the overrides of an experiment turns width, steps, batch and images down
together; what is set beside it by hand stays as set. The rules for experiments of the paper's size (batch of 1000):

=================  ==============  ===========  ===========  ===========
                   mini            laptop       small        paper
=================  ==============  ===========  ===========  ===========
width              x 1/8           x 1/4        x 1/2        x 1
steps              x 0.015         x 0.04       x 0.2        x 1
longest steps      3000            8000         40,000       500,000
batch              256             256          512          1000
learning rate      x 4             x 4          x 2          x 1
rewind step        x 0.15          x 0.4        x 1          x 1
levels end at u    0.47 %          0.47 %       0.23 %       stop rule
layer by layer to  dense           dense - 1 %  dense        dense
evaluations        20 a level      20 a level   50 a level   each 100
ImageNet files     photographs     x 1/4        x 1/2        x 1
validation images  4000            5000         10,000       10,000
=================  ==============  ===========  ===========  ===========

Layer by layer, a layer is pruned until the network is worse than the dense one; at laptop through dips of a point of
accuracy (``prune.tolerance``), since few images gain nothing by the first prunings and 5000 resolve half a point.
Adam's learning rate stays. Rewinding is to at most a fifth of a level's steps. Images are mirrored at mini and laptop,
where they are few, unless they are rotated (mirrored lines would lie at -20 degrees as well). Photographs stand in for
ImageNet at mini, or where ``data.source=photographs`` is set: 16x16 pixels at mini and 32x32 above (twice that for
ImageNet64), and label noise stands in for tasks of ImageNet's classes: none for the semantic one, half for the two
in between, full for random classes.

Experiments smaller than the paper's are capped at what the dial makes of ``paper/main``, and nothing of theirs is
multiplied. The numbers follow what is known to work: the presets quickstart and tiny-imagenet, whose learning rate is
four times the paper's because in so few steps weights must get well away from their initial values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prunescope.errors import InputError
from prunescope.experiment import Data, Experiment

FULL_BATCH = 1000  # experiments with at least this batch are of the paper's size
FULL_WIDTH, FULL_STEPS = 1024, 100_000
LONGEST = 2  # of the paper's steps: longer training is cut to so many times the main run's
LEAST_WIDTH = 16
OFFICIAL = ("imagenet32", "imagenet64")


@dataclass(frozen=True)
class Scale:
    """One position of the dial; factors are of the paper's values, see the module's table."""

    name: str
    width: float
    steps: float
    batch: int
    rate: float
    rewind: float
    sparsest: float
    tolerance: float
    looks: int
    images: float
    validation: int
    mirrored: bool
    size: int
    patches: int


SCALES: dict[str, Scale | None] = {
    "mini": Scale("mini", 1 / 8, 0.015, 256, 4, 0.15, 0.0048, 0, 20, 1, 4000, True, 16, 120_000),
    "laptop": Scale("laptop", 1 / 4, 0.04, 256, 4, 0.4, 0.0048, 0.01, 20, 1 / 4, 5000, True, 32, 100_000),
    "small": Scale("small", 1 / 2, 0.2, 512, 2, 1, 0.0024, 0, 50, 1 / 2, 10_000, False, 32, 200_000),
    "paper": None,
}
# what stands in for tasks of ImageNet's classes where there are photographs: the share of noise in the labels
NOISE = {"semantic": 0.0, "semantic-5-random-5": 0.5, "semantic-partial": 0.5, "modulo": 1.0, "random": 1.0}


def find_scale(name: str) -> Scale | None:
    """A position of the dial, None for the paper's own; raises InputError for another name."""
    if name not in SCALES:
        raise InputError(f"scale is {name!r}: use {', '.join(SCALES)}")
    return SCALES[name]


def changes(preset: Experiment, by_hand: Mapping[str, Any], scale: str) -> dict[str, Any]:
    """The fields that ``scale`` sets, by dotted name.

    ``preset`` is the experiment as it comes; ``by_hand`` the fields set beside the dial, by dotted name: they are
    never among the result. Raises InputError for an unknown scale.
    """
    dial = find_scale(scale)
    if dial is None:
        return {}
    full = preset.train.batch >= FULL_BATCH
    found = {"name": _name(preset.name, scale), **(_turned if full else _capped)(preset, dial)}
    if full:
        found |= _images(preset.data, by_hand, dial)
    steps = by_hand.get("train.steps")
    if not isinstance(steps, int):  # what is no number is refused where fields are checked
        steps = found["train.steps"]
    found["prune.rewind_step"] = min(found["prune.rewind_step"], steps // 5)
    found["train.eval_every"] = max(1, steps // dial.looks)
    return {name: value for name, value in found.items() if name not in by_hand}


def _turned(preset: Experiment, dial: Scale) -> dict[str, Any]:
    """What the dial makes of an experiment of the paper's size."""
    train, prune = preset.train, preset.prune
    found: dict[str, Any] = {
        "network.hidden": [max(LEAST_WIDTH, round(dial.width * width)) for width in preset.network.hidden],
        "train.steps": round(dial.steps * min(train.steps, LONGEST * FULL_STEPS)),
        "train.batch": dial.batch,
        "prune.rewind_step": round(dial.rewind * prune.rewind_step),
        "data.validation": min(preset.data.validation, dial.validation),
    }
    if train.optimizer != "adam":
        found["train.lr"] = dial.rate * train.lr
    if prune.method == "imp":
        found["prune.levels"] = _levels(preset, dial)
    if prune.method == "progressive":
        found["prune.tolerance"] = dial.tolerance
    return found


def _capped(preset: Experiment, dial: Scale) -> dict[str, Any]:
    """An experiment that is small already, no larger than what the dial makes of the paper's."""
    widest = round(dial.width * FULL_WIDTH)
    found: dict[str, Any] = {
        "network.hidden": [min(width, widest) for width in preset.network.hidden],
        "train.steps": min(preset.train.steps, round(dial.steps * FULL_STEPS)),
        "train.batch": min(preset.train.batch, dial.batch),
        "prune.rewind_step": preset.prune.rewind_step,
        "data.validation": min(preset.data.validation, dial.validation),
    }
    if preset.prune.method == "imp":
        found["prune.levels"] = _levels(preset, dial)
    if preset.data.source in ("photographs", "nlgp", "nlgp-clone"):
        found |= {"data.size": min(preset.data.size, dial.size), "data.heldout": found["data.validation"]}
    if preset.data.source == "photographs":
        found["data.patches"] = min(preset.data.patches, dial.patches)
    return found


def _images(data: Data, by_hand: Mapping[str, Any], dial: Scale) -> dict[str, Any]:
    """Fewer images, mirrored where they are few; photographs in place of ImageNet."""
    rotated = by_hand.get("data.rotate", data.rotate)
    found: dict[str, Any] = {"data.flip": dial.mirrored and not rotated}
    source = by_hand.get("data.source", "photographs" if dial.name == "mini" else data.source)
    if source == "photographs" and data.source in OFFICIAL:
        found |= {
            "data.source": source,
            "data.size": dial.size * (2 if data.source == "imagenet64" else 1),
            "data.patches": dial.patches,
            "data.heldout": dial.validation,
            "data.task": "classes",
            "data.label_noise": NOISE.get(data.task.partition(":")[0], data.label_noise),
        }
    elif source in OFFICIAL:
        found["data.fraction"] = data.fraction * dial.images
    return found


def _levels(preset: Experiment, dial: Scale) -> int:
    """Levels until u is at the dial's sparsest."""
    # a hair less: the table's values are rounded
    enough = math.ceil(math.log(dial.sparsest) / math.log(1 - preset.prune.rate) - 0.05)
    return enough if preset.prune.levels is None else min(enough, preset.prune.levels)


def _name(name: str, scale: str) -> str:
    family, slash, rest = name.partition("/")
    return f"{scale}/{rest}" if slash and family == "paper" else f"{name}-{scale}"
