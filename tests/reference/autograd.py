"""This module computes gradients of a masked network without batch norm by torch's autograd, in float64."""

from __future__ import annotations

import numpy as np
import torch

from prunescope.model import Model, Ticket


def gradients(
    model: Model, ticket: Ticket, inputs: np.ndarray, labels: np.ndarray
) -> tuple[float, list[dict[str, np.ndarray]]]:
    """Return the mean cross-entropy of a batch, and its gradient with respect to every weight and bias."""
    layers = ticket.applied_to(model).layers
    parameters = [
        torch.tensor(array, dtype=torch.float64, requires_grad=True)
        for x in layers
        for array in (x.weight, x.bias)
    ]
    masks = [a for m, b in zip(ticket.masks, ticket.biases, strict=True) for a in (m.array, b)]
    h = torch.tensor(inputs, dtype=torch.float64)
    for index in range(len(layers)):
        weight, bias = parameters[2 * index : 2 * index + 2]
        if index < len(ticket.masks):
            weight, bias = weight * torch.tensor(masks[2 * index]), bias * torch.tensor(masks[2 * index + 1])
        h = torch.nn.functional.linear(h.relu() if index else h, weight, bias)
    loss = torch.nn.functional.cross_entropy(h, torch.from_numpy(labels))
    found = [g.numpy() for g in torch.autograd.grad(loss, parameters)]
    empty = np.zeros(0)
    return float(loss.detach()), [
        {"weight": w, "bias": b, "gamma": empty, "beta": empty}
        for w, b in zip(found[::2], found[1::2], strict=True)
    ]
