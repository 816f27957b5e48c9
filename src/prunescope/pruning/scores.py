"""Scores: pure functions that rank the weights of a network.

The weights of largest score are kept, except for GraSP, where those of largest score are removed. Every score returns
one float64 array for each scored tensor, in the order of ``tensors``. Entries that the ticket has pruned score 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import BoolArray
from prunescope.model import FloatArray, Model, Ticket

if TYPE_CHECKING:
    from torch import Tensor

    from prunescope.network.forward import TorchLayer

Scores = list[NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Scoring:
    """The data and options for scores that depend on data.

    ``inputs`` float32 [B, n0] (network input) and ``labels`` int64 [B] go through the network in one
    piece, normalised by their own statistics; ``live_pixels`` bool [n0]; ``norm`` and ``pool`` as in the
    experiment; ``precision`` "float32" or "float64".
    """

    inputs: FloatArray
    labels: NDArray[np.int64]
    live_pixels: BoolArray
    norm: str = "before"
    pool: str = "hidden"
    precision: str = "float32"


def tensors(model: Model, pool: str = "hidden") -> list[NDArray[Any]]:
    """Return the scored tensors: the hidden weights, then for the pool "all" the hidden biases and output weights."""
    return _in_pool([x.weight for x in model.layers], [x.bias for x in model.layers], pool)


def magnitude(model: Model, pool: str = "hidden") -> Scores:
    """Return the score |w|."""
    return [np.abs(np.asarray(tensor, np.float64)) for tensor in tensors(model, pool)]


def snip(model: Model, ticket: Ticket, scoring: Scoring) -> Scores:
    """Return the score |w ∂L/∂w|, where L is the mean cross-entropy of the batch.

    Source: Lee et al. 2019, equation 6.
    """
    layers, loss = _loss(model, ticket, scoring, temperature=1.0)
    scored = _scored(layers, scoring.pool)
    import torch

    return [
        (tensor.detach().double() * gradient.double()).abs().numpy()
        for tensor, gradient in zip(scored, torch.autograd.grad(loss, scored), strict=True)
    ]


def grasp(model: Model, ticket: Ticket, scoring: Scoring, temperature: float = 200.0) -> Scores:
    """Return the score S = -θ ⊙ (H g), to first order the gain in |g|²/2 on removing a weight.

    The weights of largest S are the ones to remove.
    The loss is the mean cross-entropy of the logits divided by ``temperature``; g is its gradient with respect to
    the kept weights of every linear map, the output's included, and H g the gradient of g · stop(g).
    Source: Wang et al. 2020, equation 8 and algorithm 2.
    """
    import torch

    layers, loss = _loss(model, ticket, scoring, temperature)
    weights = [layer.weight for layer in layers]
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    kept = [torch.tensor(mask.array) for mask in ticket.masks] + [torch.ones((), dtype=torch.bool)]
    product = torch.stack([(g * g.detach() * k).sum() for g, k in zip(gradients, kept, strict=True)]).sum()
    scored = _scored(layers, scoring.pool)
    return [
        -(tensor.detach().double() * along.double()).numpy()
        for tensor, along in zip(scored, torch.autograd.grad(product, scored), strict=True)
    ]


def synflow(model: Model, kept: Sequence[BoolArray], pool: str = "hidden") -> Scores:
    """Return the score |θ ∂R/∂θ|, where R is the sum of the outputs of the network of |θ| for an input of ones.

    kept: the entries that are not pruned, one bool array per tensor of the pool; tensors outside the pool are whole.
    Batch norm is that of evaluation before the first batch (mean 0, variance 1, γ = 1, β = 0) and therefore the
    identity; ReLU is too, since nothing is negative. All is computed in float64. Source: Tanaka et al. 2020, equation
    2.
    """

    weights = [np.abs(np.asarray(x.weight, np.float64)) for x in model.layers]
    biases = [np.abs(np.asarray(x.bias, np.float64)) for x in model.layers]
    for tensor, mask in zip(_in_pool(weights, biases, pool), kept, strict=True):
        tensor *= mask
    below = [np.ones(weights[0].shape[1])]
    for weight, bias in zip(weights, biases, strict=True):
        below.append(weight @ below[-1] + bias)
    above = [np.ones(len(weights[-1]))]
    for weight in weights[:0:-1]:
        above.insert(0, weight.T @ above[0])
    by_weight = [w * np.outer(a, b) for w, a, b in zip(weights, above, below[:-1], strict=True)]
    by_bias = [b * a for b, a in zip(biases, above, strict=True)]
    return _in_pool(by_weight, by_bias, pool)


def _in_pool(weights: Sequence[Any], biases: Sequence[Any], pool: str) -> list[Any]:
    """Return the entries of the pool, given one entry per layer of weights and of biases."""
    if pool == "hidden":
        return [*weights[:-1]]
    if pool == "all":
        return [*weights[:-1], *biases[:-1], weights[-1]]
    raise ValueError(f"no pool {pool!r}: use hidden or all")


def _scored(layers: Sequence[TorchLayer], pool: str) -> list[Tensor]:
    return _in_pool([x.weight for x in layers], [x.bias for x in layers], pool)


def _loss(
    model: Model, ticket: Ticket, scoring: Scoring, temperature: float
) -> tuple[list[TorchLayer], Tensor]:
    import torch

    from prunescope.network.differentiable import plain_forward, plain_layers

    dtype = getattr(torch, scoring.precision)
    layers = plain_layers(model, ticket, scoring.live_pixels, dtype)
    logits = plain_forward(layers, torch.from_numpy(scoring.inputs).to(dtype), scoring.norm)
    labels = torch.from_numpy(scoring.labels)
    return layers, torch.nn.functional.cross_entropy(logits / temperature, labels)
