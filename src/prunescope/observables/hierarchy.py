"""Tracing of the nodes that feed a given node, layer by layer down to the inputs (paper, Figs. 15 and 16b)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import flag, listed, whole
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables.arrays import as_array
from prunescope.observables.connectivity import effective_masks

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tier:
    """The nodes of one layer that feed a traced node, and their E connections into the tier above.

    layer: 1 for the first hidden layer.
    nodes: int64 [K], the strongest first, ties by lower index.
    strength: float64 [K], the sum over the paths to the traced node of Π|w|; 1 for the traced node itself.
    effective: [K, n0], the inputs that reach each node: bool, or with count=True the number of paths.
    parents, children: int64 [E], the nodes that each connection joins, in the tier above and in this one.
    weights: float64 [E], the signed weights of the connections. All three are empty in the top tier.
    """

    layer: int
    nodes: NDArray[np.int64]
    strength: Floats
    effective: NDArray[Any]
    parents: NDArray[np.int64]
    children: NDArray[np.int64]
    weights: Floats


def hierarchy(  # noqa: PLR0913  (public since 0.1.0)
    masks: Sequence[Any],
    weights: Sequence[Any],
    layer: int,
    node: int,
    *,
    top: int | None = None,
    count: bool = False,
) -> tuple[Tier, ...]:
    """Trace the nodes that feed ``node`` of ``layer`` along kept weights, from its own layer down to the first.

    masks, weights: of layers 1 … layer at least, each [n_l, n_(l-1)]; layer: 1 for the first hidden layer; node:
    counted from 0; top: the largest number of nodes per tier, of which the strongest are kept and traced further,
    default all. Nodes that no input reaches have a constant output and are left out. ``count`` is that of
    ``effective_masks``. Returns one Tier per layer, the top one first. Raises InputError for a layer or node that
    does not exist, weights of another shape, top < 1 and strengths beyond float64. docs/science.md, "Hierarchy and effective masks".
    """
    layers = [Mask.of(mask) for mask in listed("masks", masks, "a list of masks, from the first layer up")]
    weights = listed("weights", weights, "a list of arrays, from the first layer up")
    layer, node, count = whole("layer", layer), whole("node", node), flag("count", count)
    top = None if top is None else whole("top", top, 1)
    _check(layers, weights, layer, node)
    effective = effective_masks(layers[:layer], count=count)
    none, no_weights = np.zeros(0, np.int64), np.zeros(0)
    nodes, strength = np.array([node], np.int64), np.ones(1)
    tiers = [Tier(layer, nodes, strength, effective[layer - 1][nodes], none, none, no_weights)]
    for below in range(layer - 1, 0, -1):
        kept = np.where(layers[below].array[nodes], as_array(weights[below], "weights")[nodes], 0).astype(
            np.float64
        )
        joined = layers[below].array[nodes] & effective[below - 1].any(axis=1)
        lower = np.flatnonzero(joined.any(axis=0))
        reach = _strengths(strength, np.abs(kept), below)[lower]
        order = np.argsort(-reach, kind="stable")[:top]
        lower, reach = lower[order], reach[order]
        target, source = np.nonzero(joined[:, lower])
        edges = nodes[target], lower[source], kept[:, lower][target, source]
        nodes, strength = lower, reach
        tiers.append(Tier(below, nodes, strength, effective[below - 1][nodes], *edges))
    return tuple(tiers)


def _strengths(strength: Floats, sizes: Floats, layer: int) -> Floats:
    """Return the strengths of all nodes of a layer from those of the tier above and the sizes of its weights."""
    with np.errstate(over="ignore", invalid="ignore"):
        reach = strength @ sizes
        vanished = (reach == 0) & (sizes > 0).any(axis=0) & (strength > 0).all()
    if not np.isfinite(reach).all() or vanished.any():
        raise InputError(
            f"the strengths of the paths to layer {layer}, products of weights, are not finite or too small for float64"
        )
    return np.asarray(reach)


def _check(layers: list[Mask], weights: Sequence[Any], layer: int, node: int) -> None:
    if not 1 <= layer <= len(layers):
        raise InputError(f"no layer {layer}; hidden layers are 1 to {len(layers)}")
    if len(weights) < layer:
        raise InputError(f"layer {layer} needs the weights of {layer} layers, got {len(weights)}")
    for number, mask in enumerate(layers[:layer], 1):
        shape = as_array(weights[number - 1], "weights").shape
        if shape != mask.array.shape:
            raise InputError(f"weights of layer {number} have shape {shape}, its mask has {mask.array.shape}")
    if not 0 <= node < layers[layer - 1].n_out:
        raise InputError(f"no node {node}; layer {layer} has nodes 0 to {layers[layer - 1].n_out - 1}")
