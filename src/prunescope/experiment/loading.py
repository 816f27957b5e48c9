"""This module reads experiments from presets and TOML files; errors in them are reported in one line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prunescope.errors import InputError, did_you_mean
from prunescope.experiment.dotted import field_names, set_field
from prunescope.experiment.experiment import Experiment
from prunescope.experiment.overrides import parsed

PRESETS = "prunescope.experiment"


def preset_names() -> list[str]:
    """Return the names of the presets that come with the package, sorted."""
    root = resources.files(PRESETS) / "presets"
    with resources.as_file(root) as folder:
        return sorted(p.relative_to(folder).with_suffix("").as_posix() for p in folder.rglob("*.toml"))


def preset_text(name: str) -> str:
    """Return the TOML text of a preset; raises InputError for an unknown name."""
    if name not in preset_names():
        raise InputError(
            f"unknown experiment {name!r}: use a TOML file or one of {', '.join(preset_names())}"
        )
    return (resources.files(PRESETS) / "presets" / f"{name}.toml").read_text("utf-8")


def load(experiment: str | Path, overrides: Iterable[str] = ()) -> Experiment:
    """Read a preset (by name) or a TOML file and apply ``key=value`` overrides.

    ``experiment``: the name of a preset, or the path of a file that ends in .toml. ``overrides``: texts whose values
    are TOML, where a bare word is a string. An override ``scale=NAME`` makes the experiment smaller by the rules of
    ``prunescope.experiment.scale`` before the others are applied. The experiment's name ends in that of its data set
    where an override sets ``data.root`` or ``data.name``, or a file that gives no name sets ``data.root``; an override of
    ``name`` is taken as it is. Raises InputError, which names the field, the value found and what would be right.
    """
    path = Path(experiment)
    if path.suffix == ".toml":
        try:
            text, origin = path.read_text("utf-8"), str(path)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: not a UTF-8 text file") from None
    else:
        text, origin = preset_text(str(experiment)), f"preset {experiment}"
    try:
        fields: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin}: not TOML: {error}") from None
    own_name = "name" in fields
    fields.setdefault("name", path.stem if path.suffix == ".toml" else str(experiment))
    given = dict(parsed(override) for override in overrides)
    named = "name" in given
    if "scale" in given:
        from prunescope.experiment.scale import changes

        scale = str(given.pop("scale"))
        given = changes(build(fields, origin), given, scale) | given
    for key, value in given.items():
        if not set_field(fields, key, value):
            raise InputError(f"unknown field {key!r}{_hint(key)}")
    found = build(fields, origin)
    by_data = {"data.root", "data.name"} & given.keys() or not own_name
    return found.named_after_data() if by_data and not named else found


def build(fields: dict[str, Any], origin: str = "experiment") -> Experiment:
    """Return the experiment of nested fields after checking them.

    ``fields``: dictionaries of values, as TOML is read. ``origin`` is named in messages. Raises InputError, in one
    line, for the first unknown field or value that is not allowed.
    """
    try:
        return Experiment.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InputError(f"{origin}: unknown field {where!r}{_hint(where)}") from None
        message = first["msg"].removeprefix("Value error, ")
        given = "" if first["type"] == "value_error" else f" is {first['input']!r}"
        raise InputError(f"{origin}: {where}{given}: {message}".replace(": :", ":")) from None


def _hint(field: str) -> str:
    return ": " + did_you_mean(field, field_names(), f"fields are {', '.join(field_names())}")
