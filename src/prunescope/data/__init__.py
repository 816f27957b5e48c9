"""This package reads and prepares image sets, and draws the batches that runs train on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope import _lazy

if TYPE_CHECKING:
    from prunescope.data.dataset import Batch as Batch
    from prunescope.data.dataset import Dataset as Dataset
    from prunescope.data.dataset import Images as Images
    from prunescope.data.opening import open_dataset as open_dataset
    from prunescope.data.prepared.preparation import prepare as prepare
    from prunescope.data.prepared.reading import info as info
    from prunescope.data.prepared.reading import verify as verify
    from prunescope.data.sheet import sample_sheet as sample_sheet

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    {
        "Batch": "dataset",
        "Dataset": "dataset",
        "Images": "dataset",
        "info": "prepared.reading",
        "open_dataset": "opening",
        "prepare": "prepared.preparation",
        "sample_sheet": "sheet",
        "verify": "prepared.reading",
    },
)
