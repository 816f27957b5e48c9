"""The fused step updates one level on a device in few kernels: products of matrices, and one pass between two of them.

Batch norm is folded into the weights, so that no normalised copy is written. With x the inputs of a layer as they are
stored (activations less a shift), μ and σ the batch's moments of x, and x̂ = (x - μ)/σ:

    forward    a = x (W γ/σ)ᵀ + b + W (β - γ μ/σ)
    backward   s = Σ δ,  Ĝ = (δᵀx - s μ)/σ,  ∂W = Ĝ γ + s β,  ∂b = s,  ∂γ = Σ W Ĝ,  ∂β = Σ W s
               ∂x = δ (W γ/σ) - γ/σ (∂β + x̂ ∂γ)/B

Equation for equation it is the step of step.TorchStep, which is its reference. Operands of products have the precision
of the experiment; sums, moments and updates are float32. Only what is connected takes part (compact.connections).

Where μ is large beside σ, as where a unit falls silent (σ is 0 then, and 1/σ 1e5), a rounding of W γ/σ or of δ is large
beside what is left of x - μ. Therefore W γ μ/σ has the rounded W γ/σ, and s is the sum of the rounded δ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from prunescope.experiment import Experiment
from prunescope.model import LAYER_FIELDS, PARAMETERS, Layer, Model, Ticket
from prunescope.network.forward import evaluation_norm
from prunescope.network.precision import stored_products
from prunescope.training.state import MOMENTS, EngineState
from prunescope.training.torch.compact import connections, copied
from prunescope.training.torch.constants import ADAM_BETAS, ADAM_EPSILON
from prunescope.training.torch.fused_layer import Feed, FusedLayer, Rule, Tiles
from prunescope.training.torch.step import Pixels

RULES = ("sgd", "momentum", "adam")


class Passes(Protocol):
    """The passes of a step beside its products: torch_passes.TorchPasses or triton_passes.TritonPasses."""

    tiles: Tiles

    def loss_tiles(self, batch: int, classes: int) -> int: ...
    def gather(
        self, feed: Feed, mean: Tensor, columns: Tensor, layer: FusedLayer, counts: Tensor
    ) -> None: ...
    def normalise(self, layer: FusedLayer, counts: Tensor, position: Tensor | None) -> None: ...
    def fold(self, layer: FusedLayer) -> None: ...
    def activate(self, products: Tensor, layer: FusedLayer, above: FusedLayer) -> None: ...
    def loss(self, products: Tensor, feed: Feed, layer: FusedLayer, classes: int, losses: Tensor) -> None: ...
    def update(self, raw: Tensor, layer: FusedLayer, rule: Rule, corrections: Tensor) -> None: ...
    def back(
        self, products: Tensor, layer: FusedLayer, below: FusedLayer, rule: Rule, corrections: Tensor
    ) -> None: ...
    def finish(
        self, layer: FusedLayer, rule: Rule, corrections: Tensor, losses: Tensor, counts: Tensor
    ) -> None: ...
    def score(self, logits: Tensor, labels: Tensor) -> Tensor: ...


class FusedStep:
    """The numbers of a level on a device, which ``update`` changes in place; for norm "before" and kept weights only."""

    def __init__(
        self, experiment: Experiment, model: Model, ticket: Ticket, pixels: Pixels, passes: Passes
    ) -> None:
        train, device = experiment.train, pixels.mean.device
        self._passes, self._device = passes, device
        self._products = stored_products(train.precision, device)
        self._start, self._ticket = ticket.applied_to(model), ticket
        self._classes = len(model.layers[-1].bias)
        self._rule = Rule(RULES.index(train.optimizer), train.lr, train.momentum)
        self._slots = MOMENTS[train.optimizer]
        live = ticket.live_inputs(pixels.live)
        places = connections(ticket, pixels.live, self._classes)
        arrays = copied(self._start)
        self.layers = [
            FusedLayer(place, own, varies, self._slots, device)
            for place, own, varies in zip(places, arrays, live, strict=True)
        ]
        for layer, mask, bias in zip(self.layers, ticket.masks, ticket.biases, strict=False):
            layer.prune(mask.array, bias)
        first = places[0].columns[: places[0].varying]
        self._columns = torch.from_numpy(first.astype(np.int32)).to(device)
        self._mean = pixels.mean[self._columns.clamp(min=0).long()].contiguous()
        self._counts = torch.zeros(3, dtype=torch.float64, device=device)
        self._corrections = torch.zeros(2, device=device)
        self._losses = torch.zeros(0, device=device)

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors that an update changes for the next one, beside the feed's position."""
        return [self._counts, *(x for layer in self.layers for x in layer.lasting)]

    def prepare(self, batch: int) -> None:
        """Make the tensors that a step needs for batches of ``batch`` images."""
        tiles, last = self._passes.tiles, len(self.layers) - 1
        parts = self._passes.loss_tiles(batch, self.layers[-1].height)
        operand = self._products.dtype
        for index, layer in enumerate(self.layers):
            layer.prepare(batch, tiles, operand, parts if index == last else tiles.of_batch(batch))
        self._losses = torch.zeros(parts, device=self._device)

    @torch.no_grad()
    def update(self, feed: Feed) -> None:
        """Execute one step on the batch at the feed's position, which moves on by one."""
        passes, layers, multiply = self._passes, self.layers, self._products.multiply
        passes.gather(feed, self._mean, self._columns, layers[0], self._counts)
        for index, layer in enumerate(layers):
            passes.normalise(layer, self._counts, None if index else feed.position)
            passes.fold(layer)
            outputs = multiply(layer.inputs, layer.folded.T)
            if index < len(layers) - 1:
                passes.activate(outputs, layer, layers[index + 1])
        passes.loss(outputs, feed, layers[-1], self._classes, self._losses)
        if self._slots == 2:
            self._correct()
        for index in range(len(layers) - 1, 0, -1):
            layer = layers[index]
            returned = multiply(layer.gradient, layer.folded)
            self._update_weights(layer)
            passes.back(returned, layer, layers[index - 1], self._rule, self._corrections)
        self._update_weights(layers[0])
        passes.finish(layers[0], self._rule, self._corrections, self._losses, self._counts)

    def _update_weights(self, layer: FusedLayer) -> None:
        raw = self._products.multiply(layer.gradient.T, layer.inputs)
        self._passes.update(raw, layer, self._rule, self._corrections)

    def _correct(self) -> None:
        """Compute Adam's corrections c = 1 - β^t: with r = c₁/lr, the divisor is sqrt(second r²/c₂) + r ε."""
        first, second = (-torch.expm1(self._counts[0] * math.log(beta)) for beta in ADAM_BETAS)
        rate = first / self._rule.rate
        self._corrections.copy_(torch.stack([rate.square() / second, rate * ADAM_EPSILON]))

    def take_loss(self) -> float:
        """Return the mean loss (nats) of the updates since the last call; nan when there was none."""
        _, loss_sum, steps = self._counts.tolist()
        self._counts[1:].zero_()
        return loss_sum / steps if steps else float("nan")

    @torch.no_grad()
    def network(self, model: Model | None = None) -> Callable[[Tensor], Tensor]:
        """Return the function from images [N, n0] to logits [N, classes], by the moving averages as they are now."""
        maps = []
        for index, layer in enumerate(self.layers):
            fields = (
                layer.fields if model is None else layer.compact(list(vars(model.layers[index]).values()))
            )
            weight, bias, gamma, beta, average, variances = fields
            scale, shift = evaluation_norm(gamma, beta, layer.live, (average, variances))
            n = layer.varying
            offset = torch.addmv(bias, weight, shift)
            maps.append((offset, (weight[:, :n] * scale[:n]).T))

        first = self.layers[0]

        def run(rows: Tensor) -> Tensor:
            whole = first.place.whole and first.varying == rows.shape[1]
            chosen = rows if whole else rows[:, self._columns.clamp(min=0).long()]
            # These are network_inputs with the division by 255 in the first map: one pass over the images, not three.
            hidden, divisor = chosen, 1.0
            if rows.dtype == torch.uint8:
                hidden, divisor = torch.sub(chosen, self._mean), 255.0
            for index, (offset, weight) in enumerate(maps):
                hidden = torch.addmm(offset, hidden, weight if index else weight / divisor)
                if index < len(maps) - 1:
                    hidden = hidden.relu_()
            return hidden[:, : self._classes]

        return run

    def model(self) -> Model:
        """Return a copy of the parameters and averages, pruned entries 0; what takes no part is as at the start."""
        return self.spread([layer.fields for layer in self.layers])

    def fields(self) -> list[list[Tensor]]:
        """Return copies of the parameters and averages on the device, which ``spread`` makes a model of."""
        return [[field.clone() for field in layer.fields] for layer in self.layers]

    def spread(self, fields: list[list[Tensor]]) -> Model:
        """Return the model whose compact fields are given."""
        arrays = copied(self._start)
        for layer, tensors, own in zip(self.layers, fields, arrays, strict=True):
            layer.spread(tensors, own)
        return Model(tuple(Layer(*own) for own in arrays))

    def ticket(self) -> Ticket:
        """Return the masks of the level."""
        return self._ticket

    def state(self) -> EngineState:
        """Return everything that the next update depends on."""
        moments = []
        for slot in range(self._slots):
            arrays = [[np.zeros_like(x) for x in own[: len(PARAMETERS)]] for own in copied(self._start)]
            for layer, own in zip(self.layers, arrays, strict=True):
                layer.spread(layer.moments[slot], own)
            moments.append(tuple(x for own in arrays for x in own))
        steps, loss_sum, loss_steps = self._counts.tolist()
        return EngineState(self.model(), self._ticket, tuple(moments), int(steps), loss_sum, int(loss_steps))

    @torch.no_grad()
    def restore(self, state: EngineState) -> None:
        """Put back what state() returned; the masks must be the same."""
        width = len(PARAMETERS)
        for index, (layer, source) in enumerate(zip(self.layers, state.model.layers, strict=True)):
            layer.put([getattr(source, field) for field in LAYER_FIELDS])
            for slot, given in enumerate(state.moments_of(self._slots)):
                layer.put(list(given[index * width : (index + 1) * width]), slot)
            layer.shift.zero_()  # As it is before the first step, and always in the first layer.
            if index and state.steps:
                layer.shift[: layer.varying].copy_(layer.average[: layer.varying])
        self._start = state.model
        self._counts.copy_(torch.tensor([state.steps, state.loss_sum, state.loss_steps], dtype=torch.float64))
