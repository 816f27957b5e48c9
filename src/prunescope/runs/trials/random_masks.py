"""Random masks under which trials take times; the masks that a run will have are not known before it."""

from __future__ import annotations

import numpy as np

from prunescope.mask import Mask
from prunescope.model import Ticket


def random_ticket(sizes: tuple[int, ...], density: float) -> Ticket:
    """Return random masks of a density, all biases and output weights kept."""
    dense = Ticket.dense(sizes)
    if density == 1:
        return dense
    rng = np.random.Generator(np.random.Philox(key=0))
    masks = []
    for mask in dense.masks:
        kept = rng.random(mask.array.shape) < density
        kept[0, 0] = True  # Small layers must not end up empty.
        masks.append(Mask(kept))
    return Ticket(tuple(masks), dense.biases)
