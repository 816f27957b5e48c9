"""Define what is measured and how often, on the paper's network, in full or quickly."""

from __future__ import annotations

from dataclasses import dataclass, replace

PARTS = ("step", "evaluation", "layer", "imp", "observables", "threads")
COMPETITORS = ("plain", "torch", "native", "sparseprop", "sparselab")
_DENSITIES = (1.0, 0.7, 0.49, 0.34, 0.24, 0.1, 0.03, 0.01)
_QUICK_DENSITIES = (1.0, 0.49, 0.34, 0.1, 0.03, 0.01)  # those of the goals


@dataclass(frozen=True)
class Sizes:
    """The sizes of every part of the benchmark; ``points`` are (classes, u) of the steps.

    ``rounds``: the number of alternations over which medians are taken (``imp`` alternates once a level,
    an evaluation ``evaluation_rounds`` times).
    ``turn_seconds``: the least time for which a competitor repeats its step or pass in a turn, and
    ``layer_turn_seconds`` that of a layer. ``layer_all_threads``: whether layers are measured with all threads too.
    ``imp_torch``: whether the torch engine runs the pruning run too where the native one is installed. A *sequence* is
    the paper's: so many levels of so many steps, with an evaluation of so many images every ``sequence_eval_every``
    steps, each level pruned by ``sequence_rate``.
    """

    shape: tuple[int, int, int] = (3, 32, 32)
    hidden: tuple[int, ...] = (1024, 1024, 1024)
    batch: int = 1000
    images: int = 20_000
    rounds: int = 7
    turn_seconds: float = 0.5
    points: tuple[tuple[int, float], ...] = tuple((classes, u) for classes in (10, 1000) for u in _DENSITIES)
    sequence_classes: int = 1000
    sequence_levels: int = 21
    sequence_rate: float = 0.3
    sequence_steps: int = 100_000
    sequence_eval_every: int = 100
    sequence_images: int = 10_000
    evaluation_densities: tuple[float, ...] = (1.0, 0.1, 0.01)
    evaluation_rounds: int = 5
    layer_width: int = 1024
    layer_batch: int = 1024
    layer_densities: tuple[float, ...] = (0.7, 0.49, 0.3, 0.24, 0.1, 0.03, 0.01)
    layer_turn_seconds: float = 0.2
    layer_all_threads: bool = True
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
QUICK = replace(
    FULL,
    rounds=5,
    turn_seconds=0.1,
    points=tuple((classes, u) for classes in (10, 1000) for u in _QUICK_DENSITIES),
    evaluation_densities=(1.0, 0.01),
    evaluation_rounds=3,
    layer_densities=(0.3, 0.1, 0.03, 0.01),
    layer_turn_seconds=0.05,
    layer_all_threads=False,
    imp_steps=2,
    imp_torch=False,
)
