"""Which tensors of a source are called masks, to which weights they belong, and which tensors are no weights."""

from __future__ import annotations

import re
from collections.abc import Sequence

from prunescope.tensors.dotted_names import SUFFIX, last_word
from prunescope.tensors.named_tensor import Facts, NamedTensor, TensorSource
from prunescope.tensors.printable import shown, size_words

# What parts of dotted names call that which is no weight of a layer: the state of an optimizer, buffers, positions.
NO_WEIGHTS = re.compile(
    r"(^|[._/])(optim(izer)?s?(_states?|_state_dict)?|opt_state|schedulers?|lr_schedulers?|exp_avg(_sq)?|momentum_buffer"
    r"|running_(mean|var)|num_batches_tracked|bias|(absolute_|rel_)?pos(ition)?(al)?_?(emb|embed|embedding|encoding|ids)s?"
    r"|relative_position_\w+|(cls|class|mask|dist|reg)_token|attn_mask|attention_mask|causal_mask|attn_bias|rotary_\w+"
    r"|inv_freq)([._/]|$)|(^|[._])bias(_\w+)?$|_bias$",
    re.IGNORECASE,
)
_OF_PARAMETRIZATION = re.compile(r"(^|.*\.)parametrizations\.(\w+)\.\d+\.(\w*mask)$")


def is_no_weight(name: str) -> bool:
    """Return whether a name says that a tensor is no weight of a layer."""
    return NO_WEIGHTS.search(name) is not None


def may_be_embedding(name: str, facts: Facts) -> bool:
    """Return whether a tensor may be a table of embeddings: its layer is known to be one, or its name speaks of one."""
    return facts.get("kind") == "embedding" or re.search(r"emb|(^|\.)wte\.", name.lower()) is not None


def stored_masks(tensors: Sequence[NamedTensor]) -> list[tuple[NamedTensor, NamedTensor | None]]:
    """Return the tensors that are called masks of weights, each with its weight where that is there.

    They are ``NAME_mask`` beside ``NAME_orig`` or ``NAME`` (torch.nn.utils.prune, and buffers of this name), masks of
    parametrizations and of torch.ao.pruning, a ``mask`` beside a tensor of its shape, and all below a key ``masks``, or
    below ``mask`` at the top. A mask of less than 2 axes is none of weights, unless its name is ``weight_mask``.
    """
    by_name = {tensor.name: tensor for tensor in tensors}
    return [(one, found[0]) for one in tensors if (found := _weight_of(one, by_name)) is not None]


def masks_of_others(tensors: Sequence[NamedTensor], taken: set[str]) -> list[NamedTensor]:
    """Return the tensors that are called masks and are not among those taken, such as those of biases."""
    return [one for one in tensors if one.name.endswith("_mask") and one.name not in taken]


def check_together(source: TensorSource, mask: NamedTensor, weight: NamedTensor | None) -> None:
    """Raise InputError where a mask and its weight have different shapes."""
    if weight is not None and weight.shape != mask.shape:
        raise source.error(
            f"{shown(mask.name)} is {size_words(mask.shape)} and {shown(weight.name)} {size_words(weight.shape)}: "
            "a mask has the shape of its weight"
        )


def _weight_of(one: NamedTensor, by_name: dict[str, NamedTensor]) -> tuple[NamedTensor | None] | None:
    """Return the weight that a mask belongs to, or None for it, in a tuple; None where the tensor is called no mask."""
    name, own = one.name, last_word(one.name)
    prefix = name[: len(name) - len(own)]
    if one.is_mask or one.is_sparse:
        return (None,)
    inside = _OF_PARAMETRIZATION.match(name)
    if inside:
        weight = by_name.get(f"{inside[1]}parametrizations.{inside[2]}.original")
        return (weight,) if len(one.shape) > 1 else None
    if name.endswith(SUFFIX):
        base = name.removesuffix("_mask")
        return (by_name.get(f"{base}_orig") or by_name.get(base),)
    if len(one.shape) < 2:
        return None
    if own.endswith("_mask"):
        base = name.removesuffix("_mask")
        weight = by_name.get(f"{base}_orig") or by_name.get(base)
        return None if weight is None else (weight,)
    if own == "mask":
        beside = [
            by_name.get(f"{prefix}{word}") for word in ("weight", "weight_orig", "kernel", "scores", "w")
        ]
        same = [weight for weight in beside if weight is not None and weight.shape == one.shape]
        return (same[0],) if same else None
    words = name.split(".")[:-1]
    if "masks" in words or words[:1] == ["mask"]:
        rest = ".".join(name.split(".")[words.index("masks" if "masks" in words else "mask") + 1 :])
        owners = [tensor for other, tensor in by_name.items() if other != name and other.endswith(f".{rest}")]
        owners = [tensor for tensor in owners if not is_no_weight(tensor.name) and "." in rest]
        return (owners[0] if owners else None,)
    return None
