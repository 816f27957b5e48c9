"""Axes: lists among the fields of an experiment, and the grid they span."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from prunescope.errors import InputError
from prunescope.experiment import Experiment

Settings = dict[str, Any]


def parse(override: str) -> tuple[str, Any]:
    """``key=value`` as name and value; values are TOML, and bare words are strings, inside a list too."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"{override!r} is not key=value: write train.steps=2000 or train.lr=[0.1,0.05]")
    return key.strip(), _value(text.strip())


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if text.startswith("[") and text.endswith("]"):
            return [_value(part.strip()) for part in _parts(text[1:-1])]
        return text


def _parts(text: str) -> list[str]:
    """Split at the commas that stand in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "," and not depth:
            parts.append("")
            continue
        else:
            depth += (letter in "[{") - (letter in "]}")
        parts[-1] += letter
    return [part for part in parts if part.strip()]


def grid(settings: Mapping[str, Any], origin: str) -> list[Settings]:
    """Every combination of the axes among ``settings``, the first axis slowest; fixed fields are in all.

    A list is an axis, except where the field takes a list (network.hidden, prune.density, …): there a list of
    lists is. Raises InputError for an axis without values.
    """
    choices = {name: _choices(name, value, origin) for name, value in settings.items()}
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


def _choices(name: str, value: Any, origin: str) -> list[Any]:
    if name in ("seed", "seeds"):
        raise InputError(
            f"{origin}: {name} is no field of an experiment; seeds are given by --seeds N or seeds = N"
        )
    if not isinstance(value, list):
        return [value]
    if not value:
        raise InputError(f"{origin}: {name} is an empty list: an axis needs at least one value")
    if not takes_list(name):
        return value
    nested = [isinstance(item, list) for item in value]
    if any(nested) and not all(nested):
        raise InputError(
            f"{origin}: {name} is {json.dumps(value)}: {name} takes a list, so its axis is a list of lists"
        )
    return value if all(nested) else [value]


def takes_list(name: str) -> bool:
    """Whether the field of this dotted name takes a list; False for names that are no field."""
    model: Any = Experiment
    for part in name.split("."):
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
            return False
        model = model.model_fields[part].annotation
    return _holds_tuple(model)


def _holds_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(map(_holds_tuple, get_args(annotation)))


def flat(table: Mapping[str, Any], prefix: str = "") -> Settings:
    """A TOML table as dotted names: ``{train: {lr: 1}}`` and ``{"train.lr": 1}`` are the same."""
    found: Settings = {}
    for key, value in table.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def override(name: str, value: Any) -> str:
    """A setting as experiment.load takes it."""
    try:
        return f"{name}={json.dumps(value, ensure_ascii=False)}"
    except TypeError:
        raise InputError(
            f"{name} is {value}: use a number, a string, true, false or a list of them"
        ) from None
