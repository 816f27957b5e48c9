"""How far from Gaussian a node's preactivation is, and what each of its weights does to that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.model import Arrays
from prunescope.observables.arrays import as_array

Floats = NDArray[np.float64]

ROWS = 500  # images whose powers are held at once
FLAT = 1e-6  # of what the contributions could sum to: below it a spread is rounding
# The same for a spread that comes from moments: its fourth power keeps 4 of float64's 16 digits.
CANCELLED = 1e-3


def excess_kurtosis(samples: Any) -> Floats:
    """E[(a - E a)⁴] / (E[(a - E a)²])² - 3 of each column.

    samples: [images, K]. Returns float64 [K]: 0 for a Gaussian, the plain moment estimator (its bias for one
    is -6 over the number of images); nan for a column without spread. Raises InputError for another shape or no image.
    """
    samples = _matrix(samples, "samples")
    centred = samples - samples.mean(axis=0, dtype=np.float64)
    square = np.square(centred, out=centred)
    second, fourth = square.mean(axis=0), np.einsum("nk,nk->k", square, square) / len(samples)
    alive = np.sqrt(second) > FLAT * np.abs(samples).max(axis=0)
    return np.asarray(np.where(alive, fourth / np.where(alive, second, 1) ** 2 - 3, np.nan))


def preactivation_kurtosis(weights: Any, mask: Any, inputs: Any) -> Floats:
    """The excess kurtosis of each node's preactivation a = Σ_i m_i w_i x_i over images.

    weights, mask: [n_out, n_in]; inputs: [images, n_in], what the weights multiply (x̂, with γ in it or in
    the weights; constants, such as biases, change nothing). Returns float64 [n_out], nan for a node whose
    preactivation does not vary. Raises InputError for shapes that do not fit. SCIENCE §3, Redman et al. 2024.
    """
    masked, inputs = _masked(weights, mask, inputs)
    return excess_kurtosis(inputs @ masked.T.astype(inputs.dtype))


def shuffled_kurtosis(weights: Any, mask: Any, inputs: Any, rng: np.random.Generator) -> Floats:
    """preactivation_kurtosis with each node's weights at random positions: same fan-in, same values. The null."""
    masked, inputs = _masked(weights, mask, inputs)
    return excess_kurtosis(inputs @ rng.permuted(masked, axis=1).T.astype(inputs.dtype))


@dataclass(frozen=True, eq=False)
class Cavity:
    """The effect of single weights on the kurtosis of their node's preactivation.

    ``node``, ``input`` int64 [M] are the weights' places; ``effect`` float64 [M] is the excess kurtosis without the weight
    minus that with all weights: negative where the weight makes the node less Gaussian; nan
    where either is not defined: a node's only weight, or contributions that cancel to a thousandth of their sum.
    """

    node: NDArray[np.int64]
    input: NDArray[np.int64]
    effect: Floats


def cavity(weights: Any, mask: Any, inputs: Any, *, nodes: Any = None) -> Cavity:
    """What removing each kept weight, alone, does to its node's excess kurtosis.

    weights, mask: [n_out, n_in]; inputs: [images, n_in] as in preactivation_kurtosis; nodes: indices, default
    all. Weights are listed node after node, inputs ascending. The moments of a - v x for every weight v follow
    from E[a^p x^q], so nothing is removed one by one. Raises InputError for shapes that do not fit. SCIENCE
    §3, Redman et al. 2024 ("cavity method").
    """
    masked, inputs = _masked(weights, mask, inputs)
    chosen = np.arange(len(masked)) if nodes is None else np.atleast_1d(as_array(nodes)).astype(np.int64)
    kept = Mask.of(mask).array[chosen]
    v = masked[chosen].astype(np.float64)
    moments = _joint_moments(v, inputs)
    before = moments.second, moments.fourth
    change2 = -2 * v * moments.ax + v**2 * moments.x2
    change4 = v * (-4 * moments.a3x + v * (6 * moments.a2x2 + v * (-4 * moments.ax3 + v * moments.x4)))
    # A difference of kurtoses without the cancellation of one: light weights change the ninth digit.
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = change2 / before[0]
        effect = (change4 / before[0] ** 2 - before[1] / before[0] ** 2 * (2 * relative + relative**2)) / (
            1 + relative
        ) ** 2
        possible = np.abs(v) @ np.sqrt(moments.x2)
        flat = np.minimum(before[0], before[0] + change2) <= (CANCELLED * possible[:, np.newaxis]) ** 2
    effect = np.where(flat, np.nan, effect)
    row, column = np.nonzero(kept)
    return Cavity(chosen[row], column, effect[row, column])


