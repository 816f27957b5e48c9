"""The torch step updates the tensors of one level in place on a device, without a transfer to the host."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prunescope.experiment import Experiment
from prunescope.mask import BoolArray
from prunescope.model import Layer, Model, Ticket
from prunescope.network.forward import (
    Statistics,
    TorchLayer,
    forward,
    network_inputs,
    torch_averages,
    torch_layer,
)
from prunescope.network.precision import products
from prunescope.training.levels import UpdateRule
from prunescope.training.state import MOMENTS, EngineState
from prunescope.training.torch.constants import ADAM_BETAS, ADAM_EPSILON, AVERAGE_DECAY
from prunescope.training.torch.step_rules import RULES, FeedbackStep


@dataclass(frozen=True, eq=False)
class Pixels:
    """The pixels of the data: their ``mean`` float32 [n0] on the device, and which are ``live``, bool [n0]."""

    mean: Tensor
    live: BoolArray


class TorchStep:
    """The parameters, moving averages, optimiser moments and counters of a level, which ``update`` changes.

    Their addresses are the same from the first step to the last: every change is made in place, what depends on the
    step's number is computed on the device, and nothing is read back. A recording of one ``update`` can therefore be
    replayed for all of them. ``state`` and ``restore`` read and set the tensors. The equations are in
    docs/science.md, "Training".
    """

    def __init__(
        self,
        experiment: Experiment,
        model: Model,
        ticket: Ticket,
        pixels: Pixels,
        update_rule: UpdateRule = "kept",
    ) -> None:
        device = pixels.mean.device
        self._train, self._norm, self._mean = experiment.train, experiment.network.norm, pixels.mean
        self._products = products(self._train.precision, device)
        rule = RULES[update_rule]
        layers = _layers(
            model if rule is FeedbackStep else ticket.applied_to(model), ticket, pixels.live, device
        )
        self._layers, self.rule = layers, rule(experiment, layers, ticket)
        self._parameters = [p for layer in layers for p in layer.parameters]
        self.averages = torch_averages(model, device)
        self._slots = MOMENTS[self._train.optimizer]
        self._moments = [torch.zeros_like(p) for _ in range(self._slots) for p in self._parameters]
        self._counts = torch.zeros(3, dtype=torch.float64, device=device)
        self._steps, self._loss_sum, self._loss_steps = self._counts.unbind()
        # The weight of a batch in the averages: 1 at the first step, 1 - AVERAGE_DECAY from then on.
        self._share = torch.ones((), device=device)
        for parameter in self._parameters:
            parameter.requires_grad_()

    @property
    def layers(self) -> list[TorchLayer]:
        """The layers that forward passes use, with pruned entries 0."""
        return self.rule.seen()

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors that an update changes."""
        averages = [tensor for pair in self.averages for tensor in pair]
        own = [*self._parameters, *averages, *self._moments, self._counts, self._share]
        return [*own, *self.rule.tensors]

    def update(self, rows: Tensor, labels: Tensor) -> None:
        """Execute one step on images uint8 or float32 [B, n0] and labels int64 [B]."""
        inputs = network_inputs(rows, self._mean)
        layers = self.layers
        logits, statistics = forward(layers, inputs, self._norm, None, products=self._products)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        seen = [p for layer in layers for p in layer.parameters]
        gradients = torch.autograd.grad(loss, seen, materialize_grads=True)
        with torch.no_grad():
            self._update_averages(statistics)
            self._steps += 1
            self.rule.correct(gradients)
            self._descend(gradients)
            self.rule.settle()
            self._loss_sum += loss
            self._loss_steps += 1

    def take_loss(self) -> float:
        """Return the mean loss (nats) of the updates since the last call; nan when there was none."""
        _, loss_sum, steps = self._counts.tolist()
        self._counts[1:].zero_()
        return loss_sum / steps if steps else float("nan")

    def model(self) -> Model:
        """Return a copy of the parameters and averages, pruned entries 0."""
        return self._copied(self.layers)

    def _copied(self, layers: list[TorchLayer]) -> Model:
        empty = np.zeros(0, np.float32)
        averages = iter(self.averages)
        numbers = []
        for layer in layers:
            pair = tuple(_copy(x) for x in next(averages)) if layer.gamma.numel() else (empty, empty)
            numbers.append(Layer(*(_copy(p) for p in layer.parameters), *pair))
        return Model(tuple(numbers))

    def state(self) -> EngineState:
        """Return everything that the next update depends on."""
        moments, count = [_copy(moment) for moment in self._moments], len(self._parameters)
        steps, loss_sum, loss_steps = self._counts.tolist()
        return EngineState(
            model=self._copied(self._layers),
            ticket=self.rule.ticket(),
            moments=tuple(tuple(moments[n * count : (n + 1) * count]) for n in range(self._slots)),
            steps=int(steps),
            loss_sum=loss_sum,
            loss_steps=int(loss_steps),
        )

    @torch.no_grad()
    def restore(self, state: EngineState) -> None:
        """Put back what state() returned; the masks must be the same."""
        given_moments = [moment for slot in state.moments_of(self._slots) for moment in slot]
        for layer, source in zip(self._layers, state.model.layers, strict=True):
            for own, given in zip(layer.parameters, torch_layer(source, layer.live).parameters, strict=True):
                own.copy_(given)
        averages = torch_averages(state.model, self._mean.device)
        for pair, given_pair in zip(self.averages, averages, strict=True):
            for own, given in zip(pair, given_pair, strict=True):
                own.copy_(given)
        for moment, array in zip(self._moments, given_moments, strict=True):
            moment.copy_(torch.from_numpy(array))
        counts = [state.steps, state.loss_sum, state.loss_steps]
        self._counts.copy_(torch.tensor(counts, dtype=torch.float64))
        self._share.fill_(1 - AVERAGE_DECAY if state.steps else 1)

    def _update_averages(self, statistics: Statistics) -> None:
        for pair, batch in zip(self.averages, statistics, strict=True):
            for average, value in zip(pair, batch, strict=True):
                average.lerp_(value, self._share)
        self._share.fill_(1 - AVERAGE_DECAY)

    def _descend(self, gradients: tuple[Tensor, ...]) -> None:
        parameters, moments, count = self._parameters, self._moments, len(self._parameters)
        if self._train.optimizer == "sgd":
            torch._foreach_add_(parameters, gradients, alpha=-self._train.lr)
        elif self._train.optimizer == "momentum":
            torch._foreach_mul_(moments, self._train.momentum)
            torch._foreach_add_(moments, gradients)
            torch._foreach_add_(parameters, moments, alpha=-self._train.lr)
        else:
            first, second = moments[:count], moments[count:]
            torch._foreach_lerp_(first, gradients, 1 - ADAM_BETAS[0])
            torch._foreach_mul_(second, ADAM_BETAS[1])
            torch._foreach_addcmul_(second, gradients, gradients, 1 - ADAM_BETAS[1])
            # The corrections c = 1 - β^t depend on the step; they and the rate go into the divisor,
            # r (sqrt(second/c₂) + ε) = sqrt(second r²/c₂) + r ε with r = c₁/lr.
            by_first, by_second = (-torch.expm1(self._steps * math.log(beta)) for beta in ADAM_BETAS)
            rate = by_first / self._train.lr
            # These are lists because torch would read the value of a single tensor on the host.
            divisor = torch._foreach_mul(second, [(rate.square() / by_second).float()] * count)
            torch._foreach_sqrt_(divisor)
            torch._foreach_add_(divisor, [(rate * ADAM_EPSILON).float()] * count)
            torch._foreach_addcdiv_(parameters, first, divisor, -1)


def _layers(model: Model, ticket: Ticket, live_pixels: BoolArray, device: torch.device) -> list[TorchLayer]:
    live = [torch.tensor(x, dtype=torch.float32, device=device) for x in ticket.live_inputs(live_pixels)]
    return [torch_layer(layer, own) for layer, own in zip(model.layers, live, strict=True)]


def _copy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()
