"""The native engine: it trains on a CPU with sparse kernels, whose cost falls with the number of kept weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from prunescope.data import Batch, Images
from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.mask import BoolArray
from prunescope.model import LAYER_FIELDS, PARAMETERS, FloatArray, Layer, Model, Ticket
from prunescope.native import kernels
from prunescope.native.blas import Blas, find_blas
from prunescope.network.forward import EPSILON
from prunescope.training.engine import Engine, Score
from prunescope.training.state import EngineState
from prunescope.training.torch.constants import ADAM_BETAS, ADAM_EPSILON, AVERAGE_DECAY

if TYPE_CHECKING:
    from prunescope.native import _kernels

# The density above which products through BLAS are the cheaper ones: see benchmarks/README.md. In bf16 it also says
# which maps are rounded; therefore it is the same on processors that gain less by it.
DENSE_ABOVE = {"float32": 0.75, "bf16": 0.2}
# The number of classes below which an output layer is too thin for BLAS.
DENSE_CLASSES = 64


class NativeEngine(Engine):
    """Train the kept weights alone, on a CPU.

    Disconnected units and pixels are left out of every product: nothing reads the ones without outgoing weights,
    and a unit without varying inputs sends a constant that sits in the bias above it. Their moving averages stay as
    they are at the level's start. Results do not depend on the number of threads, which is torch's.
    """

    name = "native"

    def __init__(
        self, experiment: Experiment, mean: np.ndarray, live_pixels: BoolArray, isa: str | None = None
    ) -> None:
        """Take what all levels have in common.

        ``mean`` [n0] is the mean image in pixel units; ``live_pixels``, bool [n0], is False for pixels that never vary.
        ``isa`` is one of ``instruction_sets()``, by default the best one; results depend on it within rounding. Raises
        InputError where the kernels cannot be loaded.
        """
        import torch

        self._train = experiment.train
        self._norm = experiment.network.norm
        self._module = kernels()
        self._isa = isa or self._module.instruction_sets()[0]
        self._threads = torch.get_num_threads()
        self._mean = np.asarray(mean, np.float32)
        # Without batch norm an input that does not vary still sends its value.
        self._live_pixels = live_pixels if self._norm == "before" else np.ones_like(live_pixels)
        self._losses: tuple[float, int] = (0.0, 0)
        self._network: _kernels.Network | None = None
        self._start, self._ticket = Model(()), Ticket((), ())

    @property
    def ticket(self) -> Ticket:
        """The masks and biases that are kept now; an empty ticket before the first level."""
        return self._ticket

    def start(self, model: Model, ticket: Ticket) -> None:
        """Begin a level with the parameters of ``model`` under ``ticket``; the optimiser's moments are new.

        Raises InputError for a hidden layer that keeps no weight, and where no BLAS is found.
        """
        for number, mask in enumerate(ticket.masks, 1):
            if mask.kept == 0:
                raise InputError(f"layer {number} keeps no weight: a mask needs at least one 1")
        self._start, self._ticket = _with_kept_biases(model, ticket), ticket
        self._network = self._build(ticket)
        self._exchange("write", self._start, 0)
        self._losses = (0.0, 0)

    def step(self, batch: Batch) -> None:
        """Make one update on the batch's images, uint8 or float32 rows [M, n0] that ``batch.indices`` choose.

        Raises InputError for images of another type, ValueError for those of another size or that are not finite,
        IndexError for an index or a label that is not there, RuntimeError before the first level; then nothing has
        changed.
        """
        indices = np.ascontiguousarray(batch.indices, np.int64)
        labels = np.ascontiguousarray(batch.labels, np.int64)
        loss = self._started.step(_rows(batch.pixels), indices, labels)
        total, steps = self._losses
        self._losses = (total + loss, steps + 1)

    def take_loss(self) -> float:
        """Return the mean loss (nats) of the steps since the last call; nan when there was none."""
        total, steps = self._losses
        self._losses = (0.0, 0)
        return total / steps if steps else float("nan")

    def model(self) -> Model:
        """Return a copy of the parameters and moving averages, float32; pruned entries are 0."""
        model = _copied(self._start, self._ticket)
        self._exchange("read", model, 0)
        return model

    def evaluate(self, images: Images, model: Model | None = None) -> Score:
        """Score images uint8 or float32 [N, n0] with the moving averages of the parameters, or of ``model``.

        ``model`` must keep no other weights than the level's ticket; the engine's own parameters stay as they are.
        Returns counts (top-1 and top-5) and the summed loss (nats). Raises what ``step`` raises.
        """
        return self._scored(images, model)[0]

    def evaluate_each(self, images: Images, models: Iterable[Model]) -> list[Score]:
        """Score the images with each model, writing only those arrays that the model before it does not share."""
        own, before, scores = self.model(), None, []
        try:
            for model in models:
                self._exchange("write", model, 0, besides=before)
                before = model
                scores.append(self._score(images)[0])
        finally:
            self._exchange("write", own, 0)
        return scores

    def right(self, images: Images, model: Model | None = None) -> BoolArray:
        """Return which images are classified right, bool [N]: those that ``evaluate`` counts."""
        return self._scored(images, model)[1]

    def _scored(self, images: Images, model: Model | None) -> tuple[Score, BoolArray]:
        if model is None:
            return self._score(images)
        own = self.model()
        try:
            self._exchange("write", model, 0)
            return self._score(images)
        finally:
            self._exchange("write", own, 0)

    def _score(self, images: Images) -> tuple[Score, BoolArray]:
        """Score images with the parameters that the kernels hold; return which are classified right too."""
        pixels, labels = _rows(images.pixels), np.ascontiguousarray(images.labels, np.int64)
        right = np.zeros(len(labels), np.bool_)
        return Score(len(labels), *self._started.evaluate(pixels, labels, right.view(np.uint8))), right

    def state(self) -> EngineState:
        """Return a copy of everything that the next step depends on; the torch engine can continue from it too."""
        moments = []
        for slot in range(1, self._started.moments + 1):
            values = _zeros(self._start)
            self._exchange("read", values, slot)
            moments.append(tuple(getattr(layer, field) for layer in values.layers for field in PARAMETERS))
        loss_sum, loss_steps = self._losses
        return EngineState(
            self.model(), self._ticket, tuple(moments), self._started.steps, loss_sum, loss_steps
        )

    def restore(self, state: EngineState) -> None:
        """Continue from what ``state`` returned, under its masks, to the same bits.

        Raises ValueError for the state of an optimiser with another number of moments.
        """
        moments = state.moments_of(self._started.moments)
        ticket = state.fitting_ticket(self._ticket)
        if (
            ticket is not None
        ):  # the kernels hold no disconnected units: these come from the model of the start
            self.start(state.model, ticket)
        self._exchange("write", state.model, 0)
        for slot, arrays in enumerate(moments, 1):
            self._exchange("write", _as_model(arrays), slot)
        self._started.steps = state.steps
        self._losses = (state.loss_sum, state.loss_steps)

    @property
    def _started(self) -> _kernels.Network:
        if self._network is None:
            raise RuntimeError("the engine has no level yet: start(model, ticket) comes first")
        return self._network

    def _build(self, ticket: Ticket) -> _kernels.Network:
        module, train, blas = self._module, self._train, find_blas()
        network: _kernels.Network = module.Network(
            isa=self._isa,
            threads=self._threads,
            blas=module.Blas(
                sgemm=blas.sgemm,
                set_threads=blas.set_threads,
                narrow=self._narrow(blas),
                packing=blas.packing,
            ),
            optimizer=module.Optimizer(
                rule=train.optimizer,
                rate=train.lr,
                momentum=train.momentum,
                betas=ADAM_BETAS,
                epsilon=ADAM_EPSILON,
            ),
            norm=module.BatchNorm(epsilon=EPSILON, decay=AVERAGE_DECAY) if self._norm == "before" else None,
            bf16=train.precision == "bf16",
        )
        live = ticket.live_inputs(self._live_pixels)
        if self._norm == "none":
            live = tuple(np.ones_like(inputs) for inputs in live)
        hidden = [(mask.array, bias) for mask, bias in zip(ticket.masks, ticket.biases, strict=True)]
        classes = len(self._start.layers[-1].bias)
        everything = np.ones((classes, len(live[-1])), np.bool_), np.ones(classes, np.bool_)
        masks = [*hidden, everything]
        read = [mask.any(axis=0) for mask, _ in masks]  # by any kept weight
        for index, (mask, bias) in enumerate(masks):
            last = index == len(masks) - 1
            varying = np.flatnonzero(live[index] & read[index])
            constant = np.flatnonzero(~live[index] & read[index])
            rows = np.arange(classes) if last else np.flatnonzero(live[index + 1] & read[index + 1])
            whole = len(rows) == len(mask) and len(varying) == mask.shape[1]
            entries = np.count_nonzero(mask if whole else mask[rows] & live[index])
            thin = last and classes < DENSE_CLASSES
            dense = not thin and bool(entries > DENSE_ABOVE[self._train.precision] * len(rows) * len(varying))
            network.add(
                mask=np.ascontiguousarray(mask).view(np.uint8),
                rows=rows.astype(np.int32),
                columns=np.concatenate([varying, constant]).astype(np.int32),
                live_columns=len(varying),
                bias_kept=np.ascontiguousarray(bias[rows]).view(np.uint8),
                dense=dense,
                last=last,
            )
        network.finish(mean=self._mean, divisor=255)
        return network

    def _narrow(self, blas: Blas) -> int:
        # AMX stands beside AVX-512: the other instruction sets give the bits of processors without it.
        return blas.narrow if self._isa == "avx512" else 0

    def _exchange(
        self, direction: Literal["read", "write"], model: Model, slot: int, *, besides: Model | None = None
    ) -> None:
        """Read or write the arrays of the model, but for those that ``besides`` shares with it."""
        copy = self._started.read if direction == "read" else self._started.write
        for index, layer in enumerate(model.layers):
            for field in LAYER_FIELDS:
                whole = getattr(layer, field)
                shared = besides is not None and whole is getattr(besides.layers[index], field)
                if whole.size and not shared and not (slot and field not in PARAMETERS):
                    copy(layer=index, field=field, slot=slot, whole=np.ascontiguousarray(whole))


def _rows(pixels: NDArray[Any]) -> _kernels.Pixels:
    if pixels.dtype not in (np.uint8, np.float32):
        raise InputError(f"images are {pixels.dtype}: uint8 or float32 is needed")
    return np.ascontiguousarray(pixels)


def _with_kept_biases(model: Model, ticket: Ticket) -> Model:
    """Return the model with pruned biases set to 0; of the weights, the kernels take the kept ones alone."""
    hidden = zip(model.layers, ticket.biases, strict=False)
    return Model((*(replace(layer, bias=layer.bias * kept) for layer, kept in hidden), model.layers[-1]))


def _copied(model: Model, ticket: Ticket) -> Model:
    """Return the model in new float32 arrays, with pruned weights set to 0."""
    layers = []
    for layer, mask in zip_longest(model.layers, ticket.masks):  # the output layer has no mask
        weight = layer.weight.copy() if mask is None else layer.weight * mask.array
        others = {name: np.array(getattr(layer, name), np.float32) for name in LAYER_FIELDS[1:]}
        layers.append(Layer(weight=weight, **others))
    return Model(tuple(layers))


def _zeros(model: Model) -> Model:
    return Model(tuple(Layer(*(np.zeros_like(getattr(x, f)) for f in LAYER_FIELDS)) for x in model.layers))


def _as_model(moments: Sequence[FloatArray]) -> Model:
    """Return a model that has each parameter's moment in the parameter's place, and no averages."""
    none, width = np.zeros(0, np.float32), len(PARAMETERS)
    layers = []
    for first in range(0, len(moments), width):
        weight, bias, gamma, beta = moments[first : first + width]
        layers.append(Layer(weight, bias, gamma, beta, mean=none, variance=none))
    return Model(tuple(layers))


def instruction_sets() -> list[str]:
    """Return the names of the instruction sets that the kernels have and this machine runs, best first.

    Raises InputError where the kernels cannot be loaded.
    """
    return list(kernels().instruction_sets())
