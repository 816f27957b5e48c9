"""What a mask shows of itself in a notebook."""

from __future__ import annotations

import numpy as np

from prunescope.mask import ImageShape, Mask
from prunescope.notebook.markup import card, heading, line, picture, text
from prunescope.notebook.pictures import matrix_uri, node_uri

NODES = 8
TILE = 64  # pixels


def mask_html(mask: Mask) -> str:
    """Return a mask as HTML: its numbers, and a picture of all of it."""
    uri, brightest, width = matrix_uri(mask)
    white = "white is kept" if brightest == 1 else f"white is {100 * brightest:.3g} % kept"
    fan_in, fan_out = mask.fan_in, mask.fan_out
    size = f"{mask.n_out:,} units × {mask.n_in:,} inputs"
    return card(
        [
            heading("Mask", f"{size}: {mask.kept:,} kept, density {100 * mask.density:.3g} %"),
            line(text(f"fan-in {_range(fan_in)}; {np.count_nonzero(fan_in == 0):,} units without")),
            line(text(f"fan-out {_range(fan_out)}; {np.count_nonzero(fan_out == 0):,} inputs that nothing reads")),
            picture(uri, width, f"units down, inputs across; {white}"),
        ]
    )  # fmt: skip


def nodes_html(mask: Mask, shape: ImageShape) -> str:
    """Return the masks of the most connected nodes of a first layer as pictures, each over its number of connections."""
    from prunescope.observables.receptive_fields import most_connected

    fan_in = mask.fan_in
    return "".join(
        picture(node_uri(mask.array[node], shape), TILE, f"C_in {fan_in[node]}")
        for node in most_connected(mask, NODES)
    )


def _range(counts: np.ndarray) -> str:
    return f"{counts.mean():.3g} on average, {counts.min():,} to {counts.max():,}"
