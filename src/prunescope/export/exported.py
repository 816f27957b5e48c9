"""The network that is exported, and what a reader of the file has to know of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from prunescope.errors import InputError
from prunescope.export.export_form import ExportForm
from prunescope.memory import check_memory
from prunescope.model import Arrays
from prunescope.network.plain import NormLayer, PlainNetwork
from prunescope.network.plain_module import plain_module

if TYPE_CHECKING:
    from prunescope.runs.directory import Run

LARGEST_UNASKED = 100_000_000  # bytes; whether less fits into memory is not asked
COPIES = 4  # of the weights that are in memory together: read, folded, and as a file


@dataclass(frozen=True, eq=False)
class Exported:
    """A network to write: its parts, its form, the shape of an image without the batch, and notes on its origin.

    ``pixels``: what its input is, in words.
    """

    network: PlainNetwork
    form: ExportForm
    shape: tuple[int, ...]
    pixels: str
    notes: dict[str, str]

    def module(self) -> nn.Sequential:
        """Return the network as a torch module."""
        return plain_module(self.network, self.form.masks)

    def state(self) -> Arrays:
        """Return the entries of the torch module's state dict as arrays."""
        return {name: np.asarray(tensor.numpy()) for name, tensor in self.module().state_dict().items()}

    @property
    def epsilons(self) -> dict[str, float]:
        """The epsilon of each norm, which a state dict does not hold, by name."""
        parts = self.network.parts.items()
        return {f"{name}.eps": part.epsilon for name, part in parts if isinstance(part, NormLayer)}

    @property
    def sentence(self) -> str:
        """What the network takes and returns, in words."""
        sizes = self.network.sizes
        return f"it takes {self.pixels}, float32 [N, {', '.join(map(str, self.shape))}], and returns logits [N, {sizes[-1]}]"


def exported(run: Run, level: int, form: ExportForm) -> Exported:
    """Read the network at the end of a level; raise InputError for a level that does not exist, or a damaged file."""
    data = run.data
    shape = tuple(int(size) for size in data.get("shape") or ())
    if not shape:
        raise InputError(f"{run.path / 'run.json'}: says nothing of data.shape, which this needs")
    hidden = run.experiment.network.hidden
    needed = COPIES * 4 * sum(a * b for a, b in pairwise((math.prod(shape), *hidden)))
    if needed > LARGEST_UNASKED:
        check_memory(needed, f"{run.path}: the network")
    geometry = run.experiment.data.geometry
    shape = {"image": shape, "series": shape[::2], "none": shape[2:]}[geometry]
    network = run.plain_network(level, form.norm)
    are_bytes = run.network_input().are_bytes
    notes = {
        "parts": " ".join(network.parts),
        "sizes": "x".join(map(str, network.sizes)),
        "shape": "x".join(map(str, shape)),
        "input": "pixels from 0 to 255" if are_bytes else "values of the data",
        "norm": form.norm,
        "masks": form.masks,
        "name": run.experiment.name,
        "identity": run.experiment.identity,
        "seed": str(run.seed),
        "level": str(level),
    }
    return Exported(network, form, shape, notes["input"], notes)
