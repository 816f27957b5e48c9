"""The excess kurtosis of preactivations, and how it changes when a single weight is removed (Redman et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import generator_of, indices, instance
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.model import Arrays
from prunescope.observables.arrays import as_array, in_range

Floats = NDArray[np.float64]

SHUFFLED_ROWS = 64  # number of rows that are shuffled at once, so that they stay in a second-level cache
ROWS = 500  # number of images whose powers are in memory at once
# Powers of two up to which weights and inputs are as they are: their products are then far from the limits of float32.
SAFE = 30
SAFE_SAMPLES = 150  # the same for preactivations, whose fourth powers are summed in float64
FLAT = 1e-6  # share of the largest possible sum of contributions below which a spread is rounding
# The same for a spread that comes from moments: its fourth power then keeps 4 of the 16 digits of float64.
CANCELLED = 1e-3


def excess_kurtosis(samples: Any) -> Floats:
    """Return the excess kurtosis of each column, E[(a - E a)⁴] / (E[(a - E a)²])² - 3.

    samples: [images, K]. Returns float64 [K], 0 for a Gaussian and nan for a column without spread or with nan or inf. This is the plain
    moment estimator, whose bias for a Gaussian is -6 over the number of images. Raises InputError for another shape
    or no image. docs/science.md, "Kurtosis".
    """
    samples = in_range(_matrix(samples, "samples"), SAFE_SAMPLES, axis=0)
    with np.errstate(invalid="ignore"):  # nan and inf give nan
        centred = samples - samples.mean(axis=0, dtype=np.float64)
        square = np.square(centred, out=centred)
        second, fourth = square.mean(axis=0), np.einsum("nk,nk->k", square, square) / len(samples)
        alive = np.sqrt(second) > FLAT * np.abs(samples).max(axis=0)
        return np.asarray(np.where(alive, fourth / np.where(alive, second, 1) ** 2 - 3, np.nan))


def preactivation_kurtosis(weights: Any, mask: Any, inputs: Any) -> Floats:
    """Return the excess kurtosis of each node's preactivation a = Σ_i m_i w_i x_i over images.

    weights, mask: [n_out, n_in]; inputs: [images, n_in], what the weights multiply (x̂, with γ in it or in
    the weights; constants, such as biases, change nothing). Returns float64 [n_out], nan for a node whose
    preactivation does not vary. Raises InputError for shapes that do not fit. Redman et al. 2024; docs/science.md,
    "Kurtosis".
    """
    masked, inputs = operands(weights, mask, inputs)
    return kurtosis_of(masked, inputs)


def shuffled_kurtosis(weights: Any, mask: Any, inputs: Any, rng: np.random.Generator) -> Floats:
    """Return the null of ``preactivation_kurtosis``, for which each node's weights are moved to random positions.

    The fan-in and the values of a node's weights stay the same. Arguments, result and errors are those of
    ``preactivation_kurtosis``; ``rng`` draws the positions.
    """
    masked, inputs = operands(weights, mask, inputs)
    return kurtosis_of(shuffled_rows(masked, generator_of("rng", rng)), inputs)


def kurtosis_of(masked: NDArray[Any], inputs: NDArray[Any]) -> Floats:
    """Return the ``preactivation_kurtosis`` of what ``operands`` returned."""
    with np.errstate(invalid="ignore"):
        return excess_kurtosis(inputs @ masked.T.astype(inputs.dtype))


def shuffled_rows(values: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Return an array [n, m] with the entries of each row in a random order of its own."""
    return ordered_rows(values, random_keys(values.shape, rng))


