"""How much the masks or weights of different nodes are shifted copies of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import one_of, whole
from prunescope.errors import InputError
from prunescope.mask import BoolArray, ImageShape, Mask, image_shape
from prunescope.observables.arrays import as_array, in_range
from prunescope.observables.blobs import fit_blobs
from prunescope.observables.connectivity import shuffle_at_fan_in
from prunescope.observables.measure import Scalar
from prunescope.observables.null_masks import SHUFFLES, null_generators
from prunescope.observables.receptive_fields import most_connected
from prunescope.observables.scalars import NEIGHBOURHOOD
from prunescope.observables.threads import in_order

Draw = Callable[[np.random.Generator], BoolArray]

# The most connected nodes that are compared, and the smallest fan-in of one.
MOST, FEWEST_INPUTS = 128, 5
# From the one that keeps least to those that keep most of a mask; the last keeps the mask itself and is for weights.
NULLS = ("shuffled", "round", "oriented")
PERMUTED = "permuted"
# Weights have this norm, so that a cosine is a whole number of 2^-20 and equal ones compare as equal.
NORM = 1024.0
# Up to so many inputs float32 holds a sum of products to less than half.
EXACT = 1 << 14


@dataclass(frozen=True, eq=False)
class Repetition:
    """How similar nodes are to nodes elsewhere, up to a shift (docs/science.md, "Repetition").

    ``nodes`` [K]: indices of the nodes compared, the most connected first. ``pairs`` float64 [K, K]: the similarity of
    two nodes at their best shift, 0 where that lies within the neighbourhood, and on the diagonal. ``images`` [K, C, H, W]:
    what was compared, masks as 0 and 1 or masked weights.
    """

    nodes: NDArray[np.int64]
    pairs: NDArray[np.float64]
    images: NDArray[np.float64]

    @property
    def best(self) -> NDArray[np.float64]:
        """The similarity of each node to the most similar one elsewhere, [K]."""
        return self.pairs.max(axis=1, initial=0.0)

    @property
    def value(self) -> float:
        """The repetition of the layer: the mean of ``best``; nan with fewer than two nodes, or where no shift is elsewhere."""
        reach = max(self.images.shape[2:]) - 1
        return float(self.best.mean()) if len(self.nodes) > 1 and reach > NEIGHBOURHOOD else float("nan")

    def shift(self, node: int, other: int) -> tuple[int, int]:
        """Return the shift (dy, dx) that moves one node onto another best; both are places in ``nodes``.

        Of equally good shifts it is the shortest.
        """
        similar = _correlations(_comparable(self.images[[node, other]]), 0)[0]
        rows, columns = similar.shape
        dy, dx = (np.fft.fftfreq(size, 1 / size).round().astype(int) for size in (rows, columns))
        best = np.argwhere(similar == similar.max())
        y, x = min(best, key=lambda at: (abs(dy[at[0]]) + abs(dx[at[1]]), *at))
        return int(dy[y]), int(dx[x])


def repetition(mask: Any, shape: ImageShape | str, *, weights: Any = None, most: int = MOST) -> Repetition:
    """Compare the most connected nodes of a layer with each other at all shifts that are not periodic.

    mask: [n_out, C·H·W]; shape: (C, H, W), of a series (C, 1, W); weights: [n_out, C·H·W], to compare masked weights in
    place of masks; most: the largest number of nodes, which need a fan-in of 5 or more. The similarity of two masks at
    a shift is the number of inputs that coincide over √(C_j C_k), that of weights their cosine with its sign. The value
    alone says little: it is the mean of a maximum, so that it has to be compared with ``repetition_null``. Raises
    InputError unless C·H·W = n_in, for weights of another shape or kept ones that are not finite, and for most < 0.
    docs/science.md, "Repetition".
    """
    mask, shape = Mask.of(mask), image_shape(shape)
    images, nodes = _chosen(mask, shape, most)
    values = images.astype(np.float64)
    if weights is not None:
        values = _kept_weights(mask, weights, nodes).reshape(images.shape)
    return Repetition(nodes, _pairs(values), values)


def repetition_null(  # noqa: PLR0913  (those of ``repetition`` beside the null and its draws)
    mask: Any,
    shape: ImageShape | str,
    null: str,
    *,
    weights: Any = None,
    draws: int = SHUFFLES,
    most: int = MOST,
) -> NDArray[np.float64]:
    """Return the similarity of each node to the most similar one elsewhere in random layers, [draws, K].

    null: what random masks keep beside the fan-in: "shuffled" nothing, "round" each node's centre, size and count in
    each channel, "oriented" its elongation and direction too, "permuted" the whole mask, which is for weights alone.
    In each of them a node's weights are at random places of its mask. The other arguments are those of ``repetition``.
    Random numbers are a function of the mask's content. A draw of 128 nodes takes about 0.6 s of one core for images of
    3x32x32 and 0.15 s for 3x16x16. Raises InputError for another null and for draws < 0, and where ``repetition`` does.
    docs/science.md, "Repetition" and "Blobs".
    """
    null, draws = one_of("null", null, nulls_of(weights)), whole("draws", draws)
    mask, shape = Mask.of(mask), image_shape(shape)
    images, nodes = _chosen(mask, shape, most)
    values = None if weights is None else _kept_weights(mask, weights, nodes)
    draw = _draws(images, null)

    def compare(rng: np.random.Generator) -> NDArray[np.float64]:
        drawn = draw(rng).reshape(len(nodes), -1)
        placed = drawn.astype(np.float64)
        if values is not None:
            for row, keep, own, weight in zip(
                placed, drawn, images.reshape(drawn.shape), values, strict=True
            ):
                row[keep] = rng.permutation(weight[own])
        return _pairs(placed.reshape(images.shape)).max(axis=1, initial=0.0)

    found = list(in_order(compare, null_generators(mask, f"repetition {null}", draws)))
    return np.array(found).reshape(draws, len(nodes))


def measure_repetition(
    mask: Any, shape: ImageShape | str, *, weights: Any = None, draws: int = SHUFFLES
) -> dict[str, Scalar]:
    """Return the repetition of a layer against each of its nulls, by the null's name.

    The arguments are those of ``repetition_null``, which is computed three times, and four times with weights.
    """
    value, nulls = repetition(mask, shape, weights=weights).value, nulls_of(weights)
    if not np.isfinite(value):
        return {null: Scalar() for null in nulls}
    return {
        null: Scalar.against(
            value, repetition_null(mask, shape, null, weights=weights, draws=draws).mean(axis=1).tolist()
        )
        for null in nulls
    }


def nulls_of(weights: Any) -> tuple[str, ...]:
    """Return the names of the nulls of masks, or of weights where there are any."""
    return NULLS if weights is None else (*NULLS, PERMUTED)


def _draws(images: BoolArray, null: str) -> Draw:
    """Return the function that draws the masks of a null, of the nodes with these masks, [K, C, H, W]."""
    if null == PERMUTED or not len(images):
        return lambda rng: images
    if null == "shuffled":
        rows = Mask.owning(images.reshape(len(images), -1).copy())
        return lambda rng: shuffle_at_fan_in(rows, rng).array
    return fit_blobs(images, oriented=null == "oriented").draw


def _chosen(mask: Mask, shape: ImageShape, most: int) -> tuple[BoolArray, NDArray[np.int64]]:
    """Return the masks [K, C, H, W] and the indices [K] of the nodes that are compared."""
    nodes = most_connected(mask, whole("most", most))
    nodes = nodes[mask.fan_in[nodes] >= FEWEST_INPUTS]
    return mask.images(shape)[nodes], nodes


def _kept_weights(mask: Mask, weights: Any, nodes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the masked weights of nodes, [K, n_in]; raises InputError for another shape and kept ones not finite."""
    weights = as_array(weights)
    if weights.shape != mask.array.shape:
        raise InputError(f"weights have shape {weights.shape}, but the mask has {mask.array.shape}")
    values = np.where(mask.array[nodes], weights[nodes], 0).astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError("kept weights hold nan or inf; their similarity needs finite weights")
    return in_range(values, 256, axis=1)


