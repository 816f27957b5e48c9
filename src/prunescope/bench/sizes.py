"""Define what is measured and how often, on the paper's network, in full or quickly."""

from __future__ import annotations

from dataclasses import dataclass, replace

PARTS = ("step", "layer", "imp", "observables", "threads")
COMPETITORS = ("plain", "torch", "native", "sparseprop", "sparselab")
_DENSITIES = (1.0, 0.34, 0.1, 0.03, 0.01)


@dataclass(frozen=True)
class Sizes:
    """The sizes of every part of the benchmark; ``points`` are (classes, u) of the steps.

    ``rounds``: the number of alternations over which medians are taken (``imp`` alternates once a level).
    ``turn_seconds``: the least time for which a competitor repeats its step or pass in a turn. ``imp_torch``:
    whether the torch engine runs the pruning run too where the native one is installed.
    """

    shape: tuple[int, int, int] = (3, 32, 32)
    hidden: tuple[int, ...] = (1024, 1024, 1024)
    batch: int = 1000
    images: int = 20_000
    rounds: int = 7
    turn_seconds: float = 0.5
    points: tuple[tuple[int, float], ...] = tuple((classes, u) for classes in (10, 1000) for u in _DENSITIES)
    layer_width: int = 1024
    layer_batch: int = 1024
    layer_densities: tuple[float, ...] = (0.3, 0.1, 0.03, 0.01)
    imp_classes: int = 10
    imp_levels: int = 20
    imp_steps: int = 10
    imp_rate: float = 0.3
    imp_torch: bool = True
    observed_units: int = 1024
    observed_densities: tuple[float, ...] = (0.5, 0.1, 0.01)
    end_densities: tuple[float, ...] = (1.0, 0.1, 0.01)
    end_classes: int = 1000
    end_validation: int = 10_000
    end_heldout: int = 40_000
    threads_classes: int = 10
    threads_density: float = 0.1
    copied_floats: int = 32 * 2**20


FULL = Sizes()
QUICK = replace(FULL, rounds=5, turn_seconds=0.1, imp_steps=2, imp_torch=False)
