"""This module says in words what the fields of an experiment take, and what is wrong with a value that is refused."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from prunescope.errors import did_you_mean
from prunescope.experiment.dotted import fields

BOUNDS = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}
FAR, NEAR = 1000, 0.01  # Limits above and below are far out: messages name them only to who goes there.
LONGEST = 200  # characters of a value in a message
NOTHING = ("none", "null")  # Words for "not given", which TOML lacks, in lower case.
# Other names that people give to fields.
SYNONYMS = {
    "amount": "prune.rate",
    "batch_size": "train.batch",
    "batchsize": "train.batch",
    "dataset": "data.source",
    "epochs": "train.steps",
    "iterations": "train.steps",
    "layers": "network.hidden",
    "learning_rate": "train.lr",
    "num_workers": "run.threads",
    "path": "data.root",
    "sparsity": "prune.density",
    "widths": "network.hidden",
    "workers": "run.threads",
}


def takes(info: FieldInfo) -> str:
    """Return what a field takes: ``a whole number of at least 1``, ``sgd, momentum or adam``."""
    return _takes(info.annotation, info.metadata, far=False)


def takes_nothing(info: FieldInfo) -> bool:
    """Return whether a field may be left without a value."""
    return type(None) in get_args(info.annotation)


def is_nothing(value: object) -> bool:
    """Return whether a value is a word for "not given", such as ``None``."""
    return isinstance(value, str) and value.lower() in NOTHING


def wrong(name: str, value: Any) -> str:
    """Return the words that refuse a value of a field, with what to give in its place."""
    info = dict(fields())[name]
    text = _takes(info.annotation, info.metadata, far=_is_far(value))
    return f"{name} is {shown(value)}: give {text}{_hint(name, value, info)}"


def shown(value: object) -> str:
    """Return a value as it stands in a message: one that is long is cut, so that the message stays one line."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits; lists within lists within lists
        return f"a {type(value).__name__} too long to be shown"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def truth_for_number(nested: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Return the first field of numbers whose value is true or false, with that value; pydantic reads them as 1 and 0."""
    for name, info in fields():
        section, _, last = name.rpartition(".")
        inside = nested.get(section) if section else nested
        value = inside.get(last) if isinstance(inside, Mapping) else None
        if isinstance(value, bool) and takes(info).startswith(("a whole number", "a number", "a list of")):
            return name, value
    return None


def unknown(name: str) -> str:
    """Return the words that refuse a name that is no field, with the most similar ones."""
    names = [known for known, _ in fields()]
    last = name.rpartition(".")[2]
    same = [known for known in names if known.rpartition(".")[2] == last]
    if last == "seed":
        hint = "a seed is an option: --seed 1"
    elif last in SYNONYMS:
        hint = f"did you mean {SYNONYMS[last]!r}?"
    elif same and name not in same:
        hint = f"did you mean {_either(map(repr, same))}?"
    else:
        hint = did_you_mean(name, names, "")
    return f"unknown field {shown(name)}: {hint or 'it is none of them'} (prunescope list --fields names them all)"


def _is_far(value: object) -> bool:
    """Return whether a value may be beyond a limit that is not worth a word elsewhere (FAR, NEAR)."""
    if isinstance(value, list | tuple):
        return len(value) > FAR or any(map(_is_far, value))
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) > FAR or 0 < abs(value) < NEAR


def _takes(annotation: Any, constraints: Iterable[Any], *, far: bool) -> str:
    """Return what a field takes; with ``far`` the limits that are far out too."""
    if hasattr(annotation, "__metadata__"):  # Only Annotated types have this attribute.
        base, *extra = get_args(annotation)
        return _takes(base, [one for part in extra for one in getattr(part, "metadata", [part])], far=far)
    kind = get_origin(annotation)
    if kind in (Union, types.UnionType):
        parts = [_takes(part, (), far=far) for part in get_args(annotation) if part is not type(None)]
        return " or a list of them".join([parts[0], *[""] * (len(parts) - 1)])
    if kind is Literal:
        return _either(map(str, get_args(annotation)))
    if kind is tuple:
        constraints = list(constraints)
        inner = _takes(get_args(annotation)[0], (), far=far)
        least = next((one.min_length for one in constraints if hasattr(one, "min_length")), 0)
        most = next((one.max_length for one in constraints if hasattr(one, "max_length")), None)
        several = f" ({least} or more)" if least > 1 else f" (at most {most:,})" if far and most else ""
        return f"a list of {inner.removeprefix('a ').replace('number', 'numbers', 1)}{several}"
    if annotation in (int, float):
        return ("a whole number" if annotation is int else "a number") + _bounds(constraints, far=far)
    if pattern := next((found for one in constraints if (found := getattr(one, "pattern", None))), ""):
        marks = ". _ - /" if "/" in pattern else ". _ -"
        return f"letters, digits and {marks}, of which the first is a letter or a digit"
    return {bool: "true or false", str: "a text"}.get(annotation, "a table of values, as {a = 1}")


def _bounds(constraints: Iterable[Any], *, far: bool) -> str:
    found = []
    for one in constraints:
        for attribute, words in BOUNDS.items():
            if (limit := getattr(one, attribute, None)) is not None:
                if not far and limit > FAR:
                    continue
                if not far and attribute == "ge" and 0 < limit < NEAR:
                    words, limit = BOUNDS["gt"], 0
                found.append(f"{words} {limit:,}" if isinstance(limit, int) else f"{words} {limit:g}")
    return f" {' and '.join(found)}" if found else ""


def _hint(name: str, value: Any, info: FieldInfo) -> str:
    """Return an addition to a refusal: what the value may have been meant to be; empty where nothing is near."""
    text = takes(info)
    if isinstance(value, str):
        number = value.removesuffix("%")
        if value != number and _is_number(number) and "number" in text:
            return f", as in {name}={float(number) / 100:g}"
        numbers = re.findall(r"[\d.]+", value)
        if "list" in text and numbers and re.fullmatch(r"\W*[\d.]+([\s,x]+[\d.]+)*\W*", value):
            return f', as in "{name}=[{",".join(numbers)}]"'
        choices = [choice for choice in get_args(info.annotation) if isinstance(choice, str)]
        near = did_you_mean(value.lower(), choices, "")
        return f"; {near}" if near else ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and text.startswith("a list of"):
        return f', in quotes, as in "{name}=[{value}]"'
    if is_number and 2 <= value < 100 and text.endswith(("at most 1", "below 1")):
        return f"; {value:g} % is {value / 100:g}"
    if isinstance(value, list) and "list" not in text:
        return "; several values are for prunescope sweep"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _either(words: Iterable[str]) -> str:
    *ahead, last = words
    return f"{', '.join(ahead)} or {last}" if ahead else last
