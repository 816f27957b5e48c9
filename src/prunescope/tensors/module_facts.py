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
    for cls in type(module).__mro__:
        if cls.__module__.startswith("transformers") and cls.__name__ == "Conv1D":
            return {"kind": "linear"}
        if cls.__name__.startswith("Conv") and cls.__name__[-2:] in ("1d", "2d", "3d"):
            return _convolution(module, cls.__name__)
        kind = KINDS.get(cls.__name__)
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


def axes_order(module: Any) -> Order:
    """Return the order of axes of a module's weights."""
    names = {cls.__name__ for cls in type(module).__mro__ if cls.__module__.startswith("transformers")}
    return "io" if "Conv1D" in names else "oi"


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
    for name in OF_CONVOLUTIONS:
        value = getattr(module, name, None)
        if isinstance(value, int | str | tuple):
            facts[name] = value
    if getattr(module, "transposed", False) is True:
        facts["transposed"] = True
    return facts


def _known(facts: dict[str, Fact | None]) -> Facts:
    return {name: value for name, value in facts.items() if value is not None}
