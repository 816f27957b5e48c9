"""What is measured of any mask, whatever its inputs are: no number here knows where an input lies."""

from __future__ import annotations

from prunescope.mask import Mask
from prunescope.observables.bipartite import clustering_scalars
from prunescope.observables.group_patterns import pattern_scalars
from prunescope.observables.margins import margin_scalars
from prunescope.observables.measure import Scalar
from prunescope.observables.pattern_names import satisfied_patterns


def unstructured_scalars(mask: Mask, positions: int = 1) -> dict[str, Scalar]:
    """Return every scalar of a mask [n_out, n_in] that needs no geometry, with its null, by name.

    positions: of the kernel of a convolution, whose mask is [n_out, channels · positions]; groups and blocks are then of
    consecutive channels at one position. The names are those of UNSTRUCTURED, in their order; what is not defined is nan.
    docs/science.md, "Masks without geometry".
    """
    patterns = pattern_scalars(channels_last(mask, positions))
    return margin_scalars(mask) | patterns | clustering_scalars(mask)


def named_patterns(mask: Mask, positions: int = 1) -> tuple[str, ...]:
    """Return the names of the patterns that a mask has everywhere, as "2:4 along inputs" and "blocks 8x8".

    mask, positions: as for ``unstructured_scalars``. docs/science.md, "Groups and blocks".
    """
    return satisfied_patterns(channels_last(mask, positions))


def channels_last(mask: Mask, positions: int) -> Mask:
    """Return a mask [n_out, channels · positions] as [n_out, positions · channels]."""
    if positions == 1:
        return mask
    array = mask.array.reshape(mask.n_out, -1, positions).transpose(0, 2, 1)
    return Mask.owning(array.reshape(mask.n_out, mask.n_in))
