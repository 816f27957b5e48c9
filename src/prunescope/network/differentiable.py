"""This module computes the forward equations of training with plain torch operations.

They work in any precision and can be differentiated any number of times. ``prunescope.network.forward`` has the
same equations with gradients in closed form, which can be taken once only.
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
    """Return the layers of ``model`` with the ticket applied, as tensors of ``dtype`` on the CPU.

    ``live_pixels``: bool [n0], False for pixels that are the same in every image.
    Weights and biases require gradients; γ and β do not.
    """
    layers = []
    for layer, live in zip(ticket.applied_to(model).layers, ticket.live_inputs(live_pixels), strict=True):
        arrays = [*(getattr(layer, field) for field in FIELDS), live]
        made = TorchLayer(*(torch.from_numpy(np.array(array)).to(dtype) for array in arrays))
        made.weight.requires_grad_()
        made.bias.requires_grad_()
        layers.append(made)
    return layers


def plain_forward(layers: Sequence[TorchLayer], inputs: Tensor, norm: str) -> Tensor:
    """Return the logits [B, classes] of ``inputs`` [B, n0], normalised by the batch's own statistics.

    ``norm`` is "before", "after" or "none". The equations are those of docs/science.md, "Network".
    """
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
    """Return (x - mean) / sqrt(var + ε) of each input over the batch, and 0 for inputs that do not vary.

    ``x`` is [B, n]; ``live`` [n] is 1.0 where an input varies with the image, else 0.0.
    """
    centred = x - x.mean(0)
    return centred * (live * (centred.square().mean(0) + EPSILON).rsqrt())
