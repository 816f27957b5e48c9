"""How the rows or columns of a projection of attention belong to heads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from prunescope.layers.layer_names import plain_name
from prunescope.tensors import NamedMask

Projection = Literal["q", "k", "v", "qkv", "kv", "out"]


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
    if part in ("q", "out"):
        counts: tuple[int, ...] = (number,)
        size = lines // number
    else:
        size = _fact(named, "head_size") or (parts[0] if parts else n_in) // number
        counts = _counts(part, named, number, size)
    if size < 1 or not counts or sum(counts) * size != lines:
        say(f"its {lines} {'inputs' if part == 'out' else 'outputs'} do not belong to {number} equal heads")
        return AttentionShape(part, parts=parts)
    interleaved = plain_name(named.name).split(".")[-1] == "query_key_value" and len(set(counts)) == 1
    return AttentionShape(part, counts, size, tuple(count * size for count in counts), interleaved)


def _counts(part: str, named: NamedMask, number: int, size: int) -> tuple[int, ...]:
    """Return how many heads keys and values, and queries beside them, have; () where they do not fit."""
    if size < 1:
        return ()
    all_heads = len(named.array) // size
    given = _fact(named, "kv_heads")
    if part in ("k", "v"):
        return (given or all_heads,)
    if part == "kv":
        return (given or all_heads // 2,) * 2
    shared = given or (all_heads - number) // 2
    return (number, shared, shared) if shared > 0 else ()


def _equal_parts(part: str, n_out: int, n_in: int) -> tuple[int, ...]:
    """Return the lines of the parts of a packed projection whose parts all have as many as its inputs."""
    count = {"qkv": 3, "kv": 2}.get(part, 1)
    return (n_in,) * count if count > 1 and n_out == count * n_in else ()


def _fact(named: NamedMask, name: str) -> int | None:
    """Return a fact that is a number above 0."""
    value = named.facts.get(name)
    return value if isinstance(value, int) and value > 0 else None
