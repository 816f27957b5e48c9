"""Orders of the axes of weights: arrays are brought to [n_out, n_in, *kernel], and a wrong order is told by the shapes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from prunescope.mask import BoolArray
from prunescope.tensors.named_mask import NamedMask
from prunescope.tensors.named_tensor import Facts, NamedTensor, Order, TensorSource
from prunescope.tensors.printable import size_words

SMALL_KERNEL = 16


def as_named_mask(
    source: TensorSource, tensor: NamedTensor, kept: BoolArray, origin: str, order: Order
) -> NamedMask:
    """Return which entries of a tensor are kept as a named mask, whose axes are [n_out, n_in, *kernel].

    ``order``: what the user says; "auto" for that of the tensor, or of its source.
    """
    module = tensor.name.rpartition(".")[0].partition(".parametrizations")[0]
    facts = {**source.facts.get(module, {}), **tensor.facts}
    array = out_in_first(kept, _order_of(source, tensor, order), facts)
    return NamedMask(tensor.name, array, origin, {k: v for k, v in facts.items() if k != "transposed"})


def shapes_beside(source: TensorSource, order: Order) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors of a source by their names, as [n_out, n_in, *kernel].

    ``order``: what the user says. Those of transposed convolutions are as they are stored.
    """
    found = {}
    for tensor in source.tensors:
        shape = tensor.shape
        if len(shape) > 1 and _order_of(source, tensor, order) == "io":
            shape = (shape[-1], shape[-2], *shape[:-2])
        found[tensor.name] = shape
    return found


def names_of_known_order(source: TensorSource, order: Order) -> frozenset[str]:
    """Return the names of the tensors whose order of axes the source knows; none where the user says another one."""
    if order != "auto":
        return frozenset()
    whole = source.of_torch or source.order != "auto"
    return frozenset(tensor.name for tensor in source.tensors if whole or tensor.order != "auto")


def _order_of(source: TensorSource, tensor: NamedTensor, order: Order) -> Order:
    """Return the order of a tensor's axes: what the user says, or that of the tensor, or of its source."""
    return next((one for one in (order, tensor.order, source.order) if one != "auto"), "oi")


def out_in_first(array: BoolArray, order: Order, facts: Facts) -> BoolArray:
    """Return a mask as [n_out, n_in, *kernel].

    ``order``: of its axes. Transposed convolutions of torch are [n_in, n_out / groups, *kernel]: they become
    [n_out, n_in / groups, *kernel].
    """
    if facts.get("transposed") is True and array.ndim > 2:
        groups = facts.get("groups")
        count = groups if isinstance(groups, int) and groups > 0 and len(array) % groups == 0 else 1
        n_in, n_out, *kernel = array.shape
        apart = array.reshape(count, n_in // count, n_out, *kernel).swapaxes(1, 2)
        return apart.reshape(count * n_out, n_in // count, *kernel)
    if order != "io":
        return array
    # [*kernel, n_in, n_out]: the last two axes come first, and the kernel keeps its order.
    axes = (array.ndim - 1, array.ndim - 2, *range(array.ndim - 2))
    return array.transpose(axes).copy()


def told_order(shapes: Sequence[tuple[int, ...]], order: Order) -> str | None:
    """Return what the shapes say of a wrong order, None where they do not contradict it.

    ``shapes``: of the masks as they were read, [n_out, n_in, …], in their order; ``order``: what was given. The sizes of
    consecutive layers chain where the outputs of one are the inputs of the next.
    """
    known = [shape for shape in shapes if len(shape) >= 2]
    pairs = list(pairwise(known))
    chained = sum(before[0] == after[1] for before, after in pairs)
    swapped = sum(before[1] == after[0] for before, after in pairs)
    if pairs and swapped == len(pairs) and chained == 0:
        sizes = ", ".join(size_words(shape[:2]) for shape in known[:4])
        other = "oi" if order == "io" else "io"
        return (
            f"sizes of layers, read as [n_out, n_in], chain only the other way round ({sizes}"
            f"{', …' if len(known) > 4 else ''}): give --order {other} if so"
        )
    kernels = [shape for shape in known if len(shape) == 4]
    # Channels do not outnumber 16 in the place of kernels, nor are kernels as wide as channels.
    if order != "io" and kernels and all(_is_kernel_first(shape) for shape in kernels):
        return (
            f"{size_words(kernels[0])} is as of a convolution [*kernel, n_in, n_out]: give --order io if so"
        )
    if order == "io" and kernels and all(_has_kernel_of_channels(shape) for shape in kernels):
        read = size_words((*kernels[0][2:], kernels[0][1], kernels[0][0]))
        return f"{read} is as of a convolution [n_out, n_in, *kernel]: give --order oi if so"
    return None


def _has_kernel_of_channels(shape: tuple[int, ...]) -> bool:
    """Return whether a mask that was read as [n_out, n_in, *kernel] has a kernel as wide as channels, and few of these."""
    return shape[0] == shape[1] <= SMALL_KERNEL < max(shape[2:])


def _is_kernel_first(shape: tuple[int, ...]) -> bool:
    """Return whether a shape of 4 axes is [height, width, n_in, n_out] and not [n_out, n_in, height, width]."""
    return shape[0] == shape[1] <= SMALL_KERNEL and shape[3] > SMALL_KERNEL and shape[2] != shape[3]
