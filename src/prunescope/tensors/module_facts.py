"""What a torch module says of its layer, without importing torch: a module is known by the names of its classes."""

from __future__ import annotations

from typing import Any

from prunescope.tensors.named_tensor import Fact, Facts, Order

# Kinds by the name of a class or of one that it inherits from; "Conv2d" and the like are told apart by their names.
KINDS = {
    "Linear": "linear",
    "Bilinear": "bilinear",
    "Embedding": "embedding",
    "EmbeddingBag": "embedding",
    "LSTM": "lstm",
    "LSTMCell": "lstm",
    "GRU": "gru",
    "GRUCell": "gru",
    "RNN": "rnn",
    "RNNCell": "rnn",
    "MultiheadAttention": "attention",
}
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
OF_CONVOLUTIONS = ("stride", "padding", "dilation", "groups")
# What modules call the number of heads, and of those that keys and values share.
HEADS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "heads", "nhead")
HEAD_SIZES = ("head_dim", "attention_head_size", "head_size")
KEY_HEADS = ("num_key_value_heads", "n_kv_heads", "num_kv_heads", "kv_heads")


def layer_facts(module: Any) -> Facts:
    """Return what a module says of its layer: kind, and what its kind has; nothing for a module that is no layer."""
    for place, name in classes_of(module):
        if place.startswith("transformers") and name == "Conv1D":
            return {"kind": "linear"}
        if name.startswith("Conv") and name[-2:] in ("1d", "2d", "3d"):
            return _convolution(module, name)
        kind = KINDS.get(name)
        if kind is not None:
            return _known(
                {
                    "kind": kind,
                    "gates": GATES.get(kind),
                    "heads": heads_of(module),
                    "head_size": _first(module, HEAD_SIZES) if kind == "attention" else None,
                }
            )
    return {}


def classes_of(module: Any) -> list[tuple[str, str]]:
    """Return where the classes of a module are defined, and their names; of a scripted or traced one, that of its origin.

    All scripted modules have the same class. What each was before is the name of its compiled type, such as
    ``__torch__.torch.nn.modules.linear.___torch_mangle_0.Linear``.
    """
    found = [(cls.__module__, cls.__name__) for cls in type(module).__mro__]
    if found[0][0].startswith("torch.jit"):
        words = str(module._c._type().qualified_name()).split(".")
        path = [word for word in words if word != "__torch__" and not word.startswith("___torch_mangle")]
        found.insert(0, (".".join(path[:-1]), path[-1]))
    return found


def axes_order(module: Any) -> Order:
    """Return the order of axes of a module's weights."""
    names = {name for place, name in classes_of(module) if place.startswith("transformers")}
    return "io" if "Conv1D" in names else "oi"


def quantized_weight(name: str, module: Any) -> str | None:
    """Return the name of the weight that a quantized module of torch packs into what is no tensor; None for others."""
    classes = classes_of(module)
    if not any(".quantized." in f"{place}." and ".ao.nn." in f".{place}." for place, _ in classes):
        return None
    before, _, own = name.rpartition(".")
    if own == "_packed_params":
        return f"{before}.weight" if before else "weight"
    if callable(getattr(module, "weight", None)):
        return f"{name}.weight" if name else "weight"
    return name if any(cls == "PackedParameter" for _, cls in classes) else None


def around(modules: list[Any]) -> Facts:
    """Return what the modules around a layer, the outermost first, say of its heads."""
    for module in reversed(modules):
        heads = heads_of(module)
        if heads is not None:
            shared = _first(module, KEY_HEADS) or _first(getattr(module, "config", None), KEY_HEADS)
            size = _first(module, HEAD_SIZES) or _first(getattr(module, "config", None), HEAD_SIZES)
            return _known({"heads": heads, "kv_heads": shared, "head_size": size})
    return {}


def heads_of(module: Any) -> int | None:
    """Return how many heads a module says that it has; None where it says nothing."""
    return _first(module, HEADS) or _first(getattr(module, "config", None), HEADS)


def _first(holder: object, names: tuple[str, ...]) -> int | None:
    for name in names:
        value = getattr(holder, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _convolution(module: Any, name: str) -> Facts:
    facts: dict[str, Fact] = {"kind": name.lower()}
    for setting in OF_CONVOLUTIONS:
        value = getattr(module, setting, None)
        if isinstance(value, int | str | tuple):
            facts[setting] = value
    # A traced module does not tell it, but by the name of its class.
    if getattr(module, "transposed", "Transpose" in name) is True:
        facts["transposed"] = True
    return facts


def _known(facts: dict[str, Fact | None]) -> Facts:
    return {name: value for name, value in facts.items() if value is not None}
