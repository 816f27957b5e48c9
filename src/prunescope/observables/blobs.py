"""Random masks that keep each node's place, size and direction and nothing else of its shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import BoolArray

Floats = NDArray[np.float64]

# Keeps the parameters finite where only one mask has the moments, as for a full line of pixels; in 1/pixel².
RIDGE = 1e-3
STEPS, HALVINGS = 60, 30
# Newton's method ends where a step would lower every loss by less than this.
DONE = 1e-6


@dataclass(frozen=True, eq=False)
class Blobs:
    """The distribution of masks of maximum entropy with the moments of K nodes' masks.

    ``log_odds`` [K, H·W]: those of keeping a pixel, but for a constant of each channel; ``counts`` [K, C]: the kept
    inputs in each channel. docs/science.md, "Blobs".
    """

    log_odds: Floats
    counts: NDArray[np.int64]

    def draw(self, rng: np.random.Generator) -> BoolArray:
        """Return random masks, bool [K, C, H·W], with exactly the counts of each channel."""
        nodes, pixels = self.log_odds.shape
        uniform = rng.random((nodes, self.counts.shape[1], pixels))
        # Independent pixels given their number in a channel, by Rosén's Pareto sampling (1997).
        order = np.argsort(
            np.log(1 - uniform) - np.log(uniform + 1e-300) - self.log_odds[:, np.newaxis], axis=2
        )
        drawn = np.zeros(uniform.shape, np.bool_)
        first = np.arange(pixels) < self.counts[..., np.newaxis]
        np.put_along_axis(drawn, order, first, axis=2)
        return drawn


def fit_blobs(images: BoolArray, *, oriented: bool) -> Blobs:
    """Return the masks of maximum entropy with each node's count in each channel, centre and second moments.

    images: bool [K, C, H, W], with one kept input or more each. ``oriented``: whether all second moments are kept,
    which are size, elongation and direction, or their trace alone, the size. The log-odds of a kept pixel are then a
    quadratic function of its position, found by Newton's method. docs/science.md, "Blobs".
    """
    nodes, channels, height, width = images.shape
    kept = images.reshape(nodes, channels, height * width)
    counts = kept.sum(axis=2, dtype=np.int64)
    terms = _terms(images, oriented)
    # A channel that is empty or full says nothing of the shape.
    open_channels = ((counts > 0) & (counts < height * width)).astype(np.float64)
    totals = np.einsum("kcp,kc,kpd->kd", kept.astype(np.float64), open_channels, terms)
    problem = _Problem(terms, open_channels, counts * open_channels, totals)
    return Blobs(np.einsum("kpd,kd->kp", terms, problem.solved()), counts)


@dataclass(frozen=True, eq=False)
class _Problem:
    """K logistic regressions: ``terms`` [K, P, D], ``open`` [K, C], ``counts`` [K, C] and ``totals`` [K, D] to be met."""

    terms: Floats
    open: Floats
    counts: Floats
    totals: Floats

    def solved(self) -> Floats:
        """Return the coefficients of the terms, [K, D], by Newton's method with halved steps."""
        nodes, pixels, terms = self.terms.shape
        share = np.clip(self.counts, 0.5, pixels - 0.5) / pixels
        offset = np.where(self.open > 0, np.log(share / (1 - share)), 0.0)
        coefficient = np.zeros((nodes, terms))
        loss = self.loss(offset, coefficient)
        channels = offset.shape[1]
        for _ in range(STEPS):
            gradient, step = self.newton(offset, coefficient)
            fall = (gradient * step).sum(axis=1)
            if fall.max() < DONE:
                break
            length = np.ones((nodes, 1))
            for _ in range(HALVINGS):
                after = offset - length * step[:, :channels], coefficient - length * step[:, channels:]
                reached = self.loss(*after)
                worse = reached > loss
                if not worse.any():
                    break
                length[worse] /= 2
            better = ~worse
            offset[better], coefficient[better], loss[better] = (
                after[0][better],
                after[1][better],
                reached[better],
            )
        return coefficient

    def loss(self, offset: Floats, coefficient: Floats) -> Floats:
        """Return the negative log-likelihood of each node, [K]."""
        entropy = np.logaddexp(0, self._odds(offset, coefficient)).sum(axis=2)
        met = (offset * self.counts).sum(axis=1) + (coefficient * self.totals).sum(axis=1)
        return np.asarray(
            (entropy * self.open).sum(axis=1) - met + RIDGE / 2 * np.square(coefficient).sum(axis=1)
        )

    def newton(self, offset: Floats, coefficient: Floats) -> tuple[Floats, Floats]:
        """Return the gradient and Newton's step, each [K, C + D]."""
        channels, terms = offset.shape[1], coefficient.shape[1]
        odds = np.clip(self._odds(offset, coefficient), -500, 500)
        chance = self.open[..., np.newaxis] / (1 + np.exp(-odds))
        spread = chance * (1 - chance)
        gradient = np.concatenate(
            [
                chance.sum(axis=2) - self.counts,
                np.einsum("kp,kpd->kd", chance.sum(axis=1), self.terms) - self.totals + RIDGE * coefficient,
            ],
            axis=1,
        )
        curvature = np.zeros((len(offset), channels + terms, channels + terms))
        diagonal = np.arange(channels)
        curvature[:, diagonal, diagonal] = spread.sum(axis=2) + 1e-9 + (1 - self.open)
        curvature[:, :channels, channels:] = spread @ self.terms
        curvature[:, channels:, :channels] = (spread @ self.terms).transpose(0, 2, 1)
        weighted = spread.sum(axis=1)[..., np.newaxis] * self.terms
        curvature[:, channels:, channels:] = self.terms.transpose(0, 2, 1) @ weighted + RIDGE * np.eye(terms)
        return gradient, np.linalg.solve(curvature, gradient[..., np.newaxis])[..., 0]

    def _odds(self, offset: Floats, coefficient: Floats) -> Floats:
        shape = np.einsum("kpd,kd->kp", self.terms, coefficient)
        return np.asarray(offset[..., np.newaxis] + shape[:, np.newaxis])


def _terms(images: BoolArray, oriented: bool) -> Floats:
    """Return the functions of a pixel's position about the node's centre, in pixels, [K, H·W, 3 or 5]."""
    nodes, _, height, width = images.shape
    occupied = images.sum(axis=1).astype(np.float64)
    total = occupied.sum(axis=(1, 2))
    y, x = np.indices((height, width), dtype=np.float64)
    y, x = (at - ((occupied * at).sum(axis=(1, 2)) / total)[:, np.newaxis, np.newaxis] for at in (y, x))
    second = [y * y, x * y, x * x] if oriented else [y * y + x * x]
    return np.stack([y, x, *second], axis=-1).reshape(nodes, height * width, -1)
