"""Which tensors of a source are masks, and which are weights whose zeros are pruned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prunescope.errors import InputError
from prunescope.tensors.kept_entries import kept_entries
from prunescope.tensors.named_mask import NamedMask, ReadingOptions
from prunescope.tensors.named_tensor import NOT_BINARY, NamedTensor, TensorSource, check_axes
from prunescope.tensors.names import SUFFIX, last_word, shortened, shown, size_words

Say = Callable[[str], None]


def chosen_masks(
    source: TensorSource, options: ReadingOptions, say: Say, *, only_matrices: bool = False
) -> Iterator[NamedMask]:
    """Yield the masks among the tensors of a source, one at a time.

    ``only_matrices``: leave out those of more than 2 axes. Raises InputError where there is none.
    """
    named = [tensor for tensor in source.tensors if tensor.name.endswith(SUFFIX)]
    masks, weights = 0, []
    left_out: dict[int, str] = {}
    for number, tensor in enumerate(named or source.tensors):
        may_be_weights = not named and tensor.is_float
        try:
            check_axes(tensor.shape, only_matrices=only_matrices)
            kept = kept_entries(tensor, others=may_be_weights)
            if kept.only_ones:
                masks += 1
                yield NamedMask(tensor.name, kept.array)
                continue
            reason: object = NOT_BINARY
            if may_be_weights and not kept.array.all():
                mask = kept.array if last_word(tensor.name) == "weight" and not masks else None
                weights.append((number, tensor.name, mask))
        except InputError as error:
            reason = error
        left_out[number] = f"{shown(tensor.name)}: {_reason(tensor, reason)}"
        # A 4-D mask of a convolution is left out, but a 2-D array of this name must be a mask.
        if named and len(tensor.shape) == 2:
            raise source.error(left_out[number])
    if masks:
        lines = [*left_out.values(), *_of_other_parameters(source.tensors if named else [])]
    elif called := [(number, name, mask) for number, name, mask in weights if mask is not None]:
        for _, name, mask in called:
            yield NamedMask(name, mask, "zeros")
        names = ", ".join(shortened([shown(name) for _, name, _ in called], others="more"))
        for number, _, _ in called:
            del left_out[number]
        lines = [
            f"no mask inside: the weights that are not 0 are taken as kept, of {names}",
            *left_out.values(),
        ]
    else:
        first = weights[0][1] if weights else None
        raise source.error(f"no mask inside ({_why_none(source.tensors, first, list(left_out.values()))})")
    for line in shortened(lines):
        say(line)


def _of_other_parameters(tensors: Sequence[NamedTensor]) -> list[str]:
    """Return what is to be said of masks of biases and the like."""
    names = [one.name for one in tensors if one.name.endswith("_mask") and not one.name.endswith(SUFFIX)]
    return [f"{shown(name)}: a mask of other parameters than weights [n_out, n_in]" for name in names]


def _reason(tensor: NamedTensor, reason: object) -> str:
    if len(tensor.shape) in (3, 4, 5):
        shape = size_words(tensor.shape)
        return f"{shape}, as of a convolution; only masks of 2 axes [n_out, n_in] are measured"
    return str(reason)


def _why_none(tensors: Sequence[NamedTensor], weights: str | None, left_out: list[str]) -> str:
    """Return why a file has no mask; ``weights``: the name of an array of floats of which some are 0."""
    if not tensors:
        return "it holds no array or tensor"
    if {"indices", "indptr", "data"} <= {tensor.name for tensor in tensors}:
        return "it is a sparse matrix of SciPy: save the array, matrix.toarray() != 0"
    if weights is not None:
        return (
            f"{shown(weights)} holds other numbers beside 0: if they are weights, of which pruning left some 0, as "
            "prune.remove does, save which are kept, {name: weight != 0}"
        )
    return "; ".join(shortened(left_out, 2)) + "; a mask is a 2-D array of 0 and 1, [n_out, n_in]"
