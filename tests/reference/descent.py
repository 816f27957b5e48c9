"""The slow network's descent by SGD, momentum and Adam, equation by equation in float64."""

from __future__ import annotations

import numpy as np

from reference.network import PARAMETERS, Network


class Descent:
    """Moves a network's parameters by the rule of an optimiser, with PyTorch's equations."""

    def __init__(self, network: Network, optimizer: str, rate: float, momentum: float) -> None:
        self.network, self.optimizer, self.rate, self.momentum = network, optimizer, rate, momentum
        self.steps = 0
        self.first, self.second = (
            [{name: np.zeros_like(layer[name]) for name in PARAMETERS} for layer in network.layers]
            for _ in range(2)
        )

    def step(self, x: np.ndarray, labels: np.ndarray) -> float:
        """Make one update and return the loss before it."""
        self.steps += 1
        before = [{name: layer[name].copy() for name in PARAMETERS} for layer in self.network.layers]
        _, gradients, _ = self.network.gradients(x, labels)
        loss = self.network.step(x, labels, 0.0)  # This moves the averages alone.
        for index, gradient in enumerate(gradients):
            for name in PARAMETERS:
                change = self._change(self.first[index], self.second[index], name, gradient[name])
                self.network.layers[index][name] = before[index][name] - self.rate * change
        return loss

    def _change(self, first, second, name, gradient):
        if self.optimizer == "sgd":
            return gradient
        if self.optimizer == "momentum":
            first[name] = self.momentum * first[name] + gradient
            return first[name]
        first[name] = 0.9 * first[name] + 0.1 * gradient
        second[name] = 0.999 * second[name] + 0.001 * gradient**2
        corrected = first[name] / (1 - 0.9**self.steps)
        return corrected / (np.sqrt(second[name] / (1 - 0.999**self.steps)) + 1e-8)
