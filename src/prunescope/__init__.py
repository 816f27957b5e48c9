"""prunescope: train, prune, and look at what pruning leaves."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from prunescope import _renamed

if TYPE_CHECKING:
    from prunescope.analysis.tables import table as table
    from prunescope.errors import InputError as InputError
    from prunescope.experiment import Experiment as Experiment
    from prunescope.mask import Mask as Mask
    from prunescope.observables import effective_masks as effective_masks
    from prunescope.observables import fan_in as fan_in
    from prunescope.observables import fan_out as fan_out
    from prunescope.observables import inhomogeneous_null as inhomogeneous_null
    from prunescope.observables import uniform_null as uniform_null
    from prunescope.observables import weight_image as weight_image
    from prunescope.observables.locality import locality as locality
    from prunescope.observables.measure import measure as measure
    from prunescope.pruning.running import run as run
    from prunescope.runs.directory import Run as Run

    load = Run

_HOMES = {
    "Experiment": ("experiment", "Experiment"),
    "InputError": ("errors", "InputError"),
    "Mask": ("mask", "Mask"),
    "Run": ("runs.directory", "Run"),
    "load": ("runs.directory", "Run"),
    "run": ("pruning.running", "run"),
    "table": ("analysis.tables", "table"),
} | {
    name: ("observables", name)
    for name in (
        "effective_masks",
        "fan_in",
        "fan_out",
        "inhomogeneous_null",
        "locality",
        "measure",
        "uniform_null",
        "weight_image",
    )
}  # fmt: skip

__all__ = sorted(_HOMES)

_renamed.install()


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def __getattr__(name: str) -> Any:
    # on demand: importing the package for one name must not load torch for another
    if name not in _HOMES:
        raise AttributeError(f"module 'prunescope' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"prunescope.{module}"), attribute)
