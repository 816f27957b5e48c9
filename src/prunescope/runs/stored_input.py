"""The mean image and the live pixels of a run's data (inputs.safetensors), without which its networks read no pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prunescope.errors import InputError, damaged
from prunescope.model import Arrays
from prunescope.network.network_input import NetworkInput

if TYPE_CHECKING:
    from prunescope.data import Dataset
    from prunescope.experiment import Data

FILE = "inputs.safetensors"
MEAN, LIVE = "mean", "live_pixels"
PIXELS = "pixels"  # the metadata that says which type pixels have
TYPES = ("uint8", "float32")


def input_of_dataset(dataset: Dataset) -> NetworkInput:
    """Return what turns the images of a data set into a network's input."""
    return NetworkInput(dataset.mean, dataset.live_pixels, dataset.validation.pixels.dtype == np.uint8)


def packed_input(pixels: NetworkInput) -> tuple[Arrays, dict[str, str]]:
    """Return the arrays and the metadata of inputs.safetensors."""
    arrays: Arrays = {MEAN: pixels.mean.astype(np.float32), LIVE: np.packbits(pixels.live)}
    return arrays, {PIXELS: TYPES[0] if pixels.are_bytes else TYPES[1]}


def read_input(path: Path, arrays: Arrays, notes: dict[str, str], n_in: int | None) -> NetworkInput:
    """Return what a file of a network's input holds; raise InputError when it is damaged.

    ``n_in``: the number of inputs that the run has; None where that is not known.
    """
    mean, live = arrays.get(MEAN), arrays.get(LIVE)
    if mean is None or live is None or arrays.keys() != {MEAN, LIVE}:
        raise damaged(path, f"arrays other than {MEAN} and {LIVE}")
    if mean.dtype != np.float32 or mean.shape != (n_in or mean.size,) or not np.isfinite(mean).all():
        raise damaged(path, f"{MEAN} does not have a finite number for each of {n_in or mean.size} pixels")
    if live.dtype != np.uint8 or live.shape != (-(-mean.size // 8),):
        raise damaged(path, f"{LIVE} does not have a bit for each of {mean.size} pixels")
    if notes.get(PIXELS) not in TYPES:
        raise damaged(path, f"{PIXELS} is {notes.get(PIXELS, '')[:40]!a}: {' or '.join(TYPES)}")
    kept = np.unpackbits(live, count=mean.size).astype(np.bool_)
    return NetworkInput(mean, kept, notes[PIXELS] == TYPES[0])


def input_of_data(path: Path, data: Data, seed: int, fingerprint: str | None) -> NetworkInput:
    """Open the data of a run that an earlier version made, at ``path``, for what it did not store.

    Raises InputError where they cannot be opened, or are others than the run was made of.
    """
    from prunescope.data import open_dataset

    needs = f"{path}: an earlier version made this run and stored no mean image, so that its data are needed"
    try:
        dataset = open_dataset(data, seed)
    except InputError as error:
        raise InputError(f"{needs}: {error}") from None
    if fingerprint is not None and dataset.fingerprint != fingerprint:
        raise InputError(
            f"{needs}, and those of data.root={data.root} are others (fingerprint {dataset.fingerprint[:12]}, "
            f"the run's is {fingerprint[:12]})"
        )
    return input_of_dataset(dataset)
