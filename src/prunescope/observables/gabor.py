"""Least-squares fits of Gabor functions to the weight images of first-layer nodes.

The paper calls these images "reminiscent of Gabor filters" (Section 4).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import indices, whole
from prunescope.errors import InputError
from prunescope.mask import ImageShape, Mask, image_shape
from prunescope.observables.arrays import as_array, in_range
from prunescope.observables.gabor_shapes import (
    PARAMETERS,
    Floats,
    bank,
    gabor,
    gabor_and_slopes,
    limits,
)
from prunescope.randomness import generator

SHUFFLES = 5
SAFE = 200  # powers of two, up or down, of weights whose squares are far from the limits of float64
TRIED, FOLLOWED = 8, 60  # evaluations from each start, and from the best of their ends
TINY = 1e-12
OF_A_SERIES = [0, 3, 5, 6]  # the entries that one row of pixels determines: x, width, wavelength, phase


@dataclass(frozen=True, eq=False)
class GaborFits:
    """The best Gabor function for each of K nodes, and R² of the same fit to its shuffled weights.

    Channel c of a node is A_c exp(-(x'²+γ²y'²)/2σ²) cos(2πx'/λ+ψ) + o_c with x' = (x-x0) cos θ + (y-y0) sin θ
    and y' = (y-y0) cos θ - (x-x0) sin θ. The shape is common to the channels, amplitudes and offsets are not.
    ``nodes`` is int64 [K]; ``x``, ``y`` (the centre), ``sigma`` and ``wavelength`` are float64 [K] in pixels,
    ``theta`` (the direction across the stripes, in [0, π)) and ``phase`` (ψ, in [0, 2π)) in radians, ``gamma`` (σ
    over the length along the stripes; nan for a series); ``amplitude`` and ``offset`` [K, C], the largest amplitude
    positive. ``r2`` [K] is the share of the variance about each channel's mean that the Gabor explains, ``null_r2``
    [K, shuffles] that for the same pixels in random places. All are nan for a node whose channels are constant.
    """

    shape: ImageShape
    nodes: NDArray[np.int64]
    x: Floats
    y: Floats
    theta: Floats
    sigma: Floats
    gamma: Floats
    wavelength: Floats
    phase: Floats
    amplitude: Floats
    offset: Floats
    r2: Floats
    null_r2: Floats

    @property
    def cycles(self) -> Floats:
        """The number of waves in the envelope, 2σ/λ [K]; well below 1/2 the Gabor is a patch rather than stripes."""
        return np.asarray(2 * self.sigma / self.wavelength)

    def image(self, k: int) -> Floats:
        """Return the k-th fit as weights, float64 [C·H·W]."""
        along = 1.0 if np.isnan(self.gamma[k]) else self.gamma[k]
        logs = np.log([self.sigma[k], self.sigma[k] / along, self.wavelength[k]])
        wave = gabor(np.array([self.x[k], self.y[k], self.theta[k], *logs, self.phase[k]]), self.shape)
        return np.asarray(self.amplitude[k, :, np.newaxis] * wave + self.offset[k, :, np.newaxis]).ravel()


def gabor_fit(  # noqa: PLR0913  (public since 0.1.0)
    weights: Any,
    mask: Any,
    shape: ImageShape,
    *,
    nodes: Any = None,
    shuffles: int = SHUFFLES,
    seed: int | None = None,
) -> GaborFits:
    """Fit a Gabor function to the weight image w ⊙ m of each node by least squares; pruned weights count as 0.

    weights, mask: first layer, [n_out, C·H·W]; shape: (C, H, W), of a series (C, 1, W), where the Gabor has no
    angle and no γ; nodes: indices [K], default all. A fit starts from the best Gabor of each width in a bank of them,
    over all positions, and follows scipy's least_squares; amplitudes and offsets are solved for at each step.
    The null repeats the fit with each node's pixels at permuted positions (``shuffles`` times, all channels of
    a pixel together), because few connections, or smooth weights of no
    particular shape, can give a high R² too.
    The permutations are a function of what the mask keeps; ``seed`` has had no effect since version 0.2.0. Raises InputError for weights of another shape than the mask's,
    for images with too few pixels for the parameters of a Gabor, for weights that are not finite and for
    shuffles < 0, and unless C·H·W = n_in. docs/science.md, "Gabor fits".
    """
    mask = Mask.of(mask)
    weights = as_array(weights, "weights")
    if weights.shape != mask.array.shape:
        raise InputError(f"weights have shape {weights.shape}, but the mask has {mask.array.shape}")
    shape, shuffles = image_shape(shape), whole("shuffles", shuffles)
    _check(mask, shape, shuffles)
    if seed is not None:
        warnings.warn(
            "gabor_fit(seed=…) has no effect: the null depends on the mask alone",
            DeprecationWarning,
            stacklevel=2,
        )
    chosen = np.arange(mask.n_out) if nodes is None else indices("nodes", nodes, mask.n_out)
    fits = np.zeros((len(chosen), PARAMETERS + 2 * shape[0] + 1))
    null = np.full((len(chosen), shuffles), np.nan)
    content = mask.digest
    for k, node in enumerate(chosen):
        row = np.where(mask.array[node], weights[node], 0).astype(np.float64)
        if not np.isfinite(row).all():
            raise InputError(f"kept weights of node {node} hold nan or inf; a fit needs finite weights")
        channels = row.reshape(shape[0], -1)
        fits[k] = _fit(channels, shape)
        for shuffle in range(shuffles):
            order = generator(0, f"null-gabor of {content}", int(node), shuffle).permutation(
                channels.shape[1]
            )
            null[k, shuffle] = _fit(channels[:, order], shape)[-1]
    return _fits(shape, chosen, fits, null)


def _check(mask: Mask, shape: ImageShape, shuffles: int) -> None:
    mask.images(shape)
    _, height, width = shape
    if width == 1 and height > 1:
        raise InputError(f"shape {'x'.join(map(str, shape))}: give a series as (C, 1, W)")
    needed = (PARAMETERS if height > 1 else len(OF_A_SERIES)) + 2
    if height * width <= needed:
        raise InputError(f"a Gabor fit needs more than {needed} pixels, got {height}x{width}")
    if shuffles < 0:
        raise InputError(f"shuffles must be 0 or more, got {shuffles}")


def _fit(channels: Floats, shape: ImageShape) -> Floats:
    """Return geometry [7], amplitudes [C], offsets [C] and R² of weights [C, H·W]; nan for constant channels."""
    near = in_range(channels, SAFE)
    if near is not channels:
        fit = _fit(near, shape)
        fit[PARAMETERS:-1] = fit[PARAMETERS:-1] / np.abs(near).max() * np.abs(channels).max()
        return fit
    mean = channels.mean(axis=1, keepdims=True)
    centred = channels - mean
    norm = float(np.linalg.norm(centred))
    if norm <= TINY * float(np.abs(channels).max()):
        return np.full(PARAMETERS + 2 * len(channels) + 1, np.nan)
    centred /= norm
    starts = [_phased(start, centred, shape) for start in bank(shape).starts(centred.reshape(shape))]
    tried = [_descend(start, centred, shape, TRIED) for start in starts]
    best = min(tried, key=lambda end: end[1])
    geometry, loss = _descend(best[0], centred, shape, FOLLOWED)
    geometry = _canonical(geometry)
    wave = gabor(geometry, shape)
    amplitude = centred @ (wave - wave.mean()) / np.square(wave - wave.mean()).sum() * norm
    if amplitude[np.abs(amplitude).argmax()] < 0:
        amplitude = -amplitude
        geometry[6] = (geometry[6] + np.pi) % (2 * np.pi)
        wave = -wave
    offset = mean[:, 0] - amplitude * wave.mean()
    return np.concatenate([geometry, amplitude, offset, [1 - loss]])


def _descend(start: Floats, centred: Floats, shape: ImageShape, evaluations: int) -> tuple[Floats, float]:
    """Return the geometry that least squares reaches from ``start``, and the share of variance left unexplained.

    Variable projection: at each geometry the amplitudes A_c = w_c·f / f·f of the centred wave f are the best
    ones, so only the geometry is searched; the derivatives are those of this reduced problem.
    """
    from scipy.optimize import least_squares

    free = OF_A_SERIES if shape[1] == 1 else list(range(PARAMETERS))
    low, high = limits(shape)

    def whole(entries: Floats) -> Floats:
        geometry = start.copy()
        geometry[free] = entries
        return geometry

    def residual(entries: Floats) -> Floats:
        wave = gabor(whole(entries), shape)
        wave = wave - wave.mean()
        amplitude = centred @ wave / (wave @ wave + TINY)
        return (centred - amplitude[:, np.newaxis] * wave).ravel()

    def slopes(entries: Floats) -> Floats:
        wave, by = gabor_and_slopes(whole(entries), shape)
        wave, by = wave - wave.mean(), by[free] - by[free].mean(axis=1, keepdims=True)
        energy = wave @ wave + TINY
        amplitude = centred @ wave / energy
        change = (by @ centred.T - 2 * np.outer(by @ wave, amplitude)) / energy  # [free, C]
        total = change[:, :, np.newaxis] * wave + amplitude[:, np.newaxis] * by[:, np.newaxis, :]
        return -total.reshape(len(free), -1).T

    low, high = low[free], high[free]
    inside = np.clip(start[free], low + 1e-6, high - 1e-6)
    end = least_squares(
        residual,
        inside,
        jac=slopes,
        bounds=(low, high),
        max_nfev=evaluations,
        ftol=1e-4,
        xtol=1e-4,
        gtol=1e-6,
    )
    return whole(end.x), float(2 * end.cost)


def _phased(geometry: Floats, centred: Floats, shape: ImageShape) -> Floats:
    """Return the geometry with its best phase; the channels share it, so it is that of the first singular vector."""
    quarter = np.zeros(PARAMETERS)
    quarter[6] = np.pi / 2
    parts = np.stack([gabor(geometry, shape), gabor(geometry + quarter, shape)], axis=1)
    basis, triangle = np.linalg.qr(parts - parts.mean(axis=0))
    left = np.linalg.svd(basis.T @ centred.T)[0][:, 0]
    even, odd = np.linalg.lstsq(triangle, left, rcond=1e-6)[0]
    return geometry + quarter * (np.arctan2(odd, even) / (np.pi / 2))


def _canonical(geometry: Floats) -> Floats:
    """Return the same function with θ in [0, π) and ψ in [0, 2π); a turn by π reverses the phase."""
    turns = np.floor(geometry[2] / np.pi)
    phase = -geometry[6] if turns % 2 else geometry[6]
    return np.array([*geometry[:2], geometry[2] - turns * np.pi, *geometry[3:6], phase % (2 * np.pi)])


def _fits(shape: ImageShape, nodes: NDArray[np.int64], found: Floats, null: Floats) -> GaborFits:
    x, y, theta, sigma, along, wavelength, phase = found[:, :PARAMETERS].T
    amplitude, offset = np.split(found[:, PARAMETERS:-1], 2, axis=1)
    gamma = np.exp(sigma - along) if shape[1] > 1 else np.full(len(nodes), np.nan)
    widths = np.exp(sigma), gamma, np.exp(wavelength)
    return GaborFits(shape, nodes, x, y, theta, *widths, phase, amplitude, offset, found[:, -1], null)
