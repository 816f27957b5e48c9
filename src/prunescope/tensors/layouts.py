"""What is known of the tensors of a file beside its format: by their names, by each other, and by a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prunescope.errors import InputError
from prunescope.tensors.compressed_tensors import uncompressed
from prunescope.tensors.jax_layouts import in_layouts_of_jax
from prunescope.tensors.model_config import ModelConfig
from prunescope.tensors.named_tensor import NamedTensor, TensorSource
from prunescope.tensors.printable import shown
from prunescope.tensors.ties import tied_by_configuration

# The names of weights of which several are packed into one number, as of compressed-tensors, GPTQ and AWQ.
PACKED = frozenset({"weight_packed", "qweight"})
# The linear layers that transformers stores as [n_in, n_out] in models such as GPT-2.
CONV1D = (".c_attn.weight", ".c_fc.weight", ".c_proj.weight", ".q_attn.weight")


def in_its_layout(source: TensorSource, config: ModelConfig) -> TensorSource:
    """Return a source with what names and a configuration say of its tensors.

    Weights that were compressed become one tensor each, masks are marked as such, and the order of axes is that of the
    library that wrote the file, where it can be told. Raises InputError where parts of a weight do not belong together.
    """
    try:
        plain, packed = _without_packed(uncompressed(source.tensors))
    except InputError as error:
        raise source.error(str(error)) from None
    tensors = in_layouts_of_jax(tied_by_configuration(plain) if config.tied else plain)
    inputs_first = config.inputs_first or _has_conv1d(tensors)
    known = [_with_facts(tensor, config, inputs_first=inputs_first) for tensor in tensors]
    notes = [*source.notes]
    if packed:
        form = config.compression or "a quantised model"
        notes.append(
            f"{packed} weights are packed integers of {shown(form)}, which are not read: save the model dense"
        )
    if left_out := len(plain) - len(tensors):
        notes.append(f"{left_out} arrays that are no parameters, as of an optimiser, are left out")
    return replace(source, tensors=known, notes=notes)


def _without_packed(tensors: Sequence[NamedTensor]) -> tuple[list[NamedTensor], int]:
    """Return the tensors without the weights of which several share a number, and how many those are."""
    kept = [tensor for tensor in tensors if tensor.name.rpartition(".")[2] not in PACKED]
    return kept, len(tensors) - len(kept)


def _has_conv1d(tensors: Sequence[NamedTensor]) -> bool:
    """Return whether the projections of attention are three times as wide as high, as only Conv1D of GPT-2 has them."""
    shapes = [tensor.shape for tensor in tensors if tensor.name.endswith(CONV1D[0])]
    return bool(shapes) and all(len(shape) == 2 and shape[1] == 3 * shape[0] for shape in shapes)


def _with_facts(tensor: NamedTensor, config: ModelConfig, *, inputs_first: bool) -> NamedTensor:
    facts = {**config.of(tensor.name), **tensor.facts}
    if inputs_first and tensor.order == "auto" and tensor.name.endswith(CONV1D) and len(tensor.shape) == 2:
        return replace(tensor, facts=facts, order="io")
    return replace(tensor, facts=facts) if facts else tensor
