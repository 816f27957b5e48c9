"""The forward equations of training in plain torch operations: of any precision, differentiable any number of times.

``prunescope.network.forward`` has the same equations with gradients in closed form, which can be taken once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from prunescope.mask import BoolArray
from prunescope.model import Model, Ticket
from prunescope.network.forward import EPSILON, FIELDS, TorchLayer


def plain_layers(
    model: Model, ticket: Ticket, live_pixels: BoolArray, dtype: torch.dtype
) -> list[TorchLayer]:
    """The model under the ticket on the CPU, weights and biases asking for gradients."""
    layers = []
    for layer, live in zip(ticket.applied_to(model).layers, ticket.live_inputs(live_pixels), strict=True):
        arrays = [*(getattr(layer, field) for field in FIELDS), live]
        made = TorchLayer(*(torch.from_numpy(np.array(array)).to(dtype) for array in arrays))
        made.weight.requires_grad_()
        made.bias.requires_grad_()
        layers.append(made)
    return layers


def plain_forward(layers: Sequence[TorchLayer], inputs: Tensor, norm: str) -> Tensor:
    """Logits [B, classes] of ``inputs`` [B, n0], normalised by the batch's own statistics (SCIENCE §1)."""
    hidden = inputs
    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        if norm == "before":
            hidden = layer.gamma * normalised(hidden, layer.live) + layer.beta
        hidden = torch.nn.functional.linear(hidden, layer.weight, layer.bias)
        if norm == "after" and not last:
            hidden = layer.gamma * normalised(hidden, layers[index + 1].live) + layer.beta
        if not last:
            hidden = hidden.relu()
    return hidden


def normalised(x: Tensor, live: Tensor) -> Tensor:
    """(x - mean) / sqrt(var + ε) over the batch, 0 for inputs that do not vary."""
    centred = x - x.mean(0)
    return centred * (live * (centred.square().mean(0) + EPSILON).rsqrt())
