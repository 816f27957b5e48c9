"""prunescope: train, prune, and look at what pruning leaves."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.driver import run as run
    from prunescope.errors import InputError as InputError
    from prunescope.experiment import Experiment as Experiment
    from prunescope.mask import Mask as Mask
    from prunescope.observe import effective_masks as effective_masks
    from prunescope.observe import fan_in as fan_in
    from prunescope.observe import fan_out as fan_out
    from prunescope.observe import inhomogeneous_null as inhomogeneous_null
    from prunescope.observe import uniform_null as uniform_null
    from prunescope.observe import weight_image as weight_image
    from prunescope.observe.locality import locality as locality
    from prunescope.observe.measure import measure as measure
    from prunescope.store import Run as Run
    from prunescope.tables.collect import table as table

    load = Run

_HOMES = {
    "Experiment": ("experiment", "Experiment"),
    "InputError": ("errors", "InputError"),
    "Mask": ("mask", "Mask"),
    "Run": ("store", "Run"),
    "load": ("store", "Run"),
    "run": ("driver", "run"),
    "table": ("tables", "table"),
} | {
    name: ("observe", name)
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


def __getattr__(name: str) -> Any:
    # on demand: importing the package for one name must not load torch for another
    if name not in _HOMES:
        raise AttributeError(f"module 'prunescope' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"prunescope.{module}"), attribute)
