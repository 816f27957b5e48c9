"""This module computes a training step whose dense products have operands rounded to bfloat16, slowly, in NumPy.

Batch norm is folded into the weights as γ/σ, inputs are centred and then rounded; sums are float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunescope.model import Model
from reference.network import cross_entropy


def to_bfloat16(x: np.ndarray) -> np.ndarray:
    """Return the float32 numbers nearest to ``x`` whose lower 16 bits are 0; ties go to the even upper half."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.int64)
    upper, lower = bits >> 16, bits & 0xFFFF
    up = (lower > 0x8000) | ((lower == 0x8000) & (upper % 2 == 1))
    return ((upper + up) << 16).astype(np.uint32).view(np.float32).astype(np.float64)


def gradients(
    model: Model,
    live: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    dense: Sequence[bool],
    inputs: tuple[np.ndarray, float],
    labels: np.ndarray,
) -> tuple[float, list[dict[str, np.ndarray]]]:
    """Return mean cross-entropy and gradients; ``dense`` says which layers' products are rounded.

    ``inputs`` are the first layer's [B, n0] up to a shift and the factor that the products leave
    out: bytes and 1/255. Pruned weights of ``model`` are 0; all biases are kept.
    """
    h, factor = np.asarray(inputs[0], np.float64), inputs[1]
    seen = []
    for index, (layer, alive) in enumerate(zip(model.layers, live, strict=True)):
        mean = h.mean(0)
        sigma = np.sqrt(h.var(0) * factor**2 + 1e-10)
        inverse = np.where(alive, factor / sigma, 0).astype(np.float32)
        centred = (h - mean).astype(np.float32)
        folded = layer.weight * (layer.gamma * inverse)
        kind = to_bfloat16 if dense[index] else lambda x: x.astype(np.float64)
        left, right = kind(centred), kind(folded)
        a = left @ right.T + layer.weight.astype(np.float64) @ layer.beta + layer.bias
        seen.append((h, mean, inverse, left, right, kind))
        h, factor = (np.maximum(a, 0) if index < len(dense) - 1 else a), 1.0
    losses, delta = cross_entropy(h, labels)
    delta /= len(labels)
    found = []
    for layer, mask, (h, mean, inverse, left, right, kind) in reversed(
        list(zip(model.layers, masks, seen, strict=True))
    ):
        rounded, by_bias = kind(delta.astype(np.float32)), delta.sum(0)
        by_scaled = rounded.T @ left * inverse
        weight, gamma = layer.weight.astype(np.float64), layer.gamma.astype(np.float64)
        by_gamma, by_beta = (weight * by_scaled).sum(0), weight.T @ by_bias
        by_weight = (by_scaled * gamma + by_bias[:, None] * layer.beta) * mask
        found.append({"weight": by_weight, "bias": by_bias, "gamma": by_gamma, "beta": by_beta})
        normal = (h - mean) * inverse
        share = gamma * inverse / len(labels)
        delta = (rounded @ right - share * (by_beta + normal * by_gamma)) * (h > 0)
    return float(losses.mean()), found[::-1]
