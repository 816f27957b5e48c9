"""Gabor functions on a pixel grid: their values, their derivatives, and a bank of them from which fits start.

A geometry is float64 [7]: centre x and y, angle θ, ln σ, ln(σ/γ), ln λ, phase ψ, in pixels and radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import ImageShape

Floats = NDArray[np.float64]

PARAMETERS = 7
SMALLEST_SIGMA = 0.4  # covers a single pixel; narrower ones give the same image
SHORTEST_WAVE = 2.0  # the Nyquist limit of a pixel grid
ANGLES = 6
SIGMAS = (0.6, 1.2, 2.4, 4.8, 9.6)
ELONGATIONS = (1.0, 2.5)
WAVES = (2.0, 3.5, 7.0)  # λ/σ of about two cycles, one cycle, and a patch without stripes
FLAT = 1e-3  # relative energy of an even or odd part below which correlations with it are noise


def gabor(geometry: Floats, shape: ImageShape) -> Floats:
    """Return exp(-(x'²+γ²y'²)/2σ²) cos(2πx'/λ+ψ) on the grid, float64 [H·W].

    x' = (x-x0) cos θ + (y-y0) sin θ is across the stripes, y' = (y-y0) cos θ - (x-x0) sin θ along them.
    """
    _, _, envelope, angle = _wave(geometry, shape)
    return envelope * np.cos(angle)


def gabor_and_slopes(geometry: Floats, shape: ImageShape) -> tuple[Floats, Floats]:
    """Return the function [H·W] and its derivatives with respect to the geometry's entries [7, H·W]."""
    across, along, envelope, angle = _wave(geometry, shape)
    cosine, sine = np.cos(geometry[2]), np.sin(geometry[2])
    inverse, inverse_along = np.exp(-2 * geometry[3]), np.exp(-2 * geometry[4])
    frequency = 2 * np.pi * np.exp(-geometry[5])
    even, odd = envelope * np.cos(angle), envelope * np.sin(angle)
    by_across = -across * inverse * even - frequency * odd
    by_along = -along * inverse_along * even
    slopes = np.stack(
        [
            -cosine * by_across + sine * by_along,
            -sine * by_across - cosine * by_along,
            along * by_across - across * by_along,
            across**2 * inverse * even,
            along**2 * inverse_along * even,
            frequency * across * odd,
            -odd,
        ]
    )
    return even, slopes


def _wave(geometry: Floats, shape: ImageShape) -> tuple[Floats, Floats, Floats, Floats]:
    """Return x', y', the envelope and the wave's argument, each [H·W]."""
    x, y = grid(shape)
    x, y = x - geometry[0], y - geometry[1]
    cosine, sine = np.cos(geometry[2]), np.sin(geometry[2])
    across, along = x * cosine + y * sine, y * cosine - x * sine
    envelope = np.exp(-0.5 * ((across * np.exp(-geometry[3])) ** 2 + (along * np.exp(-geometry[4])) ** 2))
    return across, along, envelope, 2 * np.pi * np.exp(-geometry[5]) * across + geometry[6]


@lru_cache(maxsize=8)
def grid(shape: ImageShape) -> tuple[Floats, Floats]:
    """Return x and y of each pixel, each [H·W]."""
    y, x = np.indices(shape[1:], dtype=np.float64)
    return x.ravel(), y.ravel()


def limits(shape: ImageShape) -> tuple[Floats, Floats]:
    """Return the least and the greatest value of each entry of a geometry, whose centre must lie on the image."""
    _, height, width = shape
    side = max(height, width)
    smallest, widest = np.log(SMALLEST_SIGMA), np.log(2.0 * side)
    free = np.inf
    low = np.array([-0.5, -0.5, -free, smallest, smallest, np.log(SHORTEST_WAVE), -free])
    high = np.array([width - 0.5, height - 0.5, free, widest, widest, np.log(4.0 * side), free])
    return low, high


@dataclass(frozen=True, eq=False)
class Bank:
    """A bank of A Gabor functions of several widths, to correlate images with at every position.

    ``geometries`` [A, 7], centred at 0; ``size`` [A] is the index of the width; ``spectra`` [A, rows, columns] are
    conjugate transforms of the complex waves; ``energy`` [A, 2] that of their even and odd parts about the mean.
    """

    geometries: Floats
    size: NDArray[np.int64]
    spectra: NDArray[np.complex64]
    energy: NDArray[np.float32]

    def starts(self, image: Floats) -> list[Floats]:
        """Return the best geometry of each width for an image [C, H, W] that has mean 0 in each channel.

        The phase is shared and the amplitude free in each channel, so the energy explained is the largest eigenvalue
        of the 2 x 2 matrix of the even and odd responses. Waves cut by the border count with their whole energy.
        """
        from scipy.fft import fft2, ifft2

        _, height, width = image.shape
        spectrum = fft2(image.astype(np.float32), s=self.spectra.shape[1:])
        found = ifft2(spectrum * self.spectra[:, np.newaxis], overwrite_x=True)[..., :height, :width]
        scale = self.energy[..., np.newaxis, np.newaxis, np.newaxis] ** -0.5
        even, odd = found.real * scale[:, 0], found.imag * scale[:, 1]
        a, b, c = (even**2).sum(axis=1), (odd**2).sum(axis=1), (even * odd).sum(axis=1)
        explained = ((a + b) / 2 + np.hypot((a - b) / 2, c)).reshape(len(self.size), -1)
        place, best = explained.argmax(axis=1), explained.max(axis=1)
        starts = []
        for size in np.unique(self.size):
            atom = np.flatnonzero(self.size == size)[best[self.size == size].argmax()]
            y, x = divmod(int(place[atom]), width)
            starts.append(self.geometries[atom] + np.array([x, y, 0, 0, 0, 0, 0], np.float64))
        return starts


@lru_cache(maxsize=4)
def bank(shape: ImageShape) -> Bank:
    """Return the bank for images of a shape; for one row it has only angle 0 and no elongation."""
    from scipy.fft import fft2, next_fast_len

    _, height, width = shape
    flat = height == 1
    geometries, sizes = [], []
    for size, sigma in enumerate(s for s in SIGMAS if s <= max(1.2, max(height, width) / 3)):
        for elongation in ELONGATIONS[: 1 if flat else None]:
            for wave in WAVES:
                for angle in np.arange(1 if flat else ANGLES) * np.pi / ANGLES:
                    logs = np.log([sigma, sigma * elongation, max(SHORTEST_WAVE, wave * sigma)])
                    geometries.append(np.array([0, 0, angle, *logs, 0]))
                    sizes.append(size)
    around = (1, 2 * height - 1, 2 * width - 1)
    centre = np.array([width - 1, height - 1, 0, 0, 0, 0, 0], np.float64)
    quarter = np.array([0, 0, 0, 0, 0, 0, -np.pi / 2])
    waves = np.array([[gabor(g + centre, around), gabor(g + centre + quarter, around)] for g in geometries])
    energy = (waves**2).sum(axis=2) - waves.sum(axis=2) ** 2 / (height * width)
    energy = np.maximum(energy, FLAT * energy.max(axis=1, keepdims=True))
    rows, columns = next_fast_len(2 * height - 1), next_fast_len(2 * width - 1)
    complex_waves = (waves[:, 0] + 1j * waves[:, 1]).reshape(-1, *around[1:]).astype(np.complex64)
    padded = np.zeros((len(geometries), rows, columns), np.complex64)
    padded[:, : around[1], : around[2]] = np.conj(complex_waves)
    padded = np.roll(padded, (1 - height, 1 - width), axis=(1, 2))
    return Bank(np.array(geometries), np.array(sizes), np.conj(fft2(padded)), energy.astype(np.float32))
