"""The state of an engine between two steps, as a value and as the named arrays of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prunescope.model import PARAMETERS, Arrays, FloatArray, Model, Ticket

# The names of masks in a checkpoint, where the model beside them has their shapes.
KEPT = ("kept{}.weights", "kept{}.biases")
# How many moments an optimiser keeps of each parameter, by train.optimizer.
MOMENTS = {"sgd": 0, "momentum": 1, "adam": 2}


@dataclass(frozen=True, eq=False)
class EngineState:
    """The state of an engine: everything that a level's next step depends on.

    ``model`` has the parameters, pruned ones that are trained included, and the moving averages. ``ticket`` is what
    is kept; None in a checkpoint of a version that did not write masks there. ``moments`` are the optimiser's: for
    each that it has (sgd none, momentum one, adam two) one array per parameter, in the order of model.PARAMETERS
    within each layer. ``steps`` counts the level's updates; ``loss_sum`` is the sum of the losses (nats) of the
    ``loss_steps`` updates since the last evaluation.
    """

    model: Model
    ticket: Ticket | None
    moments: tuple[tuple[FloatArray, ...], ...] = ()
    steps: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0

    def fitting_ticket(self, current: Ticket) -> Ticket | None:
        """Return the ticket; None where there is none, or where its network has other sizes than ``current``."""
        return self.ticket if self.ticket is not None and self.ticket.shapes == current.shapes else None

    def moments_of(self, count: int) -> tuple[tuple[FloatArray, ...], ...]:
        """Return the moments; raise ValueError unless there are ``count`` for each parameter."""
        if len(self.moments) != count:
            raise ValueError(
                f"the optimiser has {count} moments of each parameter, the state {len(self.moments)}"
            )
        return self.moments

    def to_arrays(self) -> Arrays:
        """Return named arrays: ``layer1.weight`` …, ``moment0`` …, ``counts``, ``kept1.weights`` …"""
        arrays = self.model.to_arrays()
        moments = [array for slot in self.moments for array in slot]
        arrays |= {f"moment{index}": array for index, array in enumerate(moments)}
        arrays["counts"] = np.array([self.steps, self.loss_sum, self.loss_steps], np.float64)
        return arrays if self.ticket is None else arrays | self.ticket.to_arrays(*KEPT)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> EngineState:
        """Read the state from what to_arrays returned; raise KeyError when an array is missing."""
        model = Model.from_arrays(arrays)
        width = len(PARAMETERS) * len(model.layers)
        slots = sum(name.startswith("moment") for name in arrays) // width
        moments = tuple(
            tuple(arrays[f"moment{index}"] for index in range(slot * width, (slot + 1) * width))
            for slot in range(slots)
        )
        steps, loss_sum, loss_steps = arrays["counts"].tolist()
        return cls(model, kept_ticket(arrays, model), moments, int(steps), loss_sum, int(loss_steps))


def kept_ticket(arrays: Arrays, model: Model) -> Ticket | None:
    """Return the ticket that was written beside ``model`` with the names KEPT, or None where there is none."""
    shapes = [(layer.weight.shape[0], layer.weight.shape[1]) for layer in model.layers[:-1]]
    return Ticket.from_arrays(arrays, shapes, *KEPT) if KEPT[0].format(1) in arrays else None


def under(arrays: Arrays, prefix: str) -> Arrays:
    """Return the arrays whose names start with ``prefix``, by their names without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
