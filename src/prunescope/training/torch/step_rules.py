"""Step rules decide which weights the forward pass of a step uses, and which weights its update changes.

They work in place on the device and read nothing back, so that a step can be recorded.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from prunescope.experiment import Experiment
from prunescope.mask import Mask
from prunescope.model import Ticket
from prunescope.network.forward import TorchLayer


class StepRule(abc.ABC):
    """Applies the masks of one level in each step. The ``layers`` given are the parameters that the step updates."""

    @abc.abstractmethod
    def seen(self) -> list[TorchLayer]:
        """Return the layers that forward passes use."""

    @abc.abstractmethod
    def correct(self, gradients: Sequence[Tensor]) -> None:
        """Change the gradients in place before the descent; there are four per layer, as in TorchLayer.parameters."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Change the parameters and masks in place after the descent."""

    @abc.abstractmethod
    def ticket(self) -> Ticket:
        """Return the masks of the weights and biases that are kept now."""

    @property
    @abc.abstractmethod
    def tensors(self) -> list[Tensor]:
        """The tensors that a step changes beside the parameters."""


class MaskedStep(StepRule):
    """Keeps pruned entries at 0 by setting their gradients to 0."""

    def __init__(self, experiment: Experiment, layers: list[TorchLayer], ticket: Ticket) -> None:
        self._layers, self._ticket = layers, ticket
        self._masks = _pruned_parameters(ticket, layers[0].weight.device)

    def seen(self) -> list[TorchLayer]:
        return self._layers

    def correct(self, gradients: Sequence[Tensor]) -> None:
        for index, mask in self._masks:
            gradients[index].mul_(mask)

    def settle(self) -> None:
        """Do nothing: no pruned entry has changed."""

    def ticket(self) -> Ticket:
        return self._ticket

    @property
    def tensors(self) -> list[Tensor]:
        return []


class MovingMaskStep(StepRule):
    """Trains all hidden weights under masks on the device that may change at each step; all biases are kept."""

    def __init__(self, experiment: Experiment, layers: list[TorchLayer], ticket: Ticket) -> None:
        self._layers, self._biases = layers, ticket.biases
        device = layers[0].weight.device
        self.masks = [torch.tensor(mask.array, dtype=torch.float32, device=device) for mask in ticket.masks]

    def ticket(self) -> Ticket:
        arrays = [np.asarray(mask.cpu().numpy(), np.bool_) for mask in self.masks]
        return Ticket(tuple(map(Mask, arrays)), self._biases)

    @property
    def tensors(self) -> list[Tensor]:
        return [*self.masks, *(layer.live for layer in self._layers[1:])]

    def _masks_moved(self) -> None:
        """Compute again which units have a path of kept weights to a pixel that varies."""
        for mask, below, above in zip(self.masks, self._layers, self._layers[1:], strict=False):
            above.live.copy_(mask.mv(below.live) > 0)


class FeedbackStep(MovingMaskStep):
    """Applies the gradient at mask * weight to all weights: DPF (Lin et al. 2020, equation 3)."""

    def seen(self) -> list[TorchLayer]:
        hidden = [
            replace(layer, weight=(layer.weight.detach() * mask).requires_grad_())
            for layer, mask in zip(self._layers, self.masks, strict=False)
        ]
        return [*hidden, self._layers[-1]]

    def correct(self, gradients: Sequence[Tensor]) -> None:
        """Do nothing: all entries of the gradients count."""

    def settle(self) -> None:
        """Do nothing: masks change only in ``keep_largest``."""

    @torch.no_grad()
    def keep_largest(self, counts: Sequence[int]) -> None:
        """Keep the ``counts[l]`` largest weights of each hidden layer l, whether they were kept before or not."""
        for layer, mask, count in zip(self._layers, self.masks, counts, strict=False):
            largest = layer.weight.detach().abs().view(-1).topk(count, sorted=False).indices
            mask.zero_().view(-1)[largest] = 1
        self._masks_moved()


class BetaLassoStep(MovingMaskStep):
    """Applies β-LASSO: an L1 penalty λ on hidden weights, and those below βλ become 0 (Neyshabur 2020)."""

    def __init__(self, experiment: Experiment, layers: list[TorchLayer], ticket: Ticket) -> None:
        super().__init__(experiment, layers, ticket)
        self._pull = experiment.prune.shrink
        self._cut = experiment.prune.shrink * experiment.prune.shrink_cut

    def seen(self) -> list[TorchLayer]:
        return self._layers

    def correct(self, gradients: Sequence[Tensor]) -> None:
        for gradient, layer in zip(gradients[::4], self._layers[:-1], strict=False):
            gradient.add_(layer.weight.sign(), alpha=self._pull)

    def settle(self) -> None:
        for layer, mask in zip(self._layers, self.masks, strict=False):
            mask.copy_((layer.weight.abs() >= self._cut) & (layer.weight != 0))
            layer.weight.mul_(mask)
        self._masks_moved()


# The rule of each training.levels.UpdateRule.
RULES: dict[str, type[MaskedStep] | type[MovingMaskStep]] = {
    "kept": MaskedStep,
    "feedback": FeedbackStep,
    "shrinking": BetaLassoStep,
}


def _pruned_parameters(ticket: Ticket, device: torch.device) -> list[tuple[int, Tensor]]:
    """Return the masks that are not all ones, each with the index of its parameter."""
    pairs = zip(ticket.masks, ticket.biases, strict=True)
    arrays = [array for mask, bias in pairs for array in (mask.array, bias)]
    places = [4 * layer + field for layer in range(len(ticket.masks)) for field in (0, 1)]
    return [
        (place, torch.tensor(array, dtype=torch.float32, device=device))
        for place, array in zip(places, arrays, strict=True)
        if not array.all()
    ]
