"""What the tensors beside a mask say of its layer: the size of heads, and the number of gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from prunescope.layers.layer_names import is_recurrent, plain_name, projection
from prunescope.tensors import NamedMask

Shape = tuple[int, ...]


def with_facts_beside(masks: Iterator[NamedMask]) -> Iterator[NamedMask]:
    """Yield named masks with what the other tensors of their source say of them, be these pruned or dense.

    The facts ``query_lines``: as many lines as all heads of queries have together, of a projection of attention;
    ``gates``: of the inputs of a recurrent layer.
    """
    beside: _Beside | None = None
    for named in masks:
        if beside is None or beside.shapes is not named.beside:
            beside = _Beside(named.beside)
        yield beside.told(named)


class _Beside:
    """The shapes [n_out, n_in, *kernel] of all tensors of a source, by what is searched for in them."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = shapes
        self._hidden: dict[str, Shape] = {}
        # By the name of the attention around them.
        self._queries: dict[str, int] = {}
        self._outputs: dict[str, int] = {}
        for name, shape in shapes.items():
            if len(shape) != 2:
                continue
            if is_recurrent(name):
                self._hidden[_recurrent_name(name)] = shape
            elif (part := _part(name)) == "q":
                self._queries[_attention(name)] = shape[0]
            elif part == "out":
                self._outputs[_attention(name)] = shape[1]

    def told(self, named: NamedMask) -> NamedMask:
        """Return a named mask with what is known of it beside it."""
        if named.array.ndim != 2:
            return named
        if is_recurrent(named.name):
            hidden = self._hidden.get(_recurrent_name(named.name).replace("weight_ih", "weight_hh"))
            return named if hidden is None or "gates" in named.facts else with_gates(named, hidden)
        part, around = _part(named.name), _attention(named.name)
        if part not in ("k", "kv", "v", "qkv"):
            return named
        queries, outputs = self._queries.get(around), self._outputs.get(around)
        # Heads of values, whatever their size, are what the output projection takes.
        lines = queries or outputs if part in ("k", "kv") else outputs or queries
        return replace(named, facts={**named.facts, "query_lines": lines}) if lines else named


def with_gates(named: NamedMask, hidden: Shape) -> NamedMask:
    """Return the mask of a recurrent layer's inputs with the number of gates that its hidden weights have.

    ``hidden``: the shape of the latter, [gates · n, n].
    """
    n_out, n_in = hidden[0], hidden[-1]
    if len(named.array) != n_out or n_out % n_in:
        return named
    return replace(named, facts={**named.facts, "gates": n_out // n_in})


def _recurrent_name(name: str) -> str:
    """Return the name of a recurrent layer's weights, whichever tensor holds their mask."""
    return name.replace("/", ".").removesuffix("_mask").removesuffix("_orig")


def _part(name: str) -> str | None:
    """Return which part of attention a tensor is, wherever it is."""
    return projection(name, inside=True)


def _attention(name: str) -> str:
    """Return the name of the attention around one of its projections."""
    return plain_name(name).removesuffix(".0").rpartition(".")[0]
