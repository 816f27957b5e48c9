"""What users write to say what is run: overrides of fields, TOML files and sweeps."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

from fuzz.targets import Target, commands
from fuzz.tree import Tree

_SWEEP = """experiment = "photographs"
seeds = 2
[fields]
train.steps = 200
[grid]
train.lr = [0.1, 0.05]
prune.method = ["imp", "random"]
[[runs]]
seeds = [3, 5]
prune.rate = 0.5
"""


def _field_seeds(folder: Path) -> dict[str, Tree]:
    from prunescope.experiment.dotted import fields
    from prunescope.experiment.overrides import formatted

    found: dict[str, Tree] = {"scale": {"overrides.json": b'["scale=mini"]'}}
    for name, info in fields():
        value = info.get_default(call_default_factory=True)
        value = list(value) if isinstance(value, tuple) else value
        if not isinstance(value, dict) and not info.is_required():
            text = f"{name}=none" if value is None else formatted(name, value)
            found[name] = {"overrides.json": json.dumps([text]).encode()}
    return found


def _read_fields(folder: Path, out: Path) -> None:
    from prunescope.experiment import build, load

    overrides = commands.texts(folder / "overrides.json")
    experiment = load("photographs", overrides, _silent)
    if build(experiment.model_dump()).identity != experiment.identity:
        raise AssertionError("the experiment is another when its fields are read again")


def _toml_seeds(folder: Path) -> dict[str, Tree]:
    from prunescope.experiment.loading import preset_names, preset_text

    return {name: {"a.toml": preset_text(name).encode()} for name in preset_names()[:6]}


def _read_toml(folder: Path, out: Path) -> None:
    from prunescope.experiment import load

    load(folder / "a.toml", (), _silent)


def _sweep_seeds(folder: Path) -> dict[str, Tree]:
    return {"grid": {"SWEEP.toml": _SWEEP.encode()}}


def _read_sweep(folder: Path, out: Path) -> None:
    from prunescope.sweep.sweep_file import read_jobs

    with contextlib.redirect_stderr(io.StringIO()):
        read_jobs(str(folder / "SWEEP.toml"))


def _silent(note: str) -> None:
    pass


TARGETS = (
    Target("fields", _field_seeds, _read_fields),
    Target("toml", _toml_seeds, _read_toml),
    Target("sweep", _sweep_seeds, _read_sweep),
)
