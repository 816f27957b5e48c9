"""Functions of the number of connections of each node and each input, and of their values under random pruning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import flag, generator_of, listed, share, whole
from prunescope.errors import InputError
from prunescope.mask import BoolArray, ImageShape, Mask
from prunescope.memory import check_memory
from prunescope.observables.arrays import as_array

# Paths are counted in float64, which does not hold every integer beyond this one.
LARGEST_PATH_COUNT = 2**53
# About so many random positions are in memory at once, so that they stay in a second-level cache.
DRAWN_AT_ONCE = 1 << 16


def fan_in(mask: Any) -> NDArray[np.int64]:
    """Count the kept incoming weights of each node, C_in.

    mask: anything ``Mask.of`` takes, [n_out, n_in]. Returns int64 [n_out]. Paper, Section 3.
    """
    return Mask.of(mask).fan_in


def fan_out(mask: Any) -> NDArray[np.int64]:
    """Count the kept outgoing weights of each input, which is C_out of the layer below.

    mask: [n_out, n_in]. Returns int64 [n_in]. Paper, Section 3.
    """
    return Mask.of(mask).fan_out


def fan_out_image(mask: Any, shape: ImageShape) -> NDArray[np.int64]:
    """Count how many nodes keep each pixel, C_out,0, as an image.

    mask: first layer, [n_out, C·H·W]; shape: (C, H, W). Returns int64 [C, H, W]. Raises
    InputError unless C·H·W = n_in. Paper, Fig. 10.
    """
    return Mask.of(mask).images(shape).sum(axis=0, dtype=np.int64)


def fan_in_variance_ratio(mask: Any) -> float:
    """Return the variance of the fan-in divided by that of random pruning at the same density u, n_in·u·(1-u).

    mask: [n_out, n_in]. The variance is that of the population of all nodes, including those without connections.
    Random pruning gives about 1; an empty or a dense mask gives nan. Paper, Section 4; docs/science.md,
    "Fan-in and fan-out".
    """
    mask = Mask.of(mask)
    return variance_ratio(mask.fan_in, mask.n_in)


def variance_ratio(connections: NDArray[np.int64], n_in: int) -> float:
    """Return the ``fan_in_variance_ratio`` of fan-ins [n_out] out of n_in inputs."""
    u = float(connections.mean()) / n_in
    binomial = n_in * u * (1 - u)
    return float(connections.var()) / binomial if binomial > 0 else float("nan")


def fan_in_excess(mask: Any) -> float:
    """Estimate the relative standard deviation over nodes of the probability with which a node keeps a connection.

    mask: [n_out, n_in]. If node j keeps each connection with its own probability p_j, the fan-in's variance exceeds
    the binomial one by n_in·(n_in-1)·var p, and the value returned is sd p / mean p. It is 0 under random pruning and
    does not depend on n_in, whereas ``fan_in_variance_ratio`` grows with n_in for the same p_j. It is also 0 when the
    variance is less than binomial, and nan for an empty mask or a single input. docs/science.md, "Fan-in and fan-out".
    """
    mask = Mask.of(mask)
    return excess(variance_ratio(mask.fan_in, mask.n_in), mask.n_in, mask.density)


def excess(ratio: float, n_in: float, u: float) -> float:
    """Return the ``fan_in_excess`` of a mask with this ``fan_in_variance_ratio``, number of inputs and density u."""
    if not 0 < u <= 1 or n_in <= 1:
        return float("nan")
    return math.sqrt(max(0.0, (ratio - 1) * (1 - u) / ((n_in - 1) * u))) if u < 1 else 0.0


def binomial_fan_in(n_in: int, u: float) -> NDArray[np.float64]:
    """Return the distribution of the fan-in under random pruning, the binomial one.

    n_in: number of inputs; u: density in [0, 1]. Returns the probabilities of 0 … n_in connections,
    float64 [n_in + 1]. Raises InputError for other u. Paper, Fig. 1b, dashed lines.
    """
    n_in, u = whole("n_in", n_in), share("density", u)
    check_memory(32 * n_in, f"the distribution over 0 to {n_in} connections")
    from scipy.special import gammaln, xlog1py, xlogy  # scipy.stats would cost a second to import

    k = np.arange(n_in + 1)
    chosen = gammaln(n_in + 1) - gammaln(k + 1) - gammaln(n_in - k + 1)
    return np.asarray(np.exp(chosen + xlogy(k, u) + xlog1py(n_in - k, -u)), dtype=np.float64)


def effective_masks(masks: Sequence[Any], *, count: bool = False) -> list[NDArray[Any]]:
    """Find the inputs that reach each node of each layer along kept weights.

    masks: of layers 1 … l, each [n_l, n_(l-1)]. Returns one array per layer, [n_l, n_0]: bool, True
    where any path exists, or with count=True the number of paths, int64. Raises InputError
    when the layers do not fit each other or a count reaches 2^53. Paper, Section 4 and Fig. 12; docs/science.md,
    "Hierarchy and effective masks".
    """
    layers = [Mask.of(mask) for mask in listed("masks", masks, "a list of masks, from the first layer up")]
    count = flag("count", count)
    result: list[NDArray[Any]] = []
    for number, layer in enumerate(layers, start=1):
        if not result:
            result.append(layer.array.astype(np.int64) if count else layer.array)
            continue
        below = result[-1]
        if layer.n_in != below.shape[0]:
            raise InputError(
                f"mask of layer {number} has {layer.n_in} inputs, but layer {number - 1} has "
                f"{below.shape[0]} nodes: give the masks from the first layer up"
            )
        if count:
            paths = layer.array.astype(np.float64) @ below.astype(np.float64)
            if paths.max() >= LARGEST_PATH_COUNT:
                raise InputError(f"path counts of layer {number} exceed 2^53: ask for the mask alone")
            result.append(paths.astype(np.int64))
        else:
            result.append(layer.array.astype(np.float32) @ below.astype(np.float32) > 0)
    return result


def shuffle_at_fan_in(mask: Any, rng: np.random.Generator) -> Mask:
    """Draw a random mask in which each node keeps its number of connections, at uniform positions.

    mask: [n_out, n_in]. Such masks are the null of the locality observables (docs/science.md, "Shuffled masks").
    """
    mask, rng = Mask.of(mask), generator_of("rng", rng)
    # For rows with more than half of the inputs, the lost inputs are drawn, so that fewer draws collide.
    connections = mask.fan_in
    dense = connections > mask.n_in // 2
    wanted = np.where(dense, mask.n_in - connections, connections)
    drawn: BoolArray = np.zeros((mask.n_out, mask.n_in), dtype=np.bool_)
    places, count = drawn.reshape(-1), np.min_scalar_type(mask.n_in)
    rows = np.arange(mask.n_out)
    missing = wanted
    # Draws that collide are repeated; all positions are treated alike, so every set of inputs is equally likely.
    while (short := missing > 0).any():
        rows, missing = rows[short], missing[short]
        # Drawing in parts takes little memory, and gives the same numbers as drawing all at once.
        part = (np.cumsum(missing) - 1) // DRAWN_AT_ONCE
        for first, end in pairwise([0, *(np.flatnonzero(np.diff(part)) + 1), len(part)]):
            ends = np.cumsum(missing[first:end])
            place = np.zeros(ends[-1], np.int64)
            # np.repeat would do the same, but other threads would have to wait for it.
            place[ends - missing[first:end]] = np.diff(rows[first:end] * mask.n_in, prepend=0)
            np.cumsum(place, out=place)
            place += rng.integers(mask.n_in, size=place.size)
            places[place] = True
        # A sum of bytes is several times faster than a count of each row.
        few = drawn if 2 * len(rows) > len(drawn) else drawn[rows]
        kept = few.view(np.uint8).sum(axis=1, dtype=count)
        missing = wanted[rows] - (kept[rows] if few is drawn else kept)
    drawn[dense] = ~drawn[dense]
    return Mask.owning(drawn)


def scaled_participation(weights: Any, mask: Any) -> NDArray[np.float64]:
    """Return the inverse participation ratio of each node's kept weights times its fan-in, C_in·Σw⁴/(Σw²)².

    weights, mask: [n_out, n_in]. Returns float64 [n_out]: 1 when all weights of a node are equally
    strong, C_in when a single one is not zero, nan for a node without weights or with one that is not finite. The factor C_in is there because the
    ratio alone grows with any loss of connections. Raises InputError when the two shapes differ. docs/science.md,
    "Scalars".
    """
    mask = Mask.of(mask)
    weights = as_array(weights, "weights")
    if weights.shape != mask.array.shape:
        raise InputError(f"weights have shape {weights.shape}, but the mask has {mask.array.shape}")
    return participation(weights[mask.array].astype(np.float64), mask.fan_in)


def participation(kept: NDArray[np.float64], connections: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the ``scaled_participation`` from kept weights [Σ C_j], node after node, and fan-ins C_j [n_out]."""
    result = np.full(connections.size, np.nan)
    alive = connections > 0
    if not alive.any():
        return result
    count = connections[alive]
    starts = np.cumsum(count) - count
    # The ratio does not depend on scale, but unscaled squares of very small weights would underflow.
    largest = np.maximum.reduceat(np.abs(kept), starts)
    with np.errstate(invalid="ignore"):  # inf / inf
        square = (kept / np.repeat(np.where(largest > 0, largest, 1), count)) ** 2
    second, fourth = np.add.reduceat(square, starts), np.add.reduceat(square**2, starts)
    result[alive] = np.where(second > 0, count * fourth / np.where(second > 0, second, 1) ** 2, np.nan)
    return result
