"""Which tensors of a source are masks, and which are weights whose zeros are pruned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from prunescope.errors import InputError
from prunescope.mask import NOT_BINARY
from prunescope.tensors.kept_entries import binary_values, kept_entries
from prunescope.tensors.mask_names import (
    check_together,
    is_no_weight,
    masks_of_others,
    may_be_embedding,
    stored_masks,
)
from prunescope.tensors.named_mask import NamedMask, ReadingOptions
from prunescope.tensors.named_tensor import NamedTensor, TensorSource, check_axes
from prunescope.tensors.nonzero_masks import WeightsTaken, masks_of_weights, not_finite_lines
from prunescope.tensors.orders import as_named_mask, names_of_known_order, shapes_beside, told_order
from prunescope.tensors.printable import shortened, shown, size_words
from prunescope.tensors.ties import Ties

Say = Callable[[str], None]


def chosen_masks(
    source: TensorSource, options: ReadingOptions, say: Say, *, only_matrices: bool = False
) -> Iterator[NamedMask]:
    """Yield the masks among the tensors of a source, one at a time.

    They are the tensors that are called masks; without them the arrays of 0 and 1; without them the weights that are not
    0, by the zeros rule. ``only_matrices``: leave out those of more than 2 axes. Raises InputError where there is none.
    """
    for note in source.notes:
        say(note)
    shapes: list[tuple[int, ...]] = []
    # What is said at the end of what was left out.
    lines: list[str] = []
    beside, known = shapes_beside(source, options.order), names_of_known_order(source, options.order)
    for found in _chosen(source, options, lines, only_matrices):
        # Rows of embeddings are no outputs, and an order that the source knows is not wrong.
        if not may_be_embedding(found.name, found.facts) and found.name not in known:
            shapes.append(found.array.shape)
        yield replace(found, beside=beside)
    told = told_order(shapes, options.order)
    for line in [*shortened(lines), *([told] if told else [])]:
        say(line)


def _chosen(
    source: TensorSource, options: ReadingOptions, lines: list[str], only_matrices: bool
) -> Iterator[NamedMask]:
    unfit = {one.name: why for one in source.tensors if (why := _unfit(one, only_matrices))}
    stored, ties = stored_masks(source.tensors), Ties(source.tensors)
    if stored:
        fit = [(mask, weight) for mask, weight in stored if mask.name not in unfit]
        for mask, _ in stored:
            if mask.name in unfit:
                lines.append(f"{shown(mask.name)}: {unfit[mask.name]}")
                # A 4-D mask of a convolution may be left out, but a 2-D array of this name must be a mask.
                if len(mask.shape) == 2:
                    raise source.error(lines[-1])
        lines += _of_other_parameters(source.tensors, {mask.name for mask, _ in stored})
        masks = {mask.name for mask, _ in stored}
        lines += _unread(one for one in source.tensors if one.name not in masks)
        if not fit:
            raise source.error(f"no mask inside ({_why_none(source.tensors, lines)})")
        not_finite: dict[str, int] = {}
        for mask, weight in fit:
            check_together(source, mask, weight)
            yield _stored_mask(source, mask, options, not_finite)
        # First, because of many lines only the first are said.
        lines[:0] = not_finite_lines(not_finite) + ties.lines({mask.name for mask, _ in fit})
        return
    chosen, rest, reasons = (
        _binary(source, unfit) if options.zeros != "always" else ([], source.tensors, unfit)
    )
    if chosen:
        for tensor in chosen:
            yield _stored_mask(source, tensor, options, {})
        lines += ties.lines({one.name for one in chosen}) + _unread(source.tensors) + _worded(source, reasons)
        return
    taken = WeightsTaken()
    weights = [one for one in rest if one.name not in unfit and not is_no_weight(one.name)]
    once = weights if options.each_name else list(ties.once(weights))
    yield from masks_of_weights(source, once, options, taken)
    if not taken.names:
        others = {name: why for name, why in reasons.items() if name not in taken.seen}
        if len(taken.seen) > 2:  # a network, whose biases nobody takes for masks
            others = {}
        found = _unread(source.tensors) + taken.reasons() + _worded(source, others)
        raise source.error(f"no mask inside ({_why_none(source.tensors, found)})")
    lines += [*taken.lines(), *ties.lines(taken.names), *_unread(rest)]


def _stored_mask(
    source: TensorSource, tensor: NamedTensor, options: ReadingOptions, not_finite: dict[str, int]
) -> NamedMask:
    """Return a mask, or what a sparse tensor keeps, and note in ``not_finite`` how many of its values are NaN or infinite."""
    try:
        found = kept_entries(tensor, others=tensor.is_sparse)
    except InputError as error:
        raise source.error(f"{shown(tensor.name)}: {error}") from None
    not_finite[tensor.name] = found.not_finite
    return as_named_mask(source, tensor, found.array, "mask", options.order)


def _unfit(tensor: NamedTensor, only_matrices: bool) -> str | None:
    """Return why a tensor can be no mask, by its shape or because it is not read; None where it can."""
    if tensor.unread and not tensor.shape:  # whose shape is not known
        return tensor.unread
    try:
        check_axes(tensor.shape, only_matrices=only_matrices)
    except InputError as error:
        if only_matrices and len(tensor.shape) in (3, 4, 5):
            shape = size_words(tensor.shape)
            return f"{shape}, as of a convolution; only masks of 2 axes [n_out, n_in] are measured"
        return str(error)
    return tensor.unread or None


def _binary(
    source: TensorSource, unfit: dict[str, str]
) -> tuple[list[NamedTensor], list[NamedTensor], dict[str, str]]:
    """Return the arrays of 0 and 1 that are masks, the other tensors, and by name why they are no masks.

    An array of 0 alone, or of 1 alone, may be a mask beside masks; beside weights it is how some layers start.
    """
    mixed: list[NamedTensor] = []
    whole: list[NamedTensor] = []
    others: list[NamedTensor] = []
    reasons: dict[str, str] = dict(unfit)
    for tensor in source.tensors:
        if tensor.name in unfit:
            continue
        if is_no_weight(tensor.name):
            reasons[tensor.name] = "no mask of weights, by its name"
            continue
        try:
            values = binary_values(tensor)
        except InputError as error:
            reasons[tensor.name] = str(error)
            continue
        {"mixed": mixed, "whole": whole, "other": others}[values].append(tensor)
        if values == "other":
            reasons[tensor.name] = NOT_BINARY
    has_weights = any(tensor.is_float for tensor in others)
    masks = {one.name for one in mixed} | {one.name for one in whole if not (has_weights and one.is_float)}
    # Where weights stand beside them, a few arrays of 1 alone are no masks.
    if not mixed and has_weights:
        masks = set()
    rest = [one for one in source.tensors if one.name not in masks]
    return [one for one in source.tensors if one.name in masks], rest, reasons


def _unread(tensors: Iterable[NamedTensor]) -> list[str]:
    """Return a line for each reason why some tensors, if these are weights, are known not to be read."""
    by_reason: dict[str, list[str]] = {}
    for one in tensors:
        if one.unread and not is_no_weight(one.name):
            by_reason.setdefault(one.unread, []).append(shown(one.name))
    return [f"{', '.join(shortened(some, 3, 'more'))}: {why}" for why, some in by_reason.items()]


def _worded(source: TensorSource, reasons: dict[str, str]) -> list[str]:
    """Return why tensors are left out, a line each, in the order of the source; those not read are said by ``_unread``."""
    return [
        f"{shown(one.name)}: {reasons[one.name]}"
        for one in source.tensors
        if one.name in reasons and not one.unread
    ]


def _of_other_parameters(tensors: Sequence[NamedTensor], taken: set[str]) -> list[str]:
    """Return what is to be said of masks of biases and the like."""
    names = [one.name for one in masks_of_others(tensors, taken)]
    return [f"{shown(name)}: a mask of other parameters than weights [n_out, n_in]" for name in names]


def _why_none(tensors: Sequence[NamedTensor], left_out: list[str]) -> str:
    """Return why a source has no mask, and what it holds."""
    if not tensors:
        return "it holds no array or tensor"
    return (
        "; ".join(shortened(list(dict.fromkeys(left_out)), 3, "more"))
        + "; a mask is an array of 0 and 1, [n_out, n_in, …]"
    )
