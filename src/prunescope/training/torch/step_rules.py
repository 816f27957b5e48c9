"""What a step does with masks: which weights the forward pass sees, and which an update moves.

Everything is done in place on the device and nothing is read back, so that a step can be recorded.
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
    """The masks of one level, and how a step obeys them. ``layers`` are the parameters of the step."""

    @abc.abstractmethod
    def seen(self) -> list[TorchLayer]:
        """The layers as forward passes see them."""

    @abc.abstractmethod
    def correct(self, gradients: Sequence[Tensor]) -> None:
        """Change gradients in place (four a layer, as TorchLayer.parameters) before the descent."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Change parameters in place after the descent."""

    @abc.abstractmethod
    def ticket(self) -> Ticket:
        """What is kept now."""

    @property
    @abc.abstractmethod
    def tensors(self) -> list[Tensor]:
        """What a step changes beside the parameters."""


class MaskedStep(StepRule):
    """Pruned entries are 0 and get no gradient."""

    def __init__(self, experiment: Experiment, layers: list[TorchLayer], ticket: Ticket) -> None:
        self._layers, self._ticket = layers, ticket
        self._masks = _pruned_parameters(ticket, layers[0].weight.device)

    def seen(self) -> list[TorchLayer]:
        return self._layers

    def correct(self, gradients: Sequence[Tensor]) -> None:
        for index, mask in self._masks:
            gradients[index].mul_(mask)

    def settle(self) -> None:
        """Nothing moved that is pruned."""

    def ticket(self) -> Ticket:
        return self._ticket

    @property
    def tensors(self) -> list[Tensor]:
        return []


class MovingMaskStep(StepRule):
    """Masks on the device that move with the weights; all hidden weights are trained, all biases kept."""

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
        """Find anew which units have a path of kept weights to a pixel that varies."""
        for mask, below, above in zip(self.masks, self._layers, self._layers[1:], strict=False):
            above.live.copy_(mask.mv(below.live) > 0)


class FeedbackStep(MovingMaskStep):
    """DPF: the gradient at mask * weight moves all of the weights (Lin et al. 2020, equation 3)."""

    def seen(self) -> list[TorchLayer]:
        hidden = [
            replace(layer, weight=(layer.weight.detach() * mask).requires_grad_())
            for layer, mask in zip(self._layers, self.masks, strict=False)
        ]
        return [*hidden, self._layers[-1]]

    def correct(self, gradients: Sequence[Tensor]) -> None:
        """All of the gradient counts."""

    def settle(self) -> None:
        """Masks move when ``keep_largest`` is called."""

    @torch.no_grad()
    def keep_largest(self, counts: Sequence[int]) -> None:
        """Keep so many weights of each hidden layer: the largest of all, kept so far or not."""
        for layer, mask, count in zip(self._layers, self.masks, counts, strict=False):
            largest = layer.weight.detach().abs().view(-1).topk(count, sorted=False).indices
            mask.zero_().view(-1)[largest] = 1
        self._masks_moved()


class BetaLassoStep(MovingMaskStep):
    """β-LASSO: every step pulls hidden weights towards 0 by λ and cuts those below βλ (Neyshabur 2020)."""

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


# By what a method says that its updates move (training.levels.UpdateRule).
RULES: dict[str, type[MaskedStep] | type[MovingMaskStep]] = {
    "kept": MaskedStep,
    "feedback": FeedbackStep,
    "shrinking": BetaLassoStep,
}


def _pruned_parameters(ticket: Ticket, device: torch.device) -> list[tuple[int, Tensor]]:
    """The masks that are not all ones, with the index of their parameter."""
    pairs = zip(ticket.masks, ticket.biases, strict=True)
    arrays = [array for mask, bias in pairs for array in (mask.array, bias)]
    places = [4 * layer + field for layer in range(len(ticket.masks)) for field in (0, 1)]
    return [
        (place, torch.tensor(array, dtype=torch.float32, device=device))
        for place, array in zip(places, arrays, strict=True)
        if not array.all()
    ]
