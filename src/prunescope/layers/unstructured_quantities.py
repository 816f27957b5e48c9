"""What the scalars are called that any mask has, whatever its inputs are, in the order of ``unstructured_scalars``."""

from __future__ import annotations

from prunescope.layers.layer_quantity import ANYWHERE, EACH_INPUT, EACH_UNIT, LayerQuantity
from prunescope.observables.blocks import BLOCKS
from prunescope.observables.group_patterns import PATTERNS

BOTH_MARGINS = (
    "50 masks in which each unit keeps its fan-in and each input its fan-out; of a large mask, of a sample."
)


def _margin_quantities(side: str, count: str, null: str, ending: str, given: str) -> dict[str, LayerQuantity]:
    """Return the words of the scalars of one side's margins against one null."""
    name = count.replace("-", "_")
    dead = f"dead_{side}"
    return {
        f"{name}_variance_ratio{ending}": LayerQuantity(
            f"{count} variance{given}",
            f"The variance of the {count} over {side}, divided by the binomial one.",
            null,
        ),
        f"{name}_largest{ending}": LayerQuantity(
            f"largest {count}{given}", f"The largest {count} divided by the mean one.", null
        ),
        f"{name}_tail{ending}": LayerQuantity(
            f"{count} tail{given}",
            f"The share of {side} whose {count} exceeds the 99 % quantile that the null has.",
            null,
        ),
        f"{dead}{ending}": LayerQuantity(
            f"dead {side}{given}", f"The share of {side} without a kept weight.", null
        ),
    }


def _quantities() -> dict[str, LayerQuantity]:
    """Return the words of every scalar that needs no geometry, in the order of ``unstructured_scalars``."""
    found: dict[str, LayerQuantity] = {}
    for side, count, other in (("units", "fan-in", "fan-out"), ("inputs", "fan-out", "fan-in")):
        found |= _margin_quantities(side, count, ANYWHERE, "", "")
        null = EACH_INPUT if other == "fan-out" else EACH_UNIT
        found |= _margin_quantities(side, count, null, f"_given_{other.replace('-', '_')}", f" given {other}")
    for side, null in (("inputs", EACH_UNIT), ("outputs", EACH_INPUT)):
        for word, exact in (("at most", "at_most"), ("exactly", "exactly")):
            for kept, length in PATTERNS:
                found[f"{exact}_{kept}_of_{length}_{side}"] = LayerQuantity(
                    f"{word} {kept} of {length} {side}",
                    f"The share of groups of {length} consecutive {side} that keep {word} {kept}.",
                    null,
                )
    for height, width in BLOCKS:
        found[f"blocks_{height}x{width}"] = LayerQuantity(
            f"blocks {height}x{width}",
            f"The share of blocks of {height} outputs by {width} inputs that are all kept or all pruned.",
            EACH_UNIT,
        )
    found["bipartite_clustering"] = LayerQuantity(
        "clustering",
        "The share of paths of three kept weights that a fourth closes to a cycle: pairs of units share pairs of inputs.",
        BOTH_MARGINS,
    )
    found["spectral_gap"] = LayerQuantity(
        "spectral gap",
        "One minus the second singular value of the mask over the roots of its margins: 0 for a mask in two parts.",
        BOTH_MARGINS,
    )
    return found


UNSTRUCTURED = _quantities()
