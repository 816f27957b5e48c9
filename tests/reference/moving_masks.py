"""This module runs DPF and β-LASSO in float64 NumPy, for tests/training/torch/test_step_rules.py."""

from __future__ import annotations

import numpy as np

from reference.network import PARAMETERS, Network


class Moving(Network):
    """A network whose hidden weights are all trained; ``kept`` are the masks that a forward pass sees."""

    def __init__(self, parameters, live_pixels):
        super().__init__(parameters, live_pixels)
        self.kept = [mask.copy() for mask in self.masks]

    def live(self):
        """Return which inputs vary, as the base class does, under the masks of the forward pass."""
        self.masks, whole = self.kept, self.masks
        found = super().live()
        self.masks = whole
        return found

    def averaged(self, seen):
        """Return the moving averages after one more batch."""
        batch = [(at["mean"], at["variance"]) for at in seen]
        if self.averages is None:
            return batch
        pairs = zip(self.averages, batch, strict=True)
        return [tuple(0.99 * a + 0.01 * b for a, b in zip(old, new, strict=True)) for old, new in pairs]


class Feedback(Moving):
    """A network trained by DPF, dynamic pruning with feedback."""

    def step(self, x, labels, rate):
        dense = [layer["weight"] for layer in self.layers]
        for layer, mask in zip(self.layers, self.kept, strict=True):
            layer["weight"] = layer["weight"] * mask
        loss, gradients, seen = self.gradients(x, labels)
        for layer, weight, gradient in zip(self.layers, dense, gradients, strict=True):
            layer["weight"] = weight
            for name in PARAMETERS:
                layer[name] = layer[name] - rate * gradient[name]
        self.averages = self.averaged(seen)
        return loss

    def keep_largest(self, counts):
        for index, count in enumerate(counts):
            size = np.abs(self.layers[index]["weight"])
            self.kept[index] = size >= np.sort(size, axis=None)[-count]


class Lasso(Moving):
    """A network trained by β-LASSO."""

    def __init__(self, parameters, live_pixels, pull, cut):
        super().__init__(parameters, live_pixels)
        self.pull, self.cut = pull, cut

    def step(self, x, labels, rate):
        loss, gradients, seen = self.gradients(x, labels)
        hidden = len(self.layers) - 1
        for index, (layer, gradient) in enumerate(zip(self.layers, gradients, strict=True)):
            signs = np.sign(layer["weight"])
            for name in PARAMETERS:
                layer[name] = layer[name] - rate * gradient[name]
            if index < hidden:
                moved = layer["weight"] - rate * self.pull * signs
                layer["weight"] = np.where(np.abs(moved) >= self.pull * self.cut, moved, 0)
                self.kept[index] = layer["weight"] != 0
        self.averages = self.averaged(seen)
        return loss
