"""Images and streams: what runs train on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prunescope.data.dataset import Batch, Dataset, Images

if TYPE_CHECKING:
    from prunescope.data.opening import open_dataset
    from prunescope.data.prepared.preparation import prepare
    from prunescope.data.prepared.reading import info, verify
    from prunescope.data.sheet import sample_sheet

__all__ = ["Batch", "Dataset", "Images", "info", "open_dataset", "prepare", "sample_sheet", "verify"]

_HOMES = {
    "info": "prepared.reading",
    "open_dataset": "opening",
    "prepare": "prepared.preparation",
    "sample_sheet": "sheet",
    "verify": "prepared.reading",
}


def __getattr__(name: str) -> Any:
    # on demand, so that importing this package loads NumPy and nothing heavier
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
