"""Functions that count pairs of inputs separately for nodes of small and of large fan-in (paper, Fig. 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prunescope.arguments import whole
from prunescope.mask import ImageShape, Mask
from prunescope.observables.locality import Locality, locality


@dataclass(frozen=True, eq=False)
class FanInBin:
    """The nodes of fan-in ``low`` to ``high``, both included: their number ``nodes`` and their S(d), ``locality``."""

    low: int
    high: int
    nodes: int
    locality: Locality


def locality_by_fan_in(mask: Any, shape: ImageShape, width: int, *, bins: int = 8) -> list[FanInBin]:
    """Count the pairs of inputs S(d) of the nodes in each interval of fan-in.

    mask: [n_out, C·H·W]; shape: (C, H, W); width: connections per bin. The bins start at the smallest fan-in of a
    connected node; the last of at most ``bins`` bins covers all remaining nodes. Bins without nodes are
    returned too; a mask without connections has no bins. Raises InputError for width or bins < 1 and unless
    C·H·W = n_in. Paper, Fig. 11; docs/science.md, "Locality".
    """
    width, bins = whole("width", width, 1), whole("bins", bins, 1)
    mask = Mask.of(mask)
    mask.images(shape)  # raises for a shape that does not fit, even when no node is connected
    fan_in = mask.fan_in
    connected = fan_in[fan_in > 0]
    if connected.size == 0:
        return []
    smallest, largest = int(connected.min()), int(connected.max())
    result = []
    for number in range(min(bins, (largest - smallest) // width + 1)):
        low = smallest + number * width
        high = largest if number == bins - 1 else min(low + width - 1, largest)
        chosen = (fan_in >= low) & (fan_in <= high)
        result.append(FanInBin(low, high, int(chosen.sum()), locality(mask, shape, nodes=chosen)))
    return result
