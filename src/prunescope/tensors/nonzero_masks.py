"""Masks of weights: which of them are not 0, where their zeros are pruned weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prunescope.errors import InputError
from prunescope.mask import NOT_BINARY
from prunescope.tensors.dotted_names import last_word
from prunescope.tensors.kept_entries import kept_entries
from prunescope.tensors.mask_names import may_be_embedding
from prunescope.tensors.named_mask import NamedMask, ReadingOptions
from prunescope.tensors.named_tensor import NamedTensor, TensorSource
from prunescope.tensors.orders import as_named_mask
from prunescope.tensors.printable import shortened, shown, size_words
from prunescope.tensors.zeros import ZeroCensus

# What is said of the weights that are left out, by what their zeros are.
SENTENCES = {
    "dense": "no more zeros than chance",
    "empty": "all zeros, as some layers start",
    "padding": "one row of zeros, as of padding",
    "rounding": "as many zeros as rounding to few values may leave (zeros=always takes them for pruned)",
    "never": "zeros are not taken for pruned (zeros=never)",
}


@dataclass
class WeightsTaken:
    """The names of the weights whose zeros are pruned, and of the others by what their zeros are.

    ``not_finite``: how many entries of a tensor are NaN or infinite, by the names of those that have some.
    """

    names: list[str] = field(default_factory=list)
    left_out: dict[str, list[NamedTensor]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    zeros: dict[str, int] = field(default_factory=dict)
    not_finite: dict[str, int] = field(default_factory=dict)

    @property
    def seen(self) -> set[str]:
        """The names of what is left out for its zeros."""
        return {tensor.name for tensors in self.left_out.values() for tensor in tensors}

    def lines(self) -> list[str]:
        """Return what is to be said of a source in which some weights are pruned."""
        return [
            f"no mask inside: the weights that are not 0 are taken as kept, of {_some(self.names)}",
            *not_finite_lines({name: self.not_finite.get(name, 0) for name in self.names}),
            *self._by_kind(),
            *self.unread,
        ]

    def _by_kind(self) -> list[str]:
        """Return what is left out, a line for each reason."""
        lines = []
        for kind, tensors in self.left_out.items():
            count = f"{len(tensors)} weights are" if len(tensors) > 1 else "1 weight is"
            names = _some([tensor.name for tensor in tensors], most=3)
            lines.append(f"{count} left out, {SENTENCES[kind]}: {names}")
        return lines

    def reasons(self) -> list[str]:
        """Return why none is taken: a line each of two weights, else one for each reason."""
        if len(self.seen) > 2:
            return [*self._by_kind(), *self.unread]
        found = [(kind, tensor) for kind, tensors in self.left_out.items() for tensor in tensors]
        # What has zeros but too few, or by rounding, comes first: it may be what is searched for.
        found.sort(key=lambda entry: self.zeros.get(entry[1].name, 0) == 0)
        return [*(self._reason(kind, tensor) for kind, tensor in found), *self.unread]

    def _reason(self, kind: str, tensor: NamedTensor) -> str:
        size = f"{size_words(tensor.shape)} of {tensor.dtype}"
        count = self.zeros.get(tensor.name, 0)
        if odd := self.not_finite.get(tensor.name, 0):
            return f"{shown(tensor.name)}: {NOT_BINARY} ({size}, {odd} of them NaN or infinite)"
        if kind == "rounding":
            return (
                f"{shown(tensor.name)} holds other numbers beside 0, and as many zeros as rounding to few values may "
                "leave: if they are weights, of which pruning left some 0, save which are kept, {name: weight != 0}, or "
                "give zeros=always"
            )
        counted = f"{count or 'no'} zero{'' if count == 1 else 's'}"
        why = "" if kind == "dense" else f", {SENTENCES[kind]}"
        return f"{shown(tensor.name)}: a mask must hold only 0 and 1 ({size} with {counted}{why})"


def masks_of_weights(
    source: TensorSource, weights: Sequence[NamedTensor], options: ReadingOptions, taken: WeightsTaken
) -> Iterator[NamedMask]:
    """Yield the masks of the weights whose zeros are pruned, one at a time, and note in ``taken`` which they are."""
    for tensor in weights:
        if options.zeros != "always" and not _may_be_weights(tensor):
            continue
        census = ZeroCensus(tensor.size)
        try:
            found = kept_entries(tensor, census=census)
        except InputError as error:
            taken.unread.append(f"{shown(tensor.name)}: {error}")
            continue
        if found.not_finite:
            taken.not_finite[tensor.name] = found.not_finite
        facts = {**source.facts.get(tensor.name.rpartition(".")[0], {}), **tensor.facts}
        embeds = may_be_embedding(tensor.name, facts)
        verdict = census.verdict(is_embedding=embeds) if options.zeros == "auto" else options.zeros
        if verdict in ("pruned", "always"):
            taken.names.append(tensor.name)
            yield as_named_mask(source, tensor, found.array, "zeros", options.order)
            continue
        taken.zeros[tensor.name] = census.zeros
        taken.left_out.setdefault(verdict, []).append(tensor)


def not_finite_lines(counts: Mapping[str, int]) -> list[str]:
    """Return what is to be said of weights that are NaN or infinite: one line, or none where there are none.

    ``counts``: how many of them are kept, by the names of tensors.
    """
    some = [f"{count} of {shown(name)}" for name, count in counts.items() if count]
    if not some:
        return []
    return [
        f"weights that are NaN or infinite are taken as kept: {', '.join(shortened(some, 6, others='more'))}"
    ]


def _may_be_weights(tensor: NamedTensor) -> bool:
    """Return whether a tensor of this type and name may be weights: floats, or integers that are called weights."""
    return tensor.is_float or (tensor.dtype == "int8" and "weight" in last_word(tensor.name))


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(shortened([shown(name) for name in names], most, others="more"))
