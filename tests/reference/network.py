"""This module trains and prunes the network in float64 NumPy, slowly and by the equations alone.

It has the norm before every linear map, SGD, layer-wise pruning with the threshold rule, and rewinding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PARAMETERS = ("weight", "bias", "gamma", "beta")


class Network:
    """A network whose parameters, moving averages and masks are lists with one float64 or bool array a layer.

    ``masks`` and ``bias_masks`` have an entry for the output layer too: all ones.
    """

    def __init__(self, parameters: Sequence[dict[str, np.ndarray]], live_pixels: np.ndarray) -> None:
        self.layers = [
            {name: np.array(layer[name], np.float64) for name in PARAMETERS} for layer in parameters
        ]
        self.live_pixels = live_pixels
        self.masks = [np.ones(layer["weight"].shape, bool) for layer in self.layers]
        self.bias_masks = [np.ones(layer["bias"].shape, bool) for layer in self.layers]
        self.averages: list[tuple[np.ndarray, np.ndarray]] | None = None

    def live(self) -> list[np.ndarray]:
        """Return which inputs of each layer have a path of kept weights from a pixel that varies."""
        live = [np.array(self.live_pixels)]
        for mask in self.masks[:-1]:
            alive = [any(mask[j, i] and live[-1][i] for i in range(mask.shape[1])) for j in range(len(mask))]
            live.append(np.array(alive))
        return live

    def forward(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
        """Return the logits [B, classes], and the intermediate values of every layer."""
        seen = []
        h = x
        for index, (layer, live) in enumerate(zip(self.layers, self.live(), strict=True)):
            mean, variance = h.mean(axis=0), h.var(axis=0)
            used_mean, used_variance = (mean, variance) if training else self.averages[index]
            sigma = np.sqrt(used_variance + 1e-10)
            normal = np.where(live, (h - used_mean) / sigma, 0.0)
            w, b = layer["weight"] * self.masks[index], layer["bias"] * self.bias_masks[index]
            a = (layer["gamma"] * normal + layer["beta"]) @ w.T + b
            seen.append(
                {"normal": normal, "sigma": sigma, "live": live, "mean": mean, "variance": variance, "a": a}
            )
            h = a if index == len(self.layers) - 1 else np.maximum(a, 0)
        return h, seen

    def gradients(
        self, x: np.ndarray, labels: np.ndarray
    ) -> tuple[float, list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]]:
        """Return mean cross-entropy, its gradient for every parameter, and the layers' intermediate values."""
        logits, seen = self.forward(x, training=True)
        loss, delta = cross_entropy(logits, labels)
        delta = delta / len(x)
        gradients = []
        for index in reversed(range(len(self.layers))):
            layer, at = self.layers[index], seen[index]
            w = layer["weight"] * self.masks[index]
            scaled = layer["gamma"] * at["normal"] + layer["beta"]
            by_scaled = delta @ w
            by_normal = by_scaled * layer["gamma"]
            gradients.append(
                {
                    "weight": (delta.T @ scaled) * self.masks[index],
                    "bias": delta.sum(axis=0) * self.bias_masks[index],
                    "gamma": (by_scaled * at["normal"]).sum(axis=0),
                    "beta": by_scaled.sum(axis=0),
                }
            )
            centred = by_normal - by_normal.mean(axis=0)
            along = at["normal"] * (by_normal * at["normal"]).mean(axis=0)
            by_h = np.where(at["live"], (centred - along) / at["sigma"], 0.0)
            if index > 0:
                delta = by_h * (seen[index - 1]["a"] > 0)
        return float(loss.mean()), gradients[::-1], seen

    def step(self, x: np.ndarray, labels: np.ndarray, rate: float) -> float:
        """Make one SGD update and return the loss before it."""
        loss, gradients, seen = self.gradients(x, labels)
        for layer, gradient in zip(self.layers, gradients, strict=True):
            for name in PARAMETERS:
                layer[name] = layer[name] - rate * gradient[name]
        batch = [(at["mean"], at["variance"]) for at in seen]
        if self.averages is None:
            self.averages = batch
        else:
            self.averages = [
                (0.99 * m + 0.01 * bm, 0.99 * v + 0.01 * bv)
                for (m, v), (bm, bv) in zip(self.averages, batch, strict=True)
            ]
        return loss

    def score(self, x: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Return the summed loss and the accuracy with the moving averages."""
        logits, _ = self.forward(x, training=False)
        return float(cross_entropy(logits, labels)[0].sum()), float((logits.argmax(axis=1) == labels).mean())

    def prune(self, share: float) -> None:
        """Prune, in each layer, the ``share`` of all weights and biases that has the smallest magnitudes."""
        for index in range(len(self.layers) - 1):
            kept = np.concatenate([self.masks[index].ravel(), self.bias_masks[index]])
            weight, bias = self.layers[index]["weight"], self.layers[index]["bias"]
            pool = np.abs(np.concatenate([weight.ravel(), bias])) * kept
            threshold = np.sort(pool)[int(share * len(pool))]
            survives = (pool >= threshold) & kept
            self.masks[index] = survives[: weight.size].reshape(weight.shape)
            self.bias_masks[index] = survives[weight.size :]

    def rewind(self, to: Sequence[dict[str, np.ndarray]]) -> None:
        """Set earlier parameters with pruned entries 0, and start the moving averages anew."""
        self.layers = [{name: layer[name].copy() for name in PARAMETERS} for layer in to]
        for layer, mask, bias_mask in zip(self.layers, self.masks, self.bias_masks, strict=True):
            layer["weight"] = layer["weight"] * mask
            layer["bias"] = layer["bias"] * bias_mask
        self.averages = None


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss of each sample [B], and its gradient with respect to the logits [B, classes]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1)
    probability = np.exp(shifted) / total[:, None]
    right = np.arange(len(labels)), labels
    gradient = probability.copy()
    gradient[right] -= 1
    return np.log(total) - shifted[right], gradient
