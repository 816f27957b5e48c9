"""The images that preactivations are measured on, in the memory of the host or on a torch device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.model import FloatArray
from prunescope.observables.kurtosis import FLAT, JointMoments, joint_moments, kurtosis_of, ordered_rows
from prunescope.observables.scattered import Scattered, in_tiles

Floats = NDArray[np.float64]
BLOCK = 500  # images whose powers are in memory at once on a device
SORTED = 1 << 22  # entries that are sorted at once on a device


@dataclass(frozen=True, eq=False)
class Shuffled:
    """Weights float32 [n_out, n_in] that are to be sorted, row by row, by the random ``keys`` int32 [n_out, n_in]."""

    weights: FloatArray
    keys: NDArray[np.int32]

    def dense(self) -> FloatArray:
        """Return the weights in their random order."""
        return ordered_rows(self.weights, self.keys)


Weights: TypeAlias = FloatArray | Scattered | Shuffled


class LayerInputs:
    """What the weights of a layer multiply, [images, n_in], in the memory of the host."""

    def __init__(self, inputs: FloatArray) -> None:
        self._inputs = inputs

    @cached_property
    def _tiles(self) -> list[NDArray[Any]]:
        return in_tiles(self._inputs)

    def kurtosis(self, masked: Weights) -> Floats:
        """Return the excess kurtosis of each node's preactivation, of weights [n_out, n_in] with zeros for pruned ones."""
        if isinstance(masked, Scattered):
            return masked.kurtosis(self._tiles)
        return kurtosis_of(masked.dense() if isinstance(masked, Shuffled) else masked, self._inputs)

    def joint_moments(self, v: Floats) -> JointMoments:
        """Return the moments from which the cavity effects of weights [K, n_in] follow."""
        return joint_moments(v, self._inputs)


class DeviceInputs:
    """The same on a torch device, where products are float32 and moments float64, as they are on the host."""

    def __init__(self, inputs: FloatArray, device: torch.device) -> None:
        self._on_device = torch.from_numpy(inputs).to(device)
        self._sent: tuple[FloatArray, Tensor] | None = None

    @torch.no_grad()
    def kurtosis(self, masked: Weights) -> Floats:
        """Return the excess kurtosis of each node's preactivation, as ``excess_kurtosis`` defines it."""
        samples = self._on_device @ self._weights(masked).T
        centred = samples.double()
        centred -= centred.mean(0)
        square = centred.square_()
        second, fourth = square.mean(0), square.square().mean(0)
        alive = second.sqrt() > FLAT * samples.abs().amax(0)
        ratio = fourth / second.where(alive, 1.0).square() - 3
        return np.asarray(ratio.where(alive, torch.nan).cpu().numpy())

    def _weights(self, masked: Weights) -> Tensor:
        """Return the weights [n_out, n_in] on the device; of scattered ones the kept weights alone go there."""
        if isinstance(masked, Shuffled):
            return self._ordered(masked)
        if not isinstance(masked, Scattered):
            return torch.from_numpy(masked).to(self._on_device)
        weights = self._on_device.new_zeros(len(masked.fan_in), masked.n_in)
        nodes, inputs, values = (
            torch.from_numpy(array).to(weights.device)
            for array in (masked.nodes, masked.inputs, masked.values)
        )
        weights[nodes, inputs] = values.to(weights)
        return weights

    def _ordered(self, shuffled: Shuffled) -> Tensor:
        """Return ``shuffled.dense()`` on the device, which sorts there; the weights are sent once for all orders."""
        if self._sent is None or self._sent[0] is not shuffled.weights:
            self._sent = shuffled.weights, torch.from_numpy(shuffled.weights).to(self._on_device.device)
        weights = self._sent[1]
        keys = torch.from_numpy(shuffled.keys).to(weights.device)
        rows = max(1, SORTED // weights.shape[1])
        ordered = torch.empty_like(weights)
        for start in range(0, len(weights), rows):
            some = slice(start, start + rows)
            # The bits of a value are the lower half of what is sorted, as in ordered_rows.
            bits = weights[some].view(torch.int32).to(torch.int64) & 0xFFFFFFFF
            pairs = (keys[some].to(torch.int64) << 32) | bits
            ordered[some] = pairs.sort(dim=1).values.to(torch.int32).view(torch.float32)
        return ordered

    @torch.no_grad()
    def joint_moments(self, v: Floats) -> JointMoments:
        """Return the moments of ``observables.kurtosis.joint_moments``, of which each sum over images is a product."""
        weights = torch.from_numpy(v).to(self._on_device.device)
        mean = self._on_device.mean(0, dtype=torch.float64)
        sums: list[Tensor] = []
        for rows in self._on_device.split(BLOCK):
            x = rows.double() - mean
            a = weights @ x.T
            a2, x2 = a.square(), x.square()
            part = [a2.sum(1, keepdim=True), a2.square().sum(1, keepdim=True), x2.sum(0), x2.square().sum(0)]
            part += [a @ x, (a * a2) @ x, a2 @ x2, a @ (x2 * x)]
            sums = [total + more for total, more in zip(sums, part, strict=True)] if sums else part
        found = [(total / len(self._on_device)).cpu().numpy() for total in sums]
        return JointMoments(*found)
