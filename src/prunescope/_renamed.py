"""Modules under the names they had in earlier versions: imported with a warning, for one version."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

RENAMED = {
    "arrays_file": "runs.arrays",
    "driver": "runs.driver",
    "estimate": "pruning.running",
    "figures.choice": "analysis.groups",
    "figures.drawing": "figures.parts.drawing",
    "figures.labels": "analysis.labels",
    "figures.picks": "analysis.picks",
    "figures.style": "figures.parts.style",
    "levels": "training.levels",
    "observe": "observables",
    "observed": "analysis.derived",
    "observing": "runs.measurements",
    "products": "network.precision",
    "progress": "cli.progress",
    "run_writer": "runs.writer",
    "scale": "experiment.scale",
    "sections": "experiment.fields",
    "store": "runs.directory",
    "tables": "analysis",
    "training.masks": "training.mask_changes",
    "training.torch_engine": "training.torch.engine",
}
ROOT = "prunescope."


class Renamed(MetaPathFinder, Loader):
    """Finds a module, or one below a package, under its old name."""

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of an old name, None for any other."""
        return ModuleSpec(fullname, self, is_package=True) if current_name(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module under its new name."""
        name = current_name(spec.name)
        assert name is not None
        module = import_module(name)
        warnings.warn(
            f"{spec.name} is now {name}: the old name goes with the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It was executed under its new name, and keeps the spec of that."""
        assert module.__spec__ is not None
        module.__spec__ = self._specs.pop(module.__spec__.name)


def current_name(fullname: str) -> str | None:
    """``prunescope.observables.locality`` for ``prunescope.observe.locality``; None for what has no old name."""
    name = fullname.removeprefix(ROOT)
    for old, new in RENAMED.items():
        if fullname != name and (name == old or name.startswith(f"{old}.")):
            return ROOT + new + name.removeprefix(old)
    return None


def install() -> None:
    """Let old names be found, before their parents' folders are searched for them."""
    sys.meta_path.insert(0, Renamed())
