"""Measure what it costs to compute locality over all displacements, and fan-in, of a first-layer mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from prunescope.bench.problem import random_mask
from prunescope.bench.sizes import Sizes
from prunescope.bench.timing import Turn, alternate, seconds_of, turn_of
from prunescope.mask import Mask
from prunescope.observables import fan_in, locality


def measure_observables(sizes: Sizes, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return rows {name, u, seconds, …} of exact S(d) and of fan-in of random masks [units, C·H·W]."""
    say("observables")
    n_in = int(np.prod(sizes.shape))
    masks = {u: random_mask(sizes.observed_units, n_in, u) for u in sizes.observed_densities}
    found = []
    for name, observe in (("locality", lambda mask: locality(mask, sizes.shape)), ("fan-in", fan_in)):
        turns = {f"{u:g}": _turn(observe, mask, sizes.turn_seconds) for u, mask in masks.items()}
        timings = alternate(turns, sizes.rounds)
        found += [{"name": name, "u": u} | timings[f"{u:g}"].to_dict() for u in masks]
    return found


def _turn(observe: Callable[[Mask], object], mask: Mask, least: float) -> Turn:
    return turn_of(lambda: seconds_of(lambda: observe(mask)), least)
