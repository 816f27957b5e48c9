"""Measurement of all scalars of one layer, each with its mean and spread under a null."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from prunescope._views import html_of, text_of
from prunescope.arguments import whole
from prunescope.mask import ImageShape, Mask, image_shape
from prunescope.observables.arrays import as_array
from prunescope.observables.connectivity import scaled_participation, shuffle_at_fan_in, variance_ratio
from prunescope.observables.locality import locality, uniform_null
from prunescope.observables.null_masks import SHUFFLES, null_generators
from prunescope.observables.null_moments import (
    Moments,
    fan_in_ratio_null,
    locality_null,
    participation_null,
)
from prunescope.observables.scalars import (
    NEIGHBOURHOOD,
    anisotropy,
    half_width,
    locality_index,
    null_anisotropy,
    radius_of_gyration,
)
from prunescope.observables.threads import in_order

NAN = float("nan")


@dataclass(frozen=True)
class Scalar:
    """A number measured on a mask, with the mean and standard deviation of the same number under its null.

    ``z`` = (value - null_mean) / null_sd (docs/science.md, "z"). What is not defined is nan. ``shuffles`` is the
    number of random masks that mean and sd come from, 0 where both have a closed form, and None without a null.
    """

    value: float = NAN
    null_mean: float = NAN
    null_sd: float = NAN
    shuffles: int | None = None

    @property
    def z(self) -> float:
        """The number of standard deviations of the null by which the value lies above the null's mean."""
        return (self.value - self.null_mean) / self.null_sd if self.null_sd > 0 else NAN

    @property
    def distance(self) -> float:
        """|z|, 0 where there is no z."""
        return abs(self.z) if math.isfinite(self.z) else 0.0

    def to_dict(self) -> dict[str, float | int | None]:
        """Return plain numbers, {value, null_mean, null_sd, z, shuffles}; None for nan, which JSON lacks."""
        entries = {name: getattr(self, name) for name in ("value", "null_mean", "null_sd", "z")}
        plain = {name: x if np.isfinite(x) else None for name, x in entries.items()}
        return plain | {"shuffles": self.shuffles}

    @classmethod
    def against(cls, value: float, null: list[float]) -> Scalar:
        """Return the scalar of a value and the values of its null.

        There is no null where one of its values is not defined, because the remaining values are not typical, and no
        sd from fewer than 50 values.
        """
        values = np.array(null)
        if not null or not np.isfinite(values).all():
            return cls(value)
        mean = float(values.mean())
        sd = float(values.std(ddof=1)) if len(null) >= SHUFFLES else NAN
        # A null whose values are all equal, such as that of a dense mask, would otherwise have the spread of rounding.
        return cls(value, mean, 0.0 if sd < 1e-12 * abs(mean) else sd, len(null))

    @classmethod
    def exactly(cls, value: float, null: Moments) -> Scalar:
        """Return the scalar of a value and the moments of its null in closed form; without a value it has no null."""
        if not (np.isfinite(value) and np.isfinite(null.mean)):
            return cls(value)
        return cls(value, null.mean, null.sd, 0)


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

    def __str__(self) -> str:
        return text_of("Observables.text", self)

    def _repr_html_(self) -> str:
        return html_of("Observables.html", self)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain numbers, {name: {value, null_mean, null_sd, z, shuffles}}; None for nan, which JSON lacks."""
        result: dict[str, Any] = {"fan_in_mean": self.fan_in_mean}
        for field in fields(self):
            scalar = getattr(self, field.name)
            if isinstance(scalar, Scalar):
                result[field.name] = scalar.to_dict()
        return result


def measure(
    mask: Any,
    shape: ImageShape | str | None,
    *,
    shuffles: int = SHUFFLES,
    seed: int | None = None,
    weights: Any = None,
) -> Observables:
    """Measure every scalar of a layer together with its null.

    mask: [n_out, n_in]; shape: (C, H, W) with C·H·W = n_in, also as text "CxHxW", or None for inputs without geometry (deeper
    layers, tables), whose spatial scalars are nan; weights: [n_out, n_in] for scaled_participation, nan
    without and where kept weights are not finite. The null of the spatial scalars is masks with the same fan-ins at uniform positions: in closed form for
    the locality, ``shuffles`` of them for anisotropy and radius of gyration, which have no z from fewer than 50.
    The half-width has no null, because half of all random masks have none. Two scalars do not depend on positions and
    have other nulls, in closed form: for the variance of the fan-in, as many weights anywhere in the layer; for the
    participation, normal weights on the same mask.
    Every null is a function of the mask's content alone. ``seed`` has had no effect since version 0.2.0.
    Raises InputError for shuffles < 0 or weights of another shape, and for a shape that does not fit.
    docs/science.md, "Scalars" and "Nulls".
    """
    shuffles = whole("shuffles", shuffles)
    if seed is not None:
        warnings.warn(
            "measure(seed=…) has no effect: a mask's null depends on the mask alone",
            DeprecationWarning,
            stacklevel=2,
        )
    mask = Mask.of(mask)
    shape = None if shape is None else image_shape(shape)
    local, half, axes, radius = _spatial(mask, shape, shuffles)
    connections = mask.fan_in
    return Observables(
        fan_in_mean=float(connections.mean()),
        fan_in_variance_ratio=Scalar.exactly(
            variance_ratio(connections, mask.n_in), fan_in_ratio_null(mask.n_out, mask.n_in, mask.kept)
        ),
        locality=local,
        half_width=half,
        anisotropy=axes,
        radius_of_gyration=radius,
        scaled_participation=Scalar() if weights is None else _against_normal(mask, weights),
    )


def _spatial(mask: Mask, shape: ImageShape | None, shuffles: int) -> list[Scalar]:
    """Return locality, half_width, anisotropy and radius_of_gyration of the mask with their nulls."""
    if shape is None:
        return [Scalar()] * 4
    connections = mask.fan_in
    null, counts = uniform_null(connections, shape), locality(mask, shape)
    local = Scalar.exactly(
        locality_index(counts, null), locality_null(connections, shape, reach=NEIGHBOURHOOD)
    )
    paired = connections > 1

    def radius(one: Mask) -> float:
        radii = radius_of_gyration(one, shape)[paired]
        return float(radii.mean()) if radii.size else NAN

    values = [anisotropy(counts, null), radius(mask)]
    if not (paired & (connections < mask.n_in)).any():
        # Shuffling a dense layer, or nodes without a pair, changes nothing.
        against = [Scalar.exactly(value, Moments(value, 0.0)) for value in values]
    else:

        def measured(rng: np.random.Generator) -> tuple[float, float]:
            one = shuffle_at_fan_in(mask, rng)
            return null_anisotropy(one, shape, null), radius(one)

        nulls = list(in_order(measured, null_generators(mask, "null", shuffles)))
        against = [Scalar.against(value, [one[i] for one in nulls]) for i, value in enumerate(values)]
    return [local, Scalar(half_width(counts, null)), *against]


def _against_normal(mask: Mask, weights: Any) -> Scalar:
    ratios = scaled_participation(weights, mask)
    if not np.isfinite(as_array(weights, "weights")[mask.array]).all():
        return Scalar()  # the nodes that remain are not typical
    finite = ratios[np.isfinite(ratios)]
    value = float(finite.mean()) if finite.size else NAN
    # Nodes whose kept weights are all 0 have no ratio, and the null has none for them either.
    return Scalar.exactly(value, participation_null(mask.fan_in[np.isfinite(ratios)]))
