"""What is measured of projections of attention: heads, and the parts q, k and v of packed projections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunescope.layers.fitted import Arrays
from prunescope.layers.heads import AttentionShape
from prunescope.layers.kinds import LayerMask
from prunescope.mask import Mask
from prunescope.observables.group_spread import (
    dead_groups,
    dealt_scalar,
    spread_scalar,
    spread_within_scalar,
)
from prunescope.observables.measure import Scalar

Counts = NDArray[np.int64]


def attention_fit(layer: LayerMask) -> tuple[dict[str, Scalar], Arrays]:
    """Return the scalars of a projection of attention, and what figures draw of it.

    Arrays: ``heads`` float, the density of each head, those of q before those of k and v; ``parts`` float [parts], the
    density of each part of a packed projection.
    """
    shape = layer.form.attention
    if shape is None:
        return {}, {}
    in_columns = shape.part == "out"
    lines = layer.mask.fan_out if in_columns else layer.mask.fan_in
    across = layer.mask.n_out if in_columns else layer.mask.n_in
    scalars: dict[str, Scalar] = {}
    arrays: Arrays = {}
    if shape.heads:
        lines = _by_part(lines, shape)
        scalars |= _head_scalars(layer.mask, lines, shape)
        arrays["heads"] = lines.reshape(-1, shape.size).sum(axis=1) / (shape.size * across)
    if len(shape.parts) > 1:
        ends = np.cumsum(shape.parts)[:-1]
        kept = np.array([part.sum() for part in np.split(lines, ends)])
        arrays["parts"] = kept / (np.array(shape.parts) * across)
        if len(set(shape.parts)) == 1:
            scalars["part_ratio"] = spread_scalar(kept[np.newaxis], shape.parts[0] * across)
    return scalars, arrays


def _head_scalars(mask: Mask, lines: Counts, shape: AttentionShape) -> dict[str, Scalar]:
    """Return the scalars over heads; the heads of each part of a packed projection are compared with each other."""
    if max(shape.heads) < 2:
        return {}
    if len(set(shape.heads)) > 1:  # grouped heads of keys and values beside those of queries: queries alone
        lines, heads = lines[: shape.parts[0]], shape.heads[:1]
    else:
        heads = shape.heads
    grouped = lines.reshape(len(heads), heads[0], shape.size)
    counts = grouped.sum(axis=2)
    slots = shape.size * (mask.n_out if shape.part == "out" else mask.n_in)
    return {
        "head_ratio": spread_within_scalar(counts, slots),
        "head_ratio_given_lines": dealt_scalar(grouped),
        "dead_heads": dead_groups(counts, slots),
    }


def _by_part(lines: Counts, shape: AttentionShape) -> Counts:
    """Return the lines of a projection, all of q before those of k and v."""
    if not shape.interleaved:
        return lines
    grouped = lines.reshape(shape.heads[0], len(shape.heads), shape.size)
    return grouped.transpose(1, 0, 2).ravel()
