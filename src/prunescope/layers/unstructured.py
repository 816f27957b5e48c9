"""What is measured of any mask, whatever its inputs are: no number here knows where an input lies."""

from __future__ import annotations

from typing import NamedTuple

from prunescope.mask import Mask
from prunescope.observables.bipartite import clustering_scalars
from prunescope.observables.blocks import BLOCKS
from prunescope.observables.group_patterns import PATTERNS, pattern_scalars
from prunescope.observables.margins import margin_scalars
from prunescope.observables.measure import Scalar
from prunescope.observables.pattern_names import satisfied_patterns


def unstructured_scalars(mask: Mask, positions: int = 1) -> dict[str, Scalar]:
    """Return every scalar of a mask [n_out, n_in] that needs no geometry, with its null, by name.

    positions: of the kernel of a convolution, whose mask is [n_out, channels · positions]; groups and blocks are then of
    consecutive channels at one position. The names are those of WORDS, in their order; what is not defined is nan.
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


class ScalarWords(NamedTuple):
    """What a scalar is called, one sentence of what it is, and one of its null."""

    title: str
    meaning: str
    null: str


ANYWHERE = "As many weights anywhere in the layer."
EACH_FAN_IN = "Each unit keeps its fan-in, at uniformly drawn inputs."
EACH_FAN_OUT = "Each input keeps its fan-out, at uniformly drawn units."
BOTH_MARGINS = (
    "50 masks in which each unit keeps its fan-in and each input its fan-out; of a large mask, of a sample."
)


def _margin_words(side: str, count: str, null: str, ending: str, given: str) -> dict[str, ScalarWords]:
    """Return the words of the scalars of one side's margins against one null."""
    name = count.replace("-", "_")
    dead = f"dead_{side}"
    return {
        f"{name}_variance_ratio{ending}": ScalarWords(
            f"{count} variance{given}",
            f"The variance of the {count} over {side}, divided by the binomial one.",
            null,
        ),
        f"{name}_largest{ending}": ScalarWords(
            f"largest {count}{given}", f"The largest {count} divided by the mean one.", null
        ),
        f"{name}_tail{ending}": ScalarWords(
            f"{count} tail{given}",
            f"The share of {side} whose {count} exceeds the 99 % quantile that the null has.",
            null,
        ),
        f"{dead}{ending}": ScalarWords(
            f"dead {side}{given}", f"The share of {side} without a kept weight.", null
        ),
    }


def _words() -> dict[str, ScalarWords]:
    """Return the words of every scalar, in the order of ``unstructured_scalars``."""
    found: dict[str, ScalarWords] = {}
    for side, count, other in (("units", "fan-in", "fan-out"), ("inputs", "fan-out", "fan-in")):
        found |= _margin_words(side, count, ANYWHERE, "", "")
        null = EACH_FAN_OUT if other == "fan-out" else EACH_FAN_IN
        found |= _margin_words(side, count, null, f"_given_{other.replace('-', '_')}", f" given {other}")
    for side, null in (("inputs", EACH_FAN_IN), ("outputs", EACH_FAN_OUT)):
        for word, exact in (("at most", "at_most"), ("exactly", "exactly")):
            for kept, length in PATTERNS:
                found[f"{exact}_{kept}_of_{length}_{side}"] = ScalarWords(
                    f"{word} {kept} of {length} {side}",
                    f"The share of groups of {length} consecutive {side} that keep {word} {kept}.",
                    null,
                )
    for height, width in BLOCKS:
        found[f"blocks_{height}x{width}"] = ScalarWords(
            f"blocks {height}x{width}",
            f"The share of blocks of {height} outputs by {width} inputs that are all kept or all pruned.",
            EACH_FAN_IN,
        )
    found["bipartite_clustering"] = ScalarWords(
        "clustering",
        "The share of paths of three kept weights that a fourth closes to a cycle: pairs of units share pairs of inputs.",
        BOTH_MARGINS,
    )
    found["spectral_gap"] = ScalarWords(
        "spectral gap",
        "One minus the second singular value of the mask over the roots of its margins: 0 for a mask in two parts.",
        BOTH_MARGINS,
    )
    return found


WORDS = _words()
