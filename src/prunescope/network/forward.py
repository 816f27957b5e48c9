"""This module computes the forward equations for training and for evaluation, on any torch device.

The equations are those of docs/science.md, "Network".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunescope.mask import BoolArray
from prunescope.model import Layer, Model, Ticket
from prunescope.network.precision import FLOAT32, Products

EPSILON = 1e-10
FIELDS = ("weight", "bias", "gamma", "beta")


@dataclass(frozen=True)
class TorchLayer:
    """The tensors of one layer, of the shapes of ``model.Layer``; pruned entries are 0.

    ``live`` [n_in] is 1.0 where an input varies with the image, else 0.0.
    """

    weight: Tensor
    bias: Tensor
    gamma: Tensor
    beta: Tensor
    live: Tensor

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """The trained tensors, in the order of FIELDS."""
        return self.weight, self.bias, self.gamma, self.beta


def _normalise(x: Tensor, live: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return x̂, 1/σ (0 where an input does not vary), mean and biased variance of ``x`` over the batch."""
    mean = x.mean(0)
    centred = x - mean
    variance = centred.square().mean(0)
    inverse = live * (variance + EPSILON).rsqrt()
    return centred.mul_(inverse), inverse, mean, variance


class Normalise(torch.autograd.Function):
    """Computes x̂ = (x - mean) / sqrt(var + ε) over the batch, 0 for inputs that do not vary."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, live: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return x̂ [B, n] and the batch's mean and variance [n], which have no gradient."""
        normalised, inverse, mean, variance = _normalise(x, live)
        ctx.save_for_backward(normalised, inverse)
        ctx.mark_non_differentiable(mean, variance)
        return normalised, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        """Return the gradient with respect to ``x`` [B, n], from the one with respect to x̂."""
        gradient = gradients[0]
        normalised, inverse = ctx.saved_tensors
        by_value = (gradient * normalised).mean(0)
        return (gradient - gradient.mean(0)).addcmul_(normalised, by_value, value=-1).mul_(inverse), None


