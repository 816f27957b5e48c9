"""The bytes that a run stores, file by file; they follow from the sizes of its network and the densities of its levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from prunescope.experiment import Experiment
from prunescope.model import LAYER_FIELDS
from prunescope.runs.packed_weights import is_packed, packed_bytes
from prunescope.runs.resource_checks import weights_of
from prunescope.training.state import MOMENTS

FILE_BYTES, ARRAY_BYTES = 210, 74  # of a file of arrays: its metadata, and what its header says of an array
LINE_BYTES = 182  # of metrics.jsonl, an evaluation
TABLE_BYTES, ROW_BYTES = 12_500, 60  # of levels.parquet: its columns, and a level's layer
TEXT_BYTES = 2_100  # of experiment.toml and run.json
SHARES = 12  # of ablation_removed
NUMBER, FLOAT = 8, 4  # bytes of an index or a float64, and of a float32


@dataclass(frozen=True)
class StoredBytes:
    """The bytes of a run's directory.

    ``levels``: of the files of each level. ``shared``: of the files that all levels share. ``checkpoint``: what is there
    beside them while a level is trained: the checkpoint, and the next one while it replaces it.
    """

    levels: tuple[int, ...]
    shared: int
    checkpoint: int

    @property
    def whole(self) -> int:
        """The bytes of the directory of a finished run."""
        return self.shared + sum(self.levels)


@dataclass(frozen=True)
class StoredLevels:
    """The levels of a run as far as they take space: nominal densities, steps, and whether ``rewind.safetensors`` is written."""

    densities: tuple[float, ...]
    steps: tuple[int, ...]
    rewinds: bool


@dataclass(frozen=True)
class StoredImages:
    """The numbers of images that a level is scored on: ``validation`` and ``heldout``."""

    validation: int
    heldout: int


def stored_bytes(
    experiment: Experiment, sizes: tuple[int, ...], levels: StoredLevels, images: StoredImages
) -> StoredBytes:
    """Return the bytes of a run with these layer sizes (n0, …, nL) and levels, which are scored on ``images``."""
    storage = experiment.run.weights
    packs, norm = is_packed(storage, weights_of(sizes)), experiment.network.norm
    each = tuple(
        weights_bytes(sizes, norm, density if packs else 1.0)
        + masks_bytes(sizes)
        + observations_bytes(sizes, density, images)
        for density in levels.densities
    )
    evaluations = sum(math.ceil(count / experiment.train.eval_every) for count in levels.steps)
    rows = len(levels.densities) * (len(sizes) - 2)
    shared = LINE_BYTES * evaluations + TABLE_BYTES + ROW_BYTES * rows + TEXT_BYTES
    shared += _file(2, FLOAT * sizes[0] + -(-sizes[0] // 8))  # inputs.safetensors
    if levels.rewinds:
        shared += weights_bytes(sizes, norm, 1.0)  # rewind.safetensors
    return StoredBytes(each, shared, 2 * checkpoint_bytes(experiment, sizes))


def weights_bytes(sizes: tuple[int, ...], norm: str, density: float) -> int:
    """Return the bytes of weights.safetensors: hidden weights packed where the density makes them smaller."""
    count = len(sizes) - 1
    floats = sum(sizes[1:]) + 4 * _normalised(sizes, norm)
    hidden = sum(packed_bytes(a * b, density * a * b) for a, b in pairwise(sizes[:-1]))
    return _file(count * len(LAYER_FIELDS), FLOAT * (floats + sizes[-1] * sizes[-2]) + hidden)


def masks_bytes(sizes: tuple[int, ...]) -> int:
    """Return the bytes of masks.safetensors: a bit for each hidden weight and bias."""
    bits = sum(-(-a * b // 8) + -(-b // 8) for a, b in pairwise(sizes[:-1]))
    return _file(2 * (len(sizes) - 2), bits)


def observations_bytes(sizes: tuple[int, ...], density: float, images: StoredImages) -> int:
    """Return the bytes of observations.safetensors, in the order of ``runs.level_measurements.level_observations``."""
    from prunescope.observables.null_masks import SHUFFLES
    from prunescope.runs.level_measurements import ATLAS_NODES, SECOND_LAYER_NODES, TOP_IMAGES
    from prunescope.runs.preactivations import CAVITY_NODES

    pixels, units = sizes[:2]
    nodes = min(ATLAS_NODES, units)
    second = min(SECOND_LAYER_NODES, sizes[2]) if len(sizes) > 3 else 0
    right = 2 * (-(-images.validation // 8) + -(-images.heldout // 8))
    pictures = TOP_IMAGES * (nodes + second) * pixels
    numbers = NUMBER * (nodes + second + 4 * SHARES + SHUFFLES) + FLOAT * (TOP_IMAGES * nodes + units)
    cavity = min(CAVITY_NODES, units) * density * pixels * 3 * FLOAT  # node, input and effect
    return _file(17 if second else 15, pictures + numbers + right + cavity)


def checkpoint_bytes(experiment: Experiment, sizes: tuple[int, ...]) -> int:
    """Return the bytes of checkpoint.safetensors at its largest: the state, the best model and what is rewound to."""
    moments = MOMENTS[experiment.train.optimizer]
    model = weights_bytes(sizes, experiment.network.norm, 1.0)
    parameters = FLOAT * (weights_of(sizes) + sum(sizes[1:]))
    return (2 + experiment.prune.rewind) * model + moments * parameters + masks_bytes(sizes)


def _normalised(sizes: tuple[int, ...], norm: str) -> int:
    """Return how many values batch norm normalises."""
    return {"before": sum(sizes[:-1]), "after": sum(sizes[1:-1])}.get(norm, 0)


def _file(arrays: int, values: float) -> int:
    return FILE_BYTES + ARRAY_BYTES * arrays + round(values)
