"""The reference step is the plain one of step.TorchStep, fed in blocks: for what the fused step does not do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from prunescope.experiment import Experiment
from prunescope.model import LAYER_FIELDS, Layer, Model, Ticket
from prunescope.network.forward import forward, network_inputs, torch_averages, torch_layer
from prunescope.training.levels import UpdateRule
from prunescope.training.state import EngineState
from prunescope.training.torch.fused_layer import Feed
from prunescope.training.torch.step import Pixels, TorchStep
from prunescope.training.torch.step_rules import FeedbackStep


class ReferenceStep:
    """The step of a level by autograd, of any norm and update rule; it reads a feed as fused_step.FusedStep does."""

    def __init__(
        self, experiment: Experiment, model: Model, ticket: Ticket, pixels: Pixels, update_rule: UpdateRule
    ) -> None:
        self._step = TorchStep(experiment, model, ticket, pixels, update_rule)
        self._norm, self._mean = experiment.network.norm, pixels.mean

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors that an update changes for the next one, beside the feed's position."""
        return self._step.tensors

    def prepare(self, batch: int) -> None:
        """Do nothing: a step makes what it needs."""

    def update(self, feed: Feed) -> None:
        """Execute one step on the batch at the feed's position, which moves on by one."""
        at = feed.position.view(1)
        rows = feed.images.index_select(0, feed.indices.index_select(0, at)[0])
        self._step.update(rows, feed.labels.index_select(0, at)[0])
        feed.position.add_(1)

    def keep_largest(self, counts: Sequence[int]) -> None:
        """Keep the ``counts[l]`` largest weights of each hidden layer l; only for the update rule "feedback"."""
        rule = self._step.rule
        assert isinstance(rule, FeedbackStep)
        rule.keep_largest(counts)

    def take_loss(self) -> float:
        """Return the mean loss (nats) of the updates since the last call; nan when there was none."""
        return self._step.take_loss()

    @torch.no_grad()
    def network(self, model: Model | None = None) -> Callable[[Tensor], Tensor]:
        """Return the function from images [N, n0] to logits [N, classes], by the moving averages."""
        layers, averages = self._step.layers, self._step.averages
        if model is not None:
            layers = [torch_layer(x, own.live) for x, own in zip(model.layers, layers, strict=True)]
            averages = torch_averages(model, self._mean.device)
        return lambda rows: forward(layers, network_inputs(rows, self._mean), self._norm, averages)[0]

    def fields(self) -> list[list[Tensor]]:
        """Return copies of the parameters and averages on the device, which ``spread`` makes a model of."""
        averages = iter(self._step.averages)
        found = []
        for layer in self._step.layers:
            empty = layer.gamma.new_zeros(0)
            pair = next(averages) if layer.gamma.numel() else (empty, empty)
            found.append([x.detach().clone() for x in (*layer.parameters, *pair)])
        return found

    def spread(self, fields: list[list[Tensor]]) -> Model:
        """Return the model of such copies."""
        return Model(tuple(Layer(**dict(zip(LAYER_FIELDS, _host(own), strict=True))) for own in fields))

    def ticket(self) -> Ticket:
        """Return the masks that are kept now."""
        return self._step.rule.ticket()

    def state(self) -> EngineState:
        """Return everything that the next update depends on."""
        return self._step.state()

    def restore(self, state: EngineState) -> None:
        """Put back what state() returned; the masks must be the same."""
        self._step.restore(state)


def _host(tensors: list[Tensor]) -> list:
    return [tensor.cpu().numpy().copy() for tensor in tensors]
