"""This module lets values follow others that are set: the step to rewind to the steps, mirroring the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from prunescope.experiment.fields import Prune, Section, Train

OWN_IMAGES = ("photographs", "nlgp", "nlgp-clone")  # sources whose images come with the package
SCALED = ("folder",)  # sources whose images are brought to data.size


def follow_steps(fields: dict[str, Any], given: Mapping[str, Any], steps_before: object = None) -> list[str]:
    """Add the values that follow others to ``fields`` and return a line that says so for each.

    ``fields``: the nested fields of a preset or file with the overrides ``given`` applied; ``steps_before``: the
    steps that the preset or file sets itself, None for the default. Where an override, or a file
    that leaves ``prune.rewind_step`` out, sets fewer steps than there are before the step to rewind to, this step
    becomes the same share of the steps that it was before. Where it still fits, it stays, and a line names a share that
    is more than twice what it was. Nothing follows a value that the user has set.
    """
    train, prune = fields.get("train", {}), fields.get("prune", {})
    if not isinstance(train, dict) or not isinstance(prune, dict):
        return []
    steps, every = _whole(train.get("steps")), train.get("eval_every", _default(Train, "eval_every"))
    if steps is None:
        return []
    notes = []
    before = _whole(prune.get("rewind_step", _default(Prune, "rewind_step")))
    of = _whole(
        _default(Train, "steps") if steps_before is None or "train.steps" not in given else steps_before
    )
    fixed = "prune.rewind_step" in given or ("rewind_step" in prune and "train.steps" not in given)
    latest = _latest(steps, prune)
    if before is not None and of and not fixed and before > latest:
        prune["rewind_step"] = min(max(1, round(before * steps / of)), max(0, latest))
        fields["prune"] = prune
        notes.append(
            f"prune.rewind_step is {prune['rewind_step']} in place of {before}, the same share of train.steps={steps} "
            f"as of {of}: set it to choose another"
        )
    elif before and of and not fixed and latest != math.inf and 2 * steps < of:
        notes.append(
            f"prune.rewind_step stays {before}, {before / steps:.0%} of train.steps={steps} in place of {before / of:.0%} of "
            f"{of}: prune.rewind_step={max(1, round(before * steps / of))} keeps the share"
        )
    if (
        "train.steps" in given
        and isinstance(every, int)
        and every > steps
        and "train.eval_every" not in given
    ):
        notes.append(
            f"train.eval_every is {every}: with train.steps={steps} a level is evaluated at its end alone"
        )
    return notes


def follow_data(fields: dict[str, Any], given: Mapping[str, Any], source_before: object) -> list[str]:
    """Let ``data.flip`` follow data that were chosen by an override, and return lines on what a preset keeps for them.

    ``fields``: as for ``follow_steps``; ``given``: the overrides of the user, a scale among them; ``source_before``: the source of the preset or file. Series, tables
    and idx files (digits, letters, clothes) are not mirrored unless ``data.flip`` is set: they are other things when
    turned round. Images of other sources keep what the preset says, which is right for photographs, and a line names it.
    """
    data = fields.get("data")
    source = data.get("source", source_before) if isinstance(data, dict) else None
    if not isinstance(data, dict) or source in OWN_IMAGES or source == source_before:
        return []
    notes, flip = [], str(data.get("flip")).lower() == "true" and "data.flip" not in given
    if flip and (data.get("geometry", "image") != "image" or source == "idx"):
        what = {"series": "series run one way", "none": "the features of a table have no order"}
        why = what.get(str(data.get("geometry")), "digits and letters are others when they are mirrored")
        data["flip"] = flip = False
        notes.append(f"data.flip is false in place of true: {why}; set it to choose otherwise")
    kept = [f"data.flip={_toml(data['flip'])} (wrong for digits and text)"] if flip else []
    train = fields.get("train", {})
    if isinstance(train, dict) and "lr" in train and "train.lr" not in given:
        kept.append(f"train.lr={train['lr']}")
    if source in SCALED and "size" in data and "data.size" not in given:
        kept.append(f"data.size={data['size']}")
    if kept and "scale" not in given:
        notes.append(
            f"kept for data.source={source}, and chosen for data.source={source_before}: {', '.join(kept)}"
        )
    return notes


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _latest(steps: int, prune: Mapping[str, Any]) -> float:
    """Return the last step that may be rewound to."""
    if prune.get("retrain") == "remaining":
        return steps - 1
    return float("inf") if str(prune.get("rewind")).lower() == "false" else steps


def _whole(value: object) -> int | None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (isinstance(value, float) and not math.isfinite(value))
        or value != int(value)
    ):
        return None
    return int(value)


def _default(section: type[Section], name: str) -> Any:
    return section.model_fields[name].default
