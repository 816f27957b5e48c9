"""This module lists, reads and sets the fields of experiments by their dotted names, such as ``train.steps``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from prunescope.experiment.experiment import Experiment
from prunescope.experiment.fields import Section


def fields(section: type[Section] = Experiment, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield the dotted name and the definition of every field of a section, in their order.

    Fields of the sections inside it are included. ``prefix`` is put in front of every name.
    """
    for name, info in section.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            yield from fields(info.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info


def field_names() -> list[str]:
    """Return every dotted field name that an override may set."""
    return [name for name, _ in fields()]


def dotted_values(experiment: Experiment) -> dict[str, Any]:
    """Return the value of every field of an experiment, by dotted name, in the types of JSON: tuples become lists."""
    nested = experiment.model_dump(mode="json")
    return {name: reduce(getitem, name.split("."), nested) for name in field_names()}


def takes_list(name: str) -> bool:
    """Return whether the field of this dotted name takes a list; False for names that are not a field."""
    info = dict(fields()).get(name)
    return info is not None and _holds_tuple(info.annotation)


def takes_text(name: str) -> bool:
    """Return whether the field of this dotted name takes any text; False for names that are not a field."""
    info = dict(fields()).get(name)
    return info is not None and info.annotation is str


def _holds_tuple(annotation: object) -> bool:
    return get_origin(annotation) is tuple or any(map(_holds_tuple, get_args(annotation)))


def set_field(nested: dict[str, Any], name: str, value: Any) -> bool:
    """Set a field in nested dictionaries of fields by its dotted name.

    Return False, without setting it, where a part of the name in front of the last is the name of a value.
    """
    *sections, last = name.split(".")
    for section in sections:
        inner = nested.setdefault(section, {})
        if not isinstance(inner, dict):
            return False
        nested = inner
    nested[last] = value
    return True
