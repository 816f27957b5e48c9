"""Functions that measure the accuracy left when first-layer nodes are removed (paper, Fig. 1c)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunescope.arguments import callable_of, generator_of, indices, wholes
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables.locality import fan_ins

ORDERS = ("decreasing", "increasing", "random")


def ablation_order(
    fan_in: ArrayLike, order: str, rng: np.random.Generator | None = None
) -> NDArray[np.int64]:
    """Return the indices of the nodes in the order of their removal, int64 [n_out].

    fan_in: int [n_out]; order: "decreasing" or "increasing" fan-in, ties by lower index, or "random", which
    needs ``rng``. Raises InputError for another order, and for "random" without ``rng``. docs/science.md, "Ablation".
    """
    connections = fan_ins(fan_in)
    rng = None if rng is None else generator_of("rng", rng)
    if order == "decreasing":
        return np.argsort(-connections, kind="stable").astype(np.int64)
    if order == "increasing":
        return np.argsort(connections, kind="stable").astype(np.int64)
    if order != "random":
        raise InputError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    if rng is None:
        raise InputError("order 'random' needs a random generator, got none")
    return rng.permutation(connections.size).astype(np.int64)


def remove_nodes(mask: Any, nodes: ArrayLike) -> Mask:
    """Return the mask with the rows of these nodes set to 0, which is how the paper removes nodes.

    mask: [n_out, n_in]; nodes: int indices. Raises InputError for an index outside 0 … n_out - 1. Paper, Section 4.
    """
    mask = Mask.of(mask)
    rows = indices("nodes", nodes, mask.n_out)
    array = mask.array.copy()
    array[rows] = False
    return Mask(array)


def ablation_curve(
    accuracy: Callable[[Mask], float],
    mask: Any,
    counts: Iterable[int],
    order: str,
    rng: np.random.Generator | None = None,
) -> list[tuple[int, float]]:
    """Measure the accuracy with the first nodes of an order removed, without further training.

    accuracy: a function that returns the network's accuracy under a first-layer mask; mask: [n_out, n_in]; counts:
    how many nodes to remove; order, rng: as for ``ablation_order``. Returns (removed, accuracy) for each count.
    Raises InputError for a count outside 0 … n_out. Paper, Fig. 1c; docs/science.md, "Ablation".
    """
    mask, accuracy = Mask.of(mask), callable_of("accuracy", accuracy)
    removal = ablation_order(mask.fan_in, order, rng)
    counts = wholes("counts", counts)
    for count in counts:
        if not 0 <= count <= mask.n_out:
            raise InputError(f"removed nodes must be 0 … {mask.n_out}, got {count}")
    return [(count, float(accuracy(remove_nodes(mask, removal[:count])))) for count in counts]
