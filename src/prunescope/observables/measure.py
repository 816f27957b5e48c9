"""Measurement of all scalars of one layer, each with its values under a null."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import ImageShape, Mask
from prunescope.observables.connectivity import (
    participation,
    scaled_participation,
    shuffle_at_fan_in,
    variance_ratio,
)
from prunescope.observables.locality import Locality, locality, uniform_null
from prunescope.observables.scalars import anisotropy, half_width, locality_index, radius_of_gyration
from prunescope.randomness import generator

NAN = float("nan")


@dataclass(frozen=True)
class Scalar:
    """A number measured on a mask, with the mean and sample standard deviation of the same number under its null.

    ``z`` = (value - null_mean) / null_sd (docs/science.md, "z"). What is not defined is nan.
    """

    value: float = NAN
    null_mean: float = NAN
    null_sd: float = NAN

    @property
    def z(self) -> float:
        """The number of standard deviations of the null by which the value lies above the null's mean."""
        return (self.value - self.null_mean) / self.null_sd if self.null_sd > 0 else NAN

    @classmethod
    def against(cls, value: float, null: list[float]) -> Scalar:
        """Return the scalar of a value and the values of its null.

        The spread is nan when one of the null's values is not defined, because the remaining values are not typical:
        for example, a random mask has a half-width only where it has an excess by chance.
        """
        finite = np.array([entry for entry in null if np.isfinite(entry)])
        mean = float(finite.mean()) if finite.size else NAN
        sd = float(finite.std(ddof=1)) if 1 < finite.size == len(null) else NAN
        # A null whose values are all equal, such as that of a dense mask, would otherwise have the spread of rounding.
        return cls(value, mean, 0.0 if sd < 1e-12 * abs(mean) else sd)


@dataclass(frozen=True)
class Observables:
    """The scalars of one layer, as defined in docs/science.md, "Scalars".

    ``radius_of_gyration`` is the mean over nodes with a fan-in of 2 or more, ``scaled_participation`` that over nodes
    with weights.
    """

    fan_in_mean: float
    fan_in_variance_ratio: Scalar
    locality: Scalar
    half_width: Scalar
    anisotropy: Scalar
    radius_of_gyration: Scalar
    scaled_participation: Scalar

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain numbers, {name: {value, null_mean, null_sd, z}}; None for nan, which JSON lacks."""
        result: dict[str, Any] = {"fan_in_mean": self.fan_in_mean}
        for field in fields(self):
            scalar = getattr(self, field.name)
            if isinstance(scalar, Scalar):
                entries = {name: getattr(scalar, name) for name in ("value", "null_mean", "null_sd", "z")}
                result[field.name] = {name: x if np.isfinite(x) else None for name, x in entries.items()}
        return result


def measure(
    mask: Any, shape: ImageShape | None, *, shuffles: int = 20, seed: int = 0, weights: Any = None
) -> Observables:
    """Measure every scalar of a layer together with its null.

    mask: [n_out, n_in]; shape: (C, H, W) with C·H·W = n_in, or None for inputs without geometry (deeper
    layers, tables), whose spatial scalars are nan; weights: [n_out, n_in] for scaled_participation, nan
    without. The null of the spatial scalars is ``shuffles`` masks with the same fan-ins at uniform
    positions. Two scalars do not depend on positions and have other nulls: for the variance of the fan-in, random
    pruning at the same density (binomial fan-ins); for the participation, normal weights on the same mask.
    Random numbers are a function of the mask's content and of ``seed`` alone, so a mask always has the same null.
    Raises InputError for shuffles < 0 or weights of another shape, and for a shape that does not fit.
    docs/science.md, "Scalars" and "Nulls".
    """
    if shuffles < 0:
        raise InputError(f"shuffles must be 0 or more, got {shuffles}")
    mask = Mask.of(mask)
    content = mask.digest

    def rngs(purpose: str) -> list[np.random.Generator]:
        return [generator(seed, f"{purpose} of {content}", 0, k) for k in range(shuffles)]

    local, half, axes, radius = _spatial(mask, shape, rngs("null"))
    return Observables(
        fan_in_mean=float(mask.fan_in.mean()),
        fan_in_variance_ratio=_against_binomial(mask, rngs("null-fan-in")),
        locality=local,
        half_width=half,
        anisotropy=axes,
        radius_of_gyration=radius,
        scaled_participation=Scalar()
        if weights is None
        else _against_normal(mask, weights, rngs("null-weights")),
    )


def _spatial(mask: Mask, shape: ImageShape | None, rngs: list[np.random.Generator]) -> list[Scalar]:
    """Return locality, half_width, anisotropy and radius_of_gyration of the mask against those of shuffled ones."""
    if shape is None:
        return [Scalar()] * 4
    null = uniform_null(mask.fan_in, shape)
    of_pairs: list[Callable[[Locality, Locality], float]] = [locality_index, half_width, anisotropy]

    def scalars(mask: Mask) -> list[float]:
        counts = locality(mask, shape)
        radii = radius_of_gyration(mask, shape)[mask.fan_in > 1]
        return [*(scalar(counts, null) for scalar in of_pairs), float(radii.mean()) if radii.size else NAN]

    values = scalars(mask)
    # Shuffling a dense layer, or nodes without a pair, changes nothing.
    free = (mask.fan_in > 1) & (mask.fan_in < mask.n_in)
    nulls = [scalars(shuffle_at_fan_in(mask, rng)) if free.any() else values for rng in rngs]
    return [Scalar.against(value, [null[i] for null in nulls]) for i, value in enumerate(values)]


def _against_binomial(mask: Mask, rngs: list[np.random.Generator]) -> Scalar:
    null = [variance_ratio(rng.binomial(mask.n_in, mask.density, mask.n_out), mask.n_in) for rng in rngs]
    return Scalar.against(variance_ratio(mask.fan_in, mask.n_in), null)


def _against_normal(mask: Mask, weights: Any, rngs: list[np.random.Generator]) -> Scalar:
    connections = mask.fan_in

    def mean(ratios: NDArray[np.float64]) -> float:
        finite = ratios[np.isfinite(ratios)]
        return float(finite.mean()) if finite.size else NAN

    null = [mean(participation(rng.standard_normal(mask.kept), connections)) for rng in rngs]
    return Scalar.against(mean(scaled_participation(weights, mask)), null)