def random_keys(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw a number for each entry, int32; entries sorted by theirs are in random order."""
    bits = np.iinfo(np.int32)
    return rng.integers(bits.min, bits.max, size=shape, dtype=np.int32, endpoint=True)


def ordered_rows(values: NDArray[Any], keys: NDArray[np.int32]) -> NDArray[Any]:
    """Return an array [n, m] with the entries of each row sorted by ``keys`` [n, m].

    Of float32 the bits of a value are the lower half of the number that is sorted, which spares a search for the order
    and takes two thirds of the time of exchanging entries at random. So equal keys, one pair in 2^32, are in the order
    of their values; of other types they are in the order in which they stand.
    """
    if values.dtype != np.float32:
        return np.take_along_axis(values, np.argsort(keys, axis=1, kind="stable"), axis=1)
    ordered = np.empty(values.shape, np.float32)
    for start in range(0, len(values), SHUFFLED_ROWS):
        rows = slice(start, start + SHUFFLED_ROWS)
        pairs = keys[rows].astype(np.int64)
        pairs <<= 32
        pairs |= values[rows].view(np.uint32)
        pairs.sort(axis=1)
        ordered[rows] = pairs.astype(np.uint32).view(np.float32)
    return ordered


@dataclass(frozen=True, eq=False)
class Cavity:
    """The effects of M single weights on the excess kurtosis of their nodes' preactivations.

    ``node`` and ``input``, int64 [M], are the places of the weights in [n_out, n_in]. ``effect``, float64 [M], is the
    excess kurtosis without the weight minus that with all weights. For a node of positive excess kurtosis it is
    negative where the weight makes the node less Gaussian. It is nan where either kurtosis is not defined: for the
    only weight of a node, and where contributions cancel to a thousandth of what they could sum to.
    """

    node: NDArray[np.int64]
    input: NDArray[np.int64]
    effect: Floats


def cavity(weights: Any, mask: Any, inputs: Any, *, nodes: Any = None) -> Cavity:
    """Compute how the excess kurtosis of its node changes when each kept weight is removed alone.

    weights, mask: [n_out, n_in]; inputs: [images, n_in] as in ``preactivation_kurtosis``; nodes: indices, default
    all. Weights are listed node after node, inputs ascending. The moments of a - v x for every weight v follow
    from E[a^p x^q], so weights need not be removed one by one. Raises InputError for shapes that do not fit.
    Redman et al. 2024 ("cavity method"); docs/science.md, "Cavity".
    """
    masked, inputs = operands(weights, mask, inputs)
    chosen = np.arange(len(masked)) if nodes is None else indices("nodes", nodes, len(masked))
    v = masked[chosen].astype(np.float64)
    return cavity_of(joint_moments(v, inputs), v, chosen, Mask.of(mask))


def cavity_of(moments: JointMoments, v: Floats, chosen: NDArray[np.int64], mask: Mask) -> Cavity:
    """Return the ``cavity`` of the nodes ``chosen`` [K] with the weights ``v`` [K, n_in], from their moments."""
    with np.errstate(invalid="ignore"):
        before = moments.second, moments.fourth
        change2 = -2 * v * moments.ax + v**2 * moments.x2
        change4 = v * (-4 * moments.a3x + v * (6 * moments.a2x2 + v * (-4 * moments.ax3 + v * moments.x4)))
    # This form does not subtract two nearly equal kurtoses; small weights change only the ninth digit.
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = change2 / before[0]
        effect = (change4 / before[0] ** 2 - before[1] / before[0] ** 2 * (2 * relative + relative**2)) / (
            1 + relative
        ) ** 2
        possible = np.abs(v) @ np.sqrt(moments.x2)
        flat = np.minimum(before[0], before[0] + change2) <= (CANCELLED * possible[:, np.newaxis]) ** 2
    effect = np.where(flat, np.nan, effect)
    row, column = np.nonzero(mask.array[chosen])
    return Cavity(chosen[row], column, effect[row, column])


@dataclass(frozen=True, eq=False)
class CavitySplit:
    """The cavity effects of a level's weights, divided into weights that the next pruning keeps and that it removes.

    ``kept`` and ``pruned`` are cavities; ``kept_size`` and ``pruned_size``, float64, are the absolute values of their
    weights, because effects grow with the size of a weight.
    """

    kept: Cavity
    pruned: Cavity
    kept_size: Floats
    pruned_size: Floats

    @property
    def contrast(self) -> float:
        """The mean effect of the kept weights minus that of the pruned ones; nan when there are none of either."""
        return _mean(self.kept.effect) - _mean(self.pruned.effect)

    def near_threshold(self, factor: float = 1.25) -> float:
        """Return the contrast among weights of similar size: pruned ones above t/factor and kept ones below t·factor.

        t is the largest pruned size, which under magnitude pruning is the threshold. nan when there are none of either.
        """
        threshold = self.pruned_size.max(initial=0.0)
        kept = self.kept.effect[self.kept_size < threshold * factor]
        return _mean(kept) - _mean(self.pruned.effect[self.pruned_size > threshold / factor])

    def lowering(self) -> tuple[float, float]:
        """Return the shares of the kept and of the pruned weights whose removal lowers the kurtosis."""
        return _mean(self.kept.effect < 0.0), _mean(self.pruned.effect < 0.0)


def split_cavity(effects: Cavity, weights: Any, next_mask: Any) -> CavitySplit:
    """Divide the effects of a level's trained weights by the mask that the next pruning leaves.

    effects: of the weights kept at the level; weights: trained at that level, [n_out, n_in]; next_mask: that of
    the next level, [n_out, n_in]. Effects that are not defined are left out. Raises InputError when the two shapes
    differ. docs/science.md, "Cavity".
    """
    instance("effects", effects, Cavity, "what cavity() returns")
    weights, mask = as_array(weights, "weights"), Mask.of(next_mask)
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
    """Return the cavity stored in a level's observations; None for a run that did not measure it."""
    instance("observations", observations, dict, "what Run.observations() returns")
    if "cavity_effect" not in observations:
        return None
    place = observations["cavity_place"].astype(np.int64)
    return Cavity(place[:, 0], place[:, 1], observations["cavity_effect"].astype(np.float64))


@dataclass(frozen=True, eq=False)
class JointMoments:
    """The moments E[a²], E[a⁴] [K, 1], E[x^q] [n_in] and E[a^p x^q] [K, n_in] of centred preactivations and inputs."""

    second: Floats
    fourth: Floats
    x2: Floats
    x4: Floats
    ax: Floats
    a3x: Floats
    a2x2: Floats
    ax3: Floats


@np.errstate(invalid="ignore")  # nan and inf give nan
def joint_moments(v: Floats, inputs: NDArray[Any]) -> JointMoments:
    """Return the moments of the inputs and of the preactivations of nodes with the weights ``v`` [K, n_in]."""
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
    return JointMoments(*(total / n for total in (second, fourth, x2, x4, ax, a3x, a2x2, ax3)))


def operands(weights: Any, mask: Any, inputs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return w ⊙ m and the inputs, both scaled by powers of two so that no power of them overflows.

    Raises InputError for shapes that do not fit.
    """
    mask, weights, inputs = Mask.of(mask), as_array(weights, "weights"), _matrix(inputs, "inputs")
    if weights.shape != mask.array.shape:
        raise InputError(f"weights have shape {weights.shape}, but the mask has {mask.array.shape}")
    if inputs.shape[1] != mask.n_in:
        raise InputError(f"inputs must be [images, {mask.n_in}], got shape {inputs.shape}")
    masked = np.where(mask.array, weights, 0)
    if masked.dtype.kind != "f":
        masked = masked.astype(np.float64)
    # No kurtosis and no effect depends on the scale of a node's weights or of the inputs.
    return in_range(masked, SAFE, axis=1), in_range(inputs, SAFE)


def _matrix(values: Any, name: str) -> NDArray[Any]:
    values = as_array(values, name)
    if values.ndim != 2 or not len(values):
        raise InputError(
            f"{name} must be [images, entries] with at least one image, got shape {values.shape}"
        )
    return values if values.dtype == np.float32 else values.astype(np.float64)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