@dataclass(frozen=True, eq=False)
class CavitySplit:
    """The cavity effects of a level's weights, those the next pruning keeps apart from those it removes.

    ``kept``, ``pruned`` are cavities; ``kept_size``, ``pruned_size`` float64 are the weights' absolute values, since
    a large weight does more whatever it does.
    """

    kept: Cavity
    pruned: Cavity
    kept_size: Floats
    pruned_size: Floats

    @property
    def contrast(self) -> float:
        """Mean effect of the kept minus that of the pruned; nan when there are none of either."""
        return _mean(self.kept.effect) - _mean(self.pruned.effect)

    def near_threshold(self, factor: float = 1.25) -> float:
        """The contrast among weights of like size: pruned ones above t/factor, kept ones below t·factor.

        t is the largest pruned size: under magnitude pruning the threshold. nan when there are none of either.
        """
        threshold = self.pruned_size.max(initial=0.0)
        kept = self.kept.effect[self.kept_size < threshold * factor]
        return _mean(kept) - _mean(self.pruned.effect[self.pruned_size > threshold / factor])

    def lowering(self) -> tuple[float, float]:
        """The share of the kept and of the pruned whose removal lowers the kurtosis."""
        return _mean(self.kept.effect < 0.0), _mean(self.pruned.effect < 0.0)


def split_cavity(effects: Cavity, weights: Any, next_mask: Any) -> CavitySplit:
    """Part the effects of a level's trained weights by the mask that the pruning after it left.

    effects: of the weights kept at the level; weights [n_out, n_in]: trained at that level; next_mask: of
    the next level. Effects that are not defined are left out. SCIENCE §3.
    """
    weights, mask = as_array(weights), Mask.of(next_mask)
    if weights.shape != mask.array.shape:
        raise InputError(f"weights have shape {weights.shape}, but the mask has {mask.array.shape}")
    defined = np.isfinite(effects.effect)
    stays = mask.array[effects.node, effects.input]

    def part(chosen: NDArray[np.bool_]) -> tuple[Cavity, Floats]:
        some = Cavity(effects.node[chosen], effects.input[chosen], effects.effect[chosen])
        return some, np.abs(weights[some.node, some.input]).astype(np.float64)

    (kept, kept_size), (pruned, pruned_size) = part(stays & defined), part(~stays & defined)
    return CavitySplit(kept, pruned, kept_size, pruned_size)


def stored_cavity(observations: Arrays) -> Cavity | None:
    """The cavity in a level's observations; None for a run that did not measure it."""
    if "cavity_effect" not in observations:
        return None
    place = observations["cavity_place"].astype(np.int64)
    return Cavity(place[:, 0], place[:, 1], observations["cavity_effect"].astype(np.float64))


@dataclass(frozen=True, eq=False)
class _Moments:
    """E[a²], E[a⁴] of centred preactivations [K, 1], E[x^q] [n_in] and E[a^p x^q] [K, n_in] with centred inputs."""

    second: Floats
    fourth: Floats
    x2: Floats
    x4: Floats
    ax: Floats
    a3x: Floats
    a2x2: Floats
    ax3: Floats


def _joint_moments(v: Floats, inputs: NDArray[Any]) -> _Moments:
    mean = inputs.mean(axis=0, dtype=np.float64)
    second, fourth = np.zeros((len(v), 1)), np.zeros((len(v), 1))
    x2, x4 = np.zeros(v.shape[1]), np.zeros(v.shape[1])
    ax, a3x, a2x2, ax3 = (np.zeros(v.shape) for _ in range(4))
    for start in range(0, len(inputs), ROWS):
        x = inputs[start : start + ROWS] - mean
        a = v @ x.T
        a_squared, x_squared = a**2, x**2
        second += a_squared.sum(axis=1, keepdims=True)
        fourth += np.square(a_squared).sum(axis=1, keepdims=True)
        ax += a @ x
        a3x += (a * a_squared) @ x
        a2x2 += a_squared @ x_squared
        x2 += x_squared.sum(axis=0)
        x4 += np.einsum("ni,ni->i", x_squared, x_squared)
        ax3 += a @ np.multiply(x_squared, x, out=x)
    n = len(inputs)
    return _Moments(*(total / n for total in (second, fourth, x2, x4, ax, a3x, a2x2, ax3)))


def _masked(weights: Any, mask: Any, inputs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    mask, weights, inputs = Mask.of(mask), as_array(weights), _matrix(inputs, "inputs")
    if weights.shape != mask.array.shape:
        raise InputError(f"weights have shape {weights.shape}, but the mask has {mask.array.shape}")
    if inputs.shape[1] != mask.n_in:
        raise InputError(f"inputs must be [images, {mask.n_in}], got shape {inputs.shape}")
    return np.where(mask.array, weights, 0), inputs


def _matrix(values: Any, name: str) -> NDArray[Any]:
    values = as_array(values)
    if values.ndim != 2 or not len(values):
        raise InputError(
            f"{name} must be [images, entries] with at least one image, got shape {values.shape}"
        )
    return values if values.dtype == np.float32 else values.astype(np.float64)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
