"""The forward equations, once, for training and for evaluation, on any torch device."""

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
    """One layer's tensors; see model.Layer for the shapes. Pruned entries are 0.

    ``live`` is 1.0 where an input varies with the image, else 0.0.
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
    """x̂, 1/σ (0 where an input does not vary), mean and biased variance over the batch."""
    mean = x.mean(0)
    centred = x - mean
    variance = centred.square().mean(0)
    inverse = live * (variance + EPSILON).rsqrt()
    return centred.mul_(inverse), inverse, mean, variance


class Normalise(torch.autograd.Function):
    """x̂ = (x - mean) / sqrt(var + ε) over the batch, 0 for inputs that do not vary."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, live: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        normalised, inverse, mean, variance = _normalise(x, live)
        ctx.save_for_backward(normalised, inverse)
        ctx.mark_non_differentiable(mean, variance)
        return normalised, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        gradient = gradients[0]
        normalised, inverse = ctx.saved_tensors
        by_value = (gradient * normalised).mean(0)
        return (gradient - gradient.mean(0)).addcmul_(normalised, by_value, value=-1).mul_(inverse), None


class NormalisedLinear(torch.autograd.Function):
    """W (γ ⊙ x̂ + β) + b with γ and β folded into the map, and its closed-form gradient.

    The sums over the batch that batch norm's gradient needs are those of γ and β themselves:
    Σ ∂x̂ = γ ⊙ ∂β and Σ ∂x̂ ⊙ x̂ = γ ⊙ ∂γ. No gradient is made for an input that needs none.
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
        normalised, inverse, mean, variance = _normalise(x, live)
        left, folded = products.operand(normalised), products.operand(weight * gamma)
        ctx.products = products
        ctx.save_for_backward(normalised, left, inverse, weight, folded, gamma, beta)
        ctx.mark_non_differentiable(mean, variance)
        return products.affine(torch.addmv(bias, weight, beta), left, folded.T), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
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
    """W x + b. No gradient is made for an input that needs none."""

    @staticmethod
    def forward(ctx: Any, products: Products, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        left, right = products.operand(x), products.operand(weight)
        ctx.products = products
        ctx.save_for_backward(left, right)
        return products.affine(bias, left, right.T)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
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
    """Logits [B, classes] of ``inputs`` [B, n0], and each norm's (mean, variance).

    With ``depth`` the post-ReLU activations of that hidden layer (1 = first) instead of logits.
    With ``averages`` None the batch's own statistics normalise (training), else the given
    moving averages (evaluation). A norm before the map is folded into it: the first layer
    then needs no gradient towards the pixels. ``products`` are those of training; evaluation
    is always float32. Source: paper, Section 3.
    """
    statistics: Statistics = []
    hidden = inputs
    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        if norm == "before" and averages is None:
            hidden, *batch = NormalisedLinear.apply(products, hidden, *layer.parameters, layer.live)
            statistics.append((batch[0], batch[1]))
        elif norm == "before" and averages is not None:
            scale, offset = _evaluation_norm(layer, averages[index], layer.live)
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
                scale, offset = _evaluation_norm(layer, averages[index], live)
                hidden = hidden * scale + offset
        if not last:
            hidden = hidden.relu()
        if depth == index + 1:
            break
    return hidden, statistics


def _evaluation_norm(
    layer: TorchLayer, average: tuple[Tensor, Tensor], live: Tensor
) -> tuple[Tensor, Tensor]:
    """The norm as x · scale + offset: γ/σ and β - γ μ/σ, with 1/σ = 0 where an input does not vary."""
    mean, variance = average
    scale = layer.gamma * live * (variance + EPSILON).rsqrt()
    return scale, layer.beta - scale * mean


def torch_layers(
    model: Model, ticket: Ticket, live_pixels: BoolArray, device: torch.device
) -> list[TorchLayer]:
    """The model under the ticket, on a device."""

    return [
        torch_layer(layer, torch.tensor(live, dtype=torch.float32, device=device))
        for layer, live in zip(ticket.applied_to(model).layers, ticket.live_inputs(live_pixels), strict=True)
    ]


def torch_layer(layer: Layer, live: Tensor) -> TorchLayer:
    """One layer of a model, as it is, on the device of ``live``."""
    weight, bias, gamma, beta = (torch.tensor(getattr(layer, field), device=live.device) for field in FIELDS)
    return TorchLayer(weight, bias, gamma, beta, live)


def torch_averages(model: Model, device: torch.device) -> Statistics:
    """The moving averages of every layer that has a norm, as (mean, variance) tensors."""
    return [
        (torch.tensor(x.mean, device=device), torch.tensor(x.variance, device=device))
        for x in model.layers
        if x.mean.size
    ]


def network_inputs(pixels: Tensor, mean: Tensor) -> Tensor:
    """(pixel - mean image) / 255 of uint8 rows; float rows (streams) are inputs already."""
    if pixels.dtype != torch.uint8:
        return pixels
    return pixels.float().sub_(mean).mul_(1 / 255)


def batches(pixels: np.ndarray, size: int) -> Iterator[tuple[int, Tensor]]:
    """(first row, tensor of at most ``size`` rows) over a possibly memory-mapped array."""
    for start in range(0, len(pixels), size):
        yield start, torch.from_numpy(np.array(pixels[start : start + size]))
