"""Experiment: what is run. Fields, presets, overrides and identity."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from prunescope.errors import InputError
from prunescope.sections import Data, Network, Place, Prune, Section, Source, Train

__all__ = [
    "Data",
    "Experiment",
    "Network",
    "Place",
    "Prune",
    "Source",
    "Train",
    "build",
    "field_names",
    "load",
    "preset_names",
    "preset_text",
]


class Experiment(Section):
    """What is run: every choice that changes the result, and (in ``run``) what changes only speed."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    data: Data = Data()
    network: Network = Network()
    train: Train = Train()
    prune: Prune = Prune()
    run: Place = Place()

    @model_validator(mode="after")
    def _fields_fit(self) -> Experiment:
        if self.prune.rewind and self.prune.rewind_step > self.train.steps:
            raise ValueError(
                f"prune.rewind_step is {self.prune.rewind_step}; it must be at most "
                f"train.steps = {self.train.steps}"
            )
        if self.prune.retrain == "remaining" and self.prune.rewind_step >= self.train.steps:
            raise ValueError("prune.retrain=remaining leaves no step: lower prune.rewind_step")
        if ".." in self.name.split("/") or self.name.endswith("/"):
            raise ValueError(f"name {self.name!r} must not climb out of the output folder")
        return self

    @property
    def identity(self) -> str:
        """First 12 hex digits of the SHA-256 of the canonical JSON of the scientific fields.

        Defaults are left out, so adding an option keeps old identities; so are ``name``,
        ``run`` and ``data.root``, which change only label, speed and place.
        """
        fields = self.model_dump(mode="json", exclude_defaults=True, exclude={"name", "run"})
        fields.get("data", {}).pop("root", None)
        if like := fields.get("prune", {}).get("like"):
            fields["prune"]["like"] = Path(like).parts[-2:]  # the run, wherever it lies
        fields = {key: value for key, value in fields.items() if value != {}}
        canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def to_toml(self) -> str:
        """Every field, defaults written out, as TOML that ``load`` reads back."""
        fields = self.model_dump(mode="json")
        lines = [f"name = {json.dumps(fields.pop('name'))}"]
        for section, values in fields.items():
            lines += ["", f"[{section}]"]
            lines += [f"{k} = {_toml(v)}" for k, v in values.items() if v is not None]
        return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def preset_names() -> list[str]:
    """Names of the presets that come with the package, sorted."""
    root = resources.files("prunescope") / "presets"
    with resources.as_file(root) as folder:
        return sorted(p.relative_to(folder).with_suffix("").as_posix() for p in folder.rglob("*.toml"))


def preset_text(name: str) -> str:
    """The TOML text of a preset; raises InputError for an unknown name."""
    if name not in preset_names():
        raise InputError(
            f"unknown experiment {name!r}: use a TOML file or one of {', '.join(preset_names())}"
        )
    return (resources.files("prunescope") / "presets" / f"{name}.toml").read_text("utf-8")


def load(experiment: str | Path, overrides: Iterable[str] = ()) -> Experiment:
    """Read a preset (by name) or a TOML file and apply ``key=value`` overrides.

    Values are TOML; a bare word is a string. ``scale=NAME`` among them turns the dial of
    ``prunescope.scale`` before the others are applied. Raises InputError naming the field, the
    value found and what would be right.
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
    fields.setdefault("name", path.stem if path.suffix == ".toml" else str(experiment))
    by_hand = dict(_parsed(override) for override in overrides)
    if "scale" in by_hand:
        from prunescope.scale import changes

        scale = str(by_hand.pop("scale"))
        by_hand = changes(build(fields, origin), by_hand, scale) | by_hand
    for key, value in by_hand.items():
        _set_field(fields, key, value)
    return build(fields, origin)


def build(fields: dict[str, Any], origin: str = "experiment") -> Experiment:
    """Check nested fields into an Experiment; raises InputError in one line."""
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


def field_names() -> list[str]:
    """Every dotted field name an override may set."""
    names = ["name"]
    for section, info in Experiment.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            names += [f"{section}.{field}" for field in annotation.model_fields]
    return names


def _hint(field: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(field, field_names(), n=1)
    return f": did you mean {close[0]!r}?" if close else f": fields are {', '.join(field_names())}"


def _parsed(override: str) -> tuple[str, Any]:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise InputError(f"{override!r} is not key=value: an override looks like train.steps=2000")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def _set_field(fields: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        fields = fields.setdefault(section, {})
        if not isinstance(fields, dict):
            raise InputError(f"unknown field {key!r}{_hint(key)}")
    fields[last] = value
