"""This module reads experiments from presets and TOML files; errors in them are reported in one line."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from importlib import resources
from operator import getitem
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prunescope.arguments import callable_of, listed, path_of, said
from prunescope.errors import InputError, did_you_mean
from prunescope.experiment.dotted import fields as all_fields
from prunescope.experiment.dotted import set_field
from prunescope.experiment.experiment import Experiment
from prunescope.experiment.fields import NAME, Data, name_of_root, plain_name
from prunescope.experiment.following import follow_data, follow_steps
from prunescope.experiment.overrides import parsed
from prunescope.experiment.toml import parse_toml, read_toml
from prunescope.experiment.wording import is_nothing, shown, takes_nothing, truth_for_number, unknown, wrong

PRESETS = "prunescope.experiment"
PATHS = ("data.root", "prune.like", "prune.masks")  # Shells leave a ~ after the = as it is.


def preset_names() -> list[str]:
    """Return the names of the presets that come with the package, sorted."""
    root = resources.files(PRESETS) / "presets"
    with resources.as_file(root) as folder:
        return sorted(p.relative_to(folder).with_suffix("").as_posix() for p in folder.rglob("*.toml"))


def preset_text(name: str) -> str:
    """Return the TOML text of a preset; raises InputError for an unknown name."""
    if not isinstance(name, str):
        raise InputError(f"name is {said(name)}: give the name of a preset")
    if name not in preset_names():
        hint = did_you_mean(name, preset_names(), "use a TOML file or a preset")
        for file in (Path(f"{name}.toml"), Path(name, "experiment.toml")):
            with contextlib.suppress(OSError):  # of a name that is longer than a path may be
                hint = f"did you mean {str(file)!r}?" if file.is_file() else hint
        raise InputError(f"unknown experiment {shown(name)}: {hint} (prunescope list names the presets)")
    return (resources.files(PRESETS) / "presets" / f"{name}.toml").read_text("utf-8")


def load(
    experiment: str | Path, overrides: Iterable[str] = (), say: Callable[[str], None] | None = None
) -> Experiment:
    """Read a preset (by name) or a TOML file and apply ``key=value`` overrides.

    ``experiment``: the name of a preset, or the path of a file that ends in .toml. ``overrides``: texts whose values
    are TOML, where a bare word is a string. An override ``scale=NAME`` makes the experiment smaller by the rules of
    ``prunescope.experiment.scale`` before the others are applied. The experiment's name ends in that of its data set
    where an override sets ``data.root`` or ``data.name``, or a file that gives no name sets ``data.root``; an override of
    ``name`` is taken as it is. The name of another data set in a file goes where overrides set one. ``say`` is told, in
    a line each, which values follow from others (``following.follow_steps``); by default they are printed to stderr.
    Raises InputError, which names the field, the value found and what would be right.
    """
    path = path_of("experiment", experiment)
    overrides = listed("overrides", overrides, "a list of texts as train.steps=2000")
    say = to_stderr if say is None else callable_of("say", say)
    if path.suffix == ".toml":
        fields, origin = read_toml(path), str(path)
    else:
        origin = f"preset {experiment}"
        fields = parse_toml(preset_text(str(experiment)), origin)
    own_name = "name" in fields
    if not own_name:
        fields["name"] = _name_of_file(path) if path.suffix == ".toml" else str(experiment)
    given = dict(parsed(override) for override in overrides)
    told = dict(given)
    if "scale" in given:
        from prunescope.experiment.scale import changes

        scale = str(given.pop("scale"))
        given = changes(build(fields, origin), given, scale) | given
    if {"data.root", "data.name"} & given.keys():
        _forget_name(fields, given)
    source = _source_of(fields)
    train = fields.get("train")
    steps = train.get("steps") if isinstance(train, dict) else None
    for key, value in given.items():
        if not set_field(fields, key, _meant(key, value)):
            raise InputError(unknown(key))
    notes = [*follow_steps(fields, given, steps), *follow_data(fields, told, source)]
    built = build(fields, origin)
    for note in notes:
        say(note)
    by_data = {"data.root", "data.name"} & given.keys() or not own_name
    return built.named_after_data() if by_data and "name" not in told else built


def _name_of_file(path: Path) -> str:
    """Return what an experiment is called after its file: the name without .toml, as far as an experiment may have it."""
    return path.stem if re.search(NAME, path.stem) else plain_name(path.stem)


def _forget_name(fields: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Take the name of the data set out of nested fields where the overrides ``given`` give it another.

    So the experiment.toml of a run that is run on other data is not called after the data of that run. A name that does not
    follow from the file's own ``data.root`` stays when only the root is another.
    """
    data = fields.get("data")
    called = data.get("name") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(called, str) or not called:
        return
    follows = called == name_of_root(str(data.get("root", "")))
    now = given.get("data.name") or (name_of_root(str(given.get("data.root", ""))) if follows else called)
    if now != called:
        del data["name"]
        fields["name"] = str(fields["name"]).removesuffix(f"-{called}")


def _source_of(fields: Mapping[str, Any]) -> object:
    """Return the source of the images that nested fields name, the default where they name none."""
    data = fields.get("data")
    default = Data.model_fields["source"].default
    return data.get("source", default) if isinstance(data, dict) else default


def _meant(name: str, value: Any) -> Any:
    """Return the value that an override means: None for a word such as ``none``, a path without its ``~``."""
    info = dict(all_fields()).get(name)
    if info is not None and takes_nothing(info) and is_nothing(value):
        return None
    return os.path.expanduser(value) if name in PATHS and isinstance(value, str) else value


def to_stderr(note: str) -> None:
    """Print a note to stderr."""
    print(f"prunescope: {note}", file=sys.stderr)


def build(fields: dict[str, Any], origin: str = "experiment") -> Experiment:
    """Return the experiment of nested fields after checking them.

    ``fields``: dictionaries of values, as TOML is read. ``origin`` is named in messages. Raises InputError, in one
    line, for the first unknown field or value that is not allowed.
    """
    if not isinstance(fields, dict):
        raise InputError(f"{origin} is {said(fields)}: give a dictionary of fields")
    if truth := truth_for_number(fields):
        raise InputError(f"{origin}: {wrong(*truth)}")
    try:
        return Experiment.model_validate(fields)
    except ValidationError as error:
        raise InputError(f"{origin}: {_message(error, fields)}") from None


def _message(error: ValidationError, nested: dict[str, Any]) -> str:
    """Return what is wrong with the first of the fields that were refused, and what would be right."""
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        return unknown(".".join(parts))
    if first["type"] == "value_error":
        where = ".".join(parts)
        return f"{where}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")
    for name, _ in all_fields():
        *sections, last = name.split(".")
        if parts[: len(sections) + 1] == [*sections, last]:
            return wrong(name, reduce(getitem, sections, nested).get(last))
    section = next(name for name, _ in all_fields() if name.startswith(f"{parts[0]}."))
    return f"{parts[0]} is {shown(first['input'])}: it is a section, set its fields, as in {section}=…"