class NormalisedLinear(torch.autograd.Function):
    """Computes W (γ ⊙ x̂ + β) + b with γ and β folded into the map, and its gradient in closed form.

    The sums over the batch that batch norm's gradient needs are those of γ and β themselves:
    Σ ∂x̂ = γ ⊙ ∂β and Σ ∂x̂ ⊙ x̂ = γ ⊙ ∂γ. An input that requires no gradient gets none.
    """

    @staticmethod
    def forward(
        ctx: Any,
        products: Products,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        gamma: Tensor,
        beta: Tensor,
        live: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the pre-activations [B, n_out] and the batch's mean and variance [n_in], which have no gradient."""
        normalised, inverse, mean, variance = _normalise(x, live)
        left, folded = products.operand(normalised), products.operand(weight * gamma)
        ctx.products = products
        ctx.save_for_backward(normalised, left, inverse, weight, folded, gamma, beta)
        ctx.mark_non_differentiable(mean, variance)
        return products.affine(torch.addmv(bias, weight, beta), left, folded.T), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        """Return the gradients with respect to ``x``, W, b, γ and β, and None for the other arguments."""
        gradient, products = gradients[0], ctx.products
        normalised, left, inverse, weight, folded, gamma, beta = ctx.saved_tensors
        operand = products.operand(gradient)
        by_bias = gradient.sum(0)
        by_folded = products.multiply(operand.T, left)
        by_gamma = (by_folded * weight).sum(0)
        by_beta = weight.T @ by_bias
        by_weight = by_folded.mul_(gamma).addr_(by_bias, beta)
        by_x = None
        if ctx.needs_input_grad[1]:
            share = gamma / len(gradient)
            by_x = products.multiply(operand, folded).sub_(share * by_beta)
            by_x = by_x.addcmul_(normalised, share * by_gamma, value=-1).mul_(inverse)
        return None, by_x, by_weight, by_bias, by_gamma, by_beta, None


class Linear(torch.autograd.Function):
    """Computes W x + b and its gradient; an input that requires no gradient gets none."""

    @staticmethod
    def forward(ctx: Any, products: Products, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the pre-activations [B, n_out] of ``x`` [B, n_in]."""
        left, right = products.operand(x), products.operand(weight)
        ctx.products = products
        ctx.save_for_backward(left, right)
        return products.affine(bias, left, right.T)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        """Return the gradients with respect to ``x``, W and b, and None for ``products``."""
        gradient, products = gradients[0], ctx.products
        left, right = ctx.saved_tensors
        operand = products.operand(gradient)
        by_x = products.multiply(operand, right) if ctx.needs_input_grad[1] else None
        return None, by_x, products.multiply(operand.T, left), gradient.sum(0)


Statistics = list[tuple[Tensor, Tensor]]


def forward(
    layers: Sequence[TorchLayer],
    inputs: Tensor,
    norm: str,
    averages: Statistics | None,
    *,
    depth: int | None = None,
    products: Products = FLOAT32,
) -> tuple[Tensor, Statistics]:
    """Return the logits [B, classes] of ``inputs`` [B, n0], and each norm's (mean, variance) over the batch.

    ``norm``: "before", "after" or "none", the place of batch norm; "before" is folded into the linear map.
    ``averages``: None to normalise by the batch's own statistics (training), or the moving averages to normalise
    by (evaluation; the returned list of statistics is then empty).
    ``depth``: the hidden layer (1 = first) whose post-ReLU activations are returned instead of the logits.
    ``products``: how training multiplies matrices; evaluation always multiplies in float32.
    Source: paper, Section 3.
    """
    statistics: Statistics = []
    hidden = inputs
    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        if norm == "before" and averages is None:
            hidden, *batch = NormalisedLinear.apply(products, hidden, *layer.parameters, layer.live)
            statistics.append((batch[0], batch[1]))
        elif norm == "before" and averages is not None:
            scale, offset = evaluation_norm(layer.gamma, layer.beta, layer.live, averages[index])
            weight = layer.weight * scale
            hidden = torch.addmm(torch.addmv(layer.bias, layer.weight, offset), hidden, weight.T)
        elif averages is None:
            hidden = Linear.apply(products, hidden, layer.weight, layer.bias)
        else:
            hidden = torch.addmm(layer.bias, hidden, layer.weight.T)
        if norm == "after" and not last:
            live = layers[index + 1].live
            if averages is None:
                hidden, *batch = Normalise.apply(hidden, live)
                statistics.append((batch[0], batch[1]))
                hidden = hidden * layer.gamma + layer.beta
            else:
                scale, offset = evaluation_norm(layer.gamma, layer.beta, live, averages[index])
                hidden = hidden * scale + offset
        if not last:
            hidden = hidden.relu()
        if depth == index + 1:
            break
    return hidden, statistics


def evaluation_norm(
    gamma: Tensor, beta: Tensor, live: Tensor, average: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return scale and offset of the norm x · scale + offset by its moving averages: γ/σ and β - γ μ/σ.

    1/σ is 0 where an input does not vary.
    """
    mean, variance = average
    scale = gamma * live * (variance + EPSILON).rsqrt()
    return scale, beta - scale * mean


def torch_layers(
    model: Model, ticket: Ticket, live_pixels: BoolArray, device: torch.device
) -> list[TorchLayer]:
    """Return the layers of ``model`` with the ticket applied, as float32 tensors on ``device``.

    ``live_pixels``: bool [n0], False for pixels that are the same in every image.
    """
    return [
        torch_layer(layer, torch.tensor(live, dtype=torch.float32, device=device))
        for layer, live in zip(ticket.applied_to(model).layers, ticket.live_inputs(live_pixels), strict=True)
    ]


def torch_layer(layer: Layer, live: Tensor) -> TorchLayer:
    """Return one layer of a model as tensors on the device of ``live`` [n_in]; no mask is applied."""
    weight, bias, gamma, beta = (torch.tensor(getattr(layer, field), device=live.device) for field in FIELDS)
    return TorchLayer(weight, bias, gamma, beta, live)


def torch_averages(model: Model, device: torch.device) -> Statistics:
    """Return the moving averages of every layer that has a norm, as (mean, variance) tensors on ``device``."""
    return [
        (torch.tensor(x.mean, device=device), torch.tensor(x.variance, device=device))
        for x in model.layers
        if x.mean.size
    ]


def network_inputs(pixels: Tensor, mean: Tensor) -> Tensor:
    """Return the network input [B, n0] of rows of pixels [B, n0].

    It is (pixel - mean) / 255 for uint8, with the mean image ``mean`` [n0]. Float rows, those of streams and series,
    are network input already and are returned as they are.
    """
    if pixels.dtype != torch.uint8:
        return pixels
    return pixels.float().sub_(mean).mul_(1 / 255)


def batches(pixels: np.ndarray, size: int) -> Iterator[tuple[int, Tensor]]:
    """Yield (first row, tensor of at most ``size`` rows) over an array, which may be memory-mapped."""
    for start in range(0, len(pixels), size):
        yield start, torch.from_numpy(np.array(pixels[start : start + size]))
