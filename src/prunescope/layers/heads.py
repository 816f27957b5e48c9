"""How the rows or columns of a projection of attention belong to heads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from prunescope.layers.layer_names import plain_name
from prunescope.tensors import NamedMask

Projection = Literal["q", "k", "v", "qkv", "kv", "out"]
PARTS = {"qkv": 3, "kv": 2}


@dataclass(frozen=True)
class AttentionShape:
    """Which lines of a projection's mask belong to which head.

    ``part``: a Projection; heads are in columns of "out" and in rows of the others. ``heads``: how many heads each part
    has, as (12, 12, 12) for "qkv", () where that is not known; all heads have equally many lines, ``size``.
    ``parts``: how many lines each part has, () where that is not known. ``interleaved``: whether the parts of each head
    follow each other, head after head, and not all heads of each part.
    """

    part: str
    heads: tuple[int, ...] = ()
    size: int = 0
    parts: tuple[int, ...] = ()
    interleaved: bool = False

    @property
    def part_names(self) -> tuple[str, ...]:
        """What the parts are called, in their order."""
        return tuple(self.part) if self.part in PARTS else (self.part,)

    @property
    def head_names(self) -> tuple[str, ...]:
        """What the heads are called, all of q before those of k and v: "q 1", of a projection of one part "1"."""
        packed = len(self.part_names) > 1
        return tuple(
            f"{name} {number}" if packed else str(number)
            for name, count in zip(self.part_names, self.heads, strict=False)
            for number in range(1, count + 1)
        )


def attention_shape(
    part: str, named: NamedMask, heads: int | None, say: Callable[[str], None]
) -> AttentionShape:
    """Return how the lines of a projection belong to heads.

    ``heads``: what the user says. ``say``: is told, in a line, what is not known, and which number does not fit.
    """
    n_out, n_in = named.array.shape
    number = heads or _fact(named, "heads")
    parts = _equal_parts(part, n_out, n_in)
    if part == "qkv" and n_in == 3 * n_out:
        say(f"it has {n_out} outputs and {n_in} inputs: it may be transposed, --order io says so")
    if number is None:
        say("how many heads it has is not known: --heads N says it")
        return AttentionShape(part, parts=parts)
    lines = n_in if part == "out" else n_out
    size, counts = _heads_that_fit(part, named, number, lines)
    if not counts:
        say(f"its {lines} {'inputs' if part == 'out' else 'outputs'} do not belong to {number} equal heads")
        return AttentionShape(part, parts=parts)
    if counts[-1] < number and _is_guess(named, number):
        say(
            f"taken as {counts[-1]} heads of {size}, as of {number * size} outputs of queries, which are not known"
        )
    interleaved = plain_name(named.name).split(".")[-1] == "query_key_value" and len(set(counts)) == 1
    return AttentionShape(part, counts, size, tuple(count * size for count in counts), interleaved)


def _heads_that_fit(part: str, named: NamedMask, number: int, lines: int) -> tuple[int, tuple[int, ...]]:
    """Return the size of heads and how many each part has; () where the lines do not belong to equal heads."""
    if part in ("q", "out"):
        return (lines // number, (number,)) if lines % number == 0 else (0, ())
    for size in _sizes(part, named, number):
        counts = _counts(part, named, number, size)
        if counts and sum(counts) * size == lines:
            return size, counts
    return 0, ()


def _sizes(part: str, named: NamedMask, number: int) -> list[int]:
    """Return the sizes that heads may have, those first that are known best.

    What a module or a configuration says comes first, then the queries beside, then queries of as many outputs as this
    projection has inputs, and last as many heads of keys and values as of queries.
    """
    n_out, n_in = named.array.shape
    found = []
    if _fact(named, "heads") in (None, number):
        found.append(_fact(named, "head_size") or 0)
        shared = _fact(named, "kv_heads")
        if shared and part != "qkv":
            found.append(n_out // (shared * PARTS.get(part, 1)))
    for lines in (_fact(named, "query_lines") or 0, n_in, n_out // PARTS.get(part, 1)):
        found.append(lines // number if lines % number == 0 else 0)
    return [size for size in found if size > 0]


def _is_guess(named: NamedMask, number: int) -> bool:
    """Return whether nothing but a projection's own shape tells the size of its heads."""
    said = _fact(named, "head_size") if _fact(named, "heads") in (None, number) else None
    return not (said or _fact(named, "query_lines") or _fact(named, "kv_heads"))


def _counts(part: str, named: NamedMask, number: int, size: int) -> tuple[int, ...]:
    """Return how many heads keys and values, and queries beside them, have; () where they do not fit."""
    all_heads = len(named.array) // size
    given = _fact(named, "kv_heads")
    if part == "qkv":
        shared = given or (all_heads - number) // 2
        counts: tuple[int, ...] = (number, shared, shared)
    else:
        shared = given or all_heads // PARTS.get(part, 1)
        counts = (shared,) * PARTS.get(part, 1)
    # Heads of keys and values are those of queries, or groups of these share one.
    return counts if 0 < shared <= number else ()


def _equal_parts(part: str, n_out: int, n_in: int) -> tuple[int, ...]:
    """Return the lines of the parts of a packed projection whose parts all have as many as its inputs."""
    count = PARTS.get(part, 1)
    return (n_in,) * count if count > 1 and n_out == count * n_in else ()


def _fact(named: NamedMask, name: str) -> int | None:
    """Return a fact that is a number above 0."""
    value = named.facts.get(name)
    return value if isinstance(value, int) and value > 0 else None
