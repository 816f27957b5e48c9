"""The masks of convolutions: which positions of the kernel are kept, and which channels filters reach.

Under the null of every scalar here each filter keeps its number of weights, at uniform positions in all of its kernels.
Means and sds are exact (docs/science.md, "Convolutions").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import BoolArray
from prunescope.observables.group_spread import cross_variance, share_scalar, spread_scalar
from prunescope.observables.measure import Scalar
from prunescope.observables.null_moments import Moments
from prunescope.observables.occupancy import EmptyBoxes, empty_boxes
from prunescope.observables.shares import share_against

# Ratios of variances are not defined where the null's variances sum to less: hardly a kernel is dead, or hardly one alive.
LEAST_VARIANCE = 0.1


@dataclass(frozen=True, eq=False)
class Kernels:
    """The counts of a convolution's mask from which its scalars are computed.

    ``mask``: bool [filters, channels of a group, *kernel]; ``groups``: the convolution's groups, which share the filters
    equally in their order.
    """

    mask: BoolArray
    groups: int = 1

    def __post_init__(self) -> None:
        if self.mask.ndim < 3 or 0 in self.mask.shape:
            raise InputError(f"the mask of a convolution has 3 axes or more, got shape {self.mask.shape}")
        if self.groups < 1 or len(self.mask) % self.groups:
            raise InputError(f"{len(self.mask)} filters cannot be shared by {self.groups} groups")

    @property
    def kernel(self) -> tuple[int, ...]:
        """The sides of a kernel."""
        return self.mask.shape[2:]

    @property
    def channels(self) -> int:
        """The number of input channels of a group."""
        return self.mask.shape[1]

    @cached_property
    def flat(self) -> NDArray[np.uint8]:
        """The mask as numbers [filters, channels, positions]."""
        return np.ascontiguousarray(self.mask).view(np.uint8).reshape(len(self.mask), self.channels, -1)

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """The kept weights of each filter at each position of the kernel, [filters, positions]."""
        return self.flat.sum(axis=1, dtype=np.int64)

    @cached_property
    def reached(self) -> BoolArray:
        """Whether a filter keeps a weight of an input channel, [filters, channels]: its kernel is not dead."""
        return np.asarray(self.flat.any(axis=2))

    @cached_property
    def fan_out(self) -> NDArray[np.int64]:
        """The number of filters that reach each input channel, [groups, channels]."""
        return self.reached.reshape(self.groups, -1, self.channels).sum(axis=1, dtype=np.int64)

    @cached_property
    def empty(self) -> EmptyBoxes:
        """The number of dead kernels of each filter under the null."""
        return empty_boxes(self.positions.sum(axis=1), self.channels, self.flat.shape[2])


def kernel_scalars(kernels: Kernels) -> dict[str, Scalar]:
    """Return the scalars of a convolution with their nulls, by name; those of a single position are left out.

    Names: kernel_position_ratio, kernel_centre (of odd kernels), dead_kernels, channel_fan_in_ratio,
    channel_fan_out_ratio and dead_channels (of several input channels a group). docs/science.md, "Convolutions".
    """
    places = kernels.flat.shape[2]
    if places == 1:
        return {}
    found = {"kernel_position_ratio": spread_scalar(kernels.positions, kernels.channels)}
    if all(side % 2 for side in kernels.kernel):
        found["kernel_centre"] = share_scalar(kernels.positions, kernels.channels, places // 2)
    if kernels.channels > 1:
        found["dead_kernels"] = dead_kernels(kernels)
        found["channel_fan_in_ratio"] = channel_fan_in_ratio(kernels)
        found["channel_fan_out_ratio"] = channel_fan_out_ratio(kernels)
    found["dead_channels"] = dead_channels(kernels)
    return found


def dead_kernels(kernels: Kernels) -> Scalar:
    """Return the share of kernels, pairs of a filter and an input channel, that keep no weight."""
    empty, count = kernels.empty, kernels.reached.size
    null = Moments(float(empty.mean.sum()) / count, math.sqrt(_positive(empty.second.sum())) / count)
    return share_against(float((~kernels.reached).mean()), null, count)


def channel_fan_in_ratio(kernels: Kernels) -> Scalar:
    """Return how far the numbers of channels that filters reach lie from their expectations, Σ(R - E R)² / Σ var R."""
    empty = kernels.empty
    expected = _positive(empty.second.sum())
    if expected < LEAST_VARIANCE:
        return Scalar()
    dead = kernels.channels - kernels.reached.sum(axis=1, dtype=np.int64)
    variance = _positive((empty.fourth - empty.second**2).sum())
    return Scalar.exactly(
        float(np.square(dead - empty.mean).sum()) / expected, Moments(1.0, math.sqrt(variance) / expected)
    )


def channel_fan_out_ratio(kernels: Kernels) -> Scalar:
    """Return the variance over the channels of a group of how many filters reach them, divided by that of the null."""
    channels, empty = kernels.channels, kernels.empty
    expected = _positive(empty.spread.sum())
    if expected < LEAST_VARIANCE:
        return Scalar()
    fan_out = kernels.fan_out
    found = float(np.square(fan_out - fan_out.mean(axis=1, keepdims=True)).sum())
    of_a_filter = (empty.spread / (channels - 1)).reshape(kernels.groups, -1)
    variance = float(empty.spread_variance.sum()) + sum(cross_variance(one, channels) for one in of_a_filter)
    return Scalar.exactly(found / expected, Moments(1.0, math.sqrt(_positive(variance)) / expected))


def dead_channels(kernels: Kernels) -> Scalar:
    """Return the share of input channels that no filter reaches; the sd of the null is at least one channel."""
    groups, channels = kernels.fan_out.shape
    with np.errstate(divide="ignore"):
        alone, both = (
            np.exp(np.log(chance).reshape(groups, -1).sum(axis=1))
            for chance in (kernels.empty.one, kernels.empty.two)
        )
    variance = channels * alone * (1 - alone) + channels * (channels - 1) * (both - alone**2)
    count = groups * channels
    null = Moments(float(alone.mean()), math.sqrt(_positive(variance.sum())) / count)
    return share_against(float((kernels.fan_out == 0).mean()), null, count)


def _positive(number: float) -> float:
    """Return a number that is at least 0 but for rounding."""
    return max(0.0, float(number))
