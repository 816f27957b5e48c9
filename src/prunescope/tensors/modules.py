"""The tensors of torch modules, with the names that their state dicts have and what each module says of its layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from prunescope.errors import InputError
from prunescope.mask import QUANTIZED
from prunescope.tensors.containers import is_tensor
from prunescope.tensors.module_facts import around, axes_order, layer_facts, quantized_weight
from prunescope.tensors.named_tensor import NamedTensor, Rows, TensorSource
from prunescope.tensors.torch_tensors import named_tensor_of, tensor_rows

PARAMETRIZATIONS = "parametrizations"


def is_module(value: object) -> bool:
    """Return whether a value is a torch module; torch need not be imported for it."""
    return hasattr(value, "named_modules")


def module_source(module: Any) -> TensorSource:
    """Return the tensors of a module: parameters, buffers, masks that are kept as attributes, parametrized weights."""
    found: list[NamedTensor] = []
    # Where in ``found`` a tensor is, by its identity.
    places: dict[int, int] = {}
    quantized: set[str] = set()
    modules = dict(module.named_modules())
    for name, inner in modules.items():
        if PARAMETRIZATIONS in name.split("."):
            continue  # what is inside belongs to the module around it
        path = name.split(".") if name else []
        outer = [modules[".".join(path[:depth])] for depth in range(len(path))]
        # Of what modules around it say, its own word counts.
        facts = {**around(outer), **layer_facts(inner)} if layer_facts(inner) else {}
        if facts.get("kind") == "embedding":
            facts = {name: value for name, value in facts.items() if name not in ("heads", "head_size")}
        prefix = f"{name}." if name else ""
        for own, tensor in _tensors_of(inner):
            if id(tensor) in places:
                first = found[places[id(tensor)]]
                found[places[id(tensor)]] = replace(first, also=(*first.also, f"{prefix}{own}"))
                continue
            places[id(tensor)] = len(found)
            found.append(named_tensor_of(f"{prefix}{own}", tensor, axes_order(inner), facts))
        if (packed := quantized_weight(name, inner)) is not None and packed not in quantized:
            quantized.add(packed)
            found.append(_quantized(packed))
        for own, weight in _parametrized(inner):
            found.append(NamedTensor(f"{prefix}{own}", *weight, axes_order(inner), facts))
    return TensorSource("", found)


def _tensors_of(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of a module itself, and the masks among its parametrizations, by their names."""
    for own, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is not None:
            yield own, tensor
    for own, value in vars(module).items():
        if "mask" in own and is_tensor(value):
            yield own, value
    for own, inside in _parametrizations(module):
        for name, tensor in inside.named_buffers():
            if name.endswith("mask"):
                yield f"{PARAMETRIZATIONS}.{own}.{name}", tensor


def _quantized(name: str) -> NamedTensor:
    """Return a quantized weight, which is not read."""

    def begin() -> Rows:
        raise InputError(QUANTIZED)

    return NamedTensor(name, (), "quantized", begin, unread=QUANTIZED)


def _parametrizations(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parametrizations of a module by the names of its tensors."""
    # The modules of a scripted module are no dict.
    held = dict(module._modules.items()).get(PARAMETRIZATIONS)
    if held is not None:
        yield from held.items()


def _parametrized(module: Any) -> Iterator[tuple[str, tuple[tuple[int, ...], str, Any]]]:
    """Yield shape, type and begin of each parametrized tensor whose parametrization holds no mask, by its name."""
    for own, inside in _parametrizations(module):
        if any(name.endswith("mask") for name, _ in inside.named_buffers()):
            continue
        value = _computed(module, own)
        begin = partial(_computed_rows, module, own)
        yield own, (tuple(value.shape), str(value.dtype).removeprefix("torch."), begin)


def _computed(module: Any, own: str) -> Any:
    import torch

    with torch.no_grad():
        return getattr(module, own)


def _computed_rows(module: Any, own: str) -> Rows:
    return tensor_rows(_computed(module, own))
