"""List the experiments, and how many seeds of them, that each figure needs. Cheap to import."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.errors import InputError


@dataclass(frozen=True)
class RequiredExperiment:
    """An experiment that a figure needs: a preset, its overrides, and whether the paper has several seeds."""

    preset: str
    several: bool = False
    overrides: tuple[str, ...] = ()


def _paper(*names: str, several: bool = False) -> tuple[RequiredExperiment, ...]:
    return tuple(RequiredExperiment(f"paper/{name}", several) for name in names)


_MAIN = _paper("main")
_TASKS = ("semantic", "semantic-5-random-5", "semantic-partial", "random-classes")
_FRACTIONS = ("main", "fraction-50", "fraction-30", "fraction-10", "fraction-5", "fraction-2")
_METHODS = ("main", "oneshot", "snip", "synflow", "grasp", "random")

# The experiments are in the order in which the paper shows them. Figures that are not named here show the main run.
RECIPES: dict[str, tuple[RequiredExperiment, ...]] = {
    "1a": _paper("main", several=True),
    "4": _paper("main", "oneshot", "snip", "synflow"),
    "5": _paper("fraction-50", "fraction-10", "semantic", "random-classes"),
    "6": _paper("sgd-0.02", "main", "sgd-0.5", "adam"),
    "7": _paper("main", "width-256", "width-512", "width-2048", "width-4096", "depth-4", "depth-5"),
    "8": _paper(
        "main",
        "steps-500000",
        "steps-10000",
        "steps-5000",
        "rewind-500",
        "rewind-100",
        "rewind-0",
        "rate-0.2",
        "global",
    ),
    "10": _paper("main", "fraction-10", "semantic", "random-classes", "translated"),
    "11": _paper("main", "fraction-30", "semantic", "random-classes"),
    "13": _paper("fraction-50", "fraction-30", "semantic", "random-classes"),
    "14": _paper("snip", "synflow"),
    "16": _paper("progressive"),
    "17": _paper("semantic", "random-classes", several=True),
    "18": _paper(*_TASKS),
    "19": _paper(*_FRACTIONS, several=True),
    "20": _paper("rotated"),
    "21": _paper("imagenet64"),
    "22": _paper("translated"),
    "methods": _paper(*_METHODS),
    "gain": _paper("main", "fraction-10", "semantic", "random-classes"),
    "densities": _paper("main", "global", "snip", "synflow"),
    "levels": _paper("main", several=True),
    "overlap": _paper("main", several=True),
}
# What a request at one scale runs at another: the scale mini is smaller, and is kept for the runs that there are of it.
RUN_AT = {"mini": "miniature"}
SEEDS = {"mini": 5, "miniature": 5, "laptop": 2, "small": 3, "paper": 4}

# The densities of IMP's levels 6, 8, 10 and 13 (p = 0.3): the paper's 10 % and 1 %, and two between. Methods with
# one pool prune the first layer further: at 3 % in all it still has about the 1 % that masks are compared at.
DENSITIES = (0.7**6, 0.7**8, 0.7**10, 0.7**13)
_AT = f"prune.density={[round(density, 8) for density in DENSITIES]}"

# The paper in miniature, by the names that claims use.
MINIATURE: dict[str, RequiredExperiment] = {
    "imp": RequiredExperiment("paper/main"),
    "oneshot": RequiredExperiment("paper/oneshot", overrides=(_AT,)),
    "snip": RequiredExperiment("paper/snip", overrides=(_AT,)),
    "synflow": RequiredExperiment("paper/synflow", overrides=(_AT,)),
    "grasp": RequiredExperiment("paper/grasp", overrides=(_AT,)),
    "random": RequiredExperiment("paper/random", overrides=(_AT,)),
    "global": RequiredExperiment("paper/global"),
    "progressive": RequiredExperiment(
        "paper/progressive", overrides=("network.hidden=[160, 160, 160, 160]", "prune.rate=0.5")
    ),
    "fraction-30": RequiredExperiment("paper/fraction-30"),
    "fraction-10": RequiredExperiment("paper/fraction-10"),
    "fraction-3": RequiredExperiment(
        "paper/main", overrides=("name=miniature/fraction-3", "data.fraction=0.03")
    ),
    "noise-50": RequiredExperiment(
        "paper/main", overrides=("name=miniature/noise-50", "data.label_noise=0.5")
    ),
    "noise-100": RequiredExperiment(
        "paper/main", overrides=("name=miniature/noise-100", "data.label_noise=1.0")
    ),
    "rotated": RequiredExperiment("paper/rotated"),
    "translated": RequiredExperiment("paper/translated"),
}


def recipe(figure: str) -> tuple[RequiredExperiment, ...]:
    """Return the experiments that a figure needs, in drawing order; raise InputError for an unknown figure."""
    from prunescope.figures import FIGURES

    if figure not in FIGURES:
        raise InputError(f"unknown figure {figure!r}: figures are all, {', '.join(FIGURES)}")
    return () if FIGURES[figure].fewest == 0 else RECIPES.get(figure, _MAIN)