def _comparable(images: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
    """Return masks as they are and weights at a common norm, in a precision in which sums of products are exact enough."""
    if not (images.astype(np.bool_) == images).all():
        norm = np.sqrt(np.square(images).sum(axis=(1, 2, 3), keepdims=True))
        images = np.divide(images * NORM, norm, out=np.zeros_like(images), where=norm > 0)
    return images.astype(np.float32 if images[:1].size <= EXACT else np.float64)


def _pairs(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the similarities of all pairs of images [K, C, H, W] whose best shift is elsewhere; 0 for other pairs."""
    count = len(images)
    scaled = _comparable(images)
    square = np.square(scaled.astype(np.float64)).sum(axis=(1, 2, 3))
    square[square == 0] = 1.0
    pairs = np.zeros((count, count))
    spectra = _spectra(scaled)
    y, x = (
        np.arange(-min(NEIGHBOURHOOD, side - 1), min(NEIGHBOURHOOD, side - 1) + 1)
        for side in images.shape[2:]
    )
    for node in range(count - 1):
        similar = _correlations(scaled, node, spectra)
        near = similar[:, y[:, np.newaxis], x].max(axis=(1, 2))
        similar[:, y[:, np.newaxis], x] = -np.inf
        far = similar.max(axis=(1, 2))
        found = np.where((far > near) & (far > 0), far, 0) / np.sqrt(square[node] * square[node + 1 :])
        pairs[node, node + 1 :] = pairs[node + 1 :, node] = found
    return pairs


def _spectra(images: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Return the transforms of images [K, C, H, W], padded with zeros so that no shift is periodic."""
    from scipy.fft import rfft2

    return np.asarray(rfft2(images, s=_padded(images)))


def _padded(images: NDArray[Any]) -> tuple[int, int]:
    from scipy.fft import next_fast_len

    height, width = images.shape[2:]
    return next_fast_len(2 * height - 1, real=True), next_fast_len(2 * width - 1, real=True)


def _correlations(
    images: NDArray[np.floating[Any]], node: int, spectra: NDArray[Any] | None = None
) -> NDArray[np.floating[Any]]:
    """Return Σ_cyx a(c, y, x) b(c, y + dy, x + dx) as whole numbers, [later nodes, dy, dx], a being one node's image.

    Shifts are indexed periodically, so that dy = -1 is the last one.
    """
    from scipy.fft import irfft2

    spectra = _spectra(images) if spectra is None else spectra
    product = np.conj(spectra[node, 0]) * spectra[node + 1 :, 0]
    for channel in range(1, images.shape[1]):
        product += np.conj(spectra[node, channel]) * spectra[node + 1 :, channel]
    similar = irfft2(product, s=_padded(images), overwrite_x=True)
    return np.asarray(np.rint(similar, out=similar))
