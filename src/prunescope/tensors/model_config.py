"""What the `config.json` of a model folder says of its layers, as the libraries of Hugging Face write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prunescope.tensors.named_tensor import Fact, Facts
from prunescope.tensors.untrusted_json import read_object

CONFIG = "config.json"
# A configuration names the parts of a model; one of more bytes is none.
LARGEST_CONFIG = 1 << 22
LONGEST_WORD = 100

# What facts are called here, and the names that configurations give them, the first that is there is taken.
NUMBERS = {
    "heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "kv_heads": ("num_key_value_heads", "n_head_kv"),
    "head_size": ("head_dim",),
}
WORDS = {"model_type": ("model_type",)}
# A model of several models has a configuration of each, for the tensors whose names have such a word.
PARTS = {
    "vision": "vision_config",
    "visual": "vision_config",
    "text": "text_config",
    "language": "text_config",
}
# Models of these types store the weights of their linear layers as [n_in, n_out] (transformers' Conv1D).
INPUTS_FIRST = frozenset({"gpt2", "openai-gpt", "imagegpt", "decision_transformer"})


@dataclass(frozen=True)
class ModelConfig:
    """What a configuration says: ``whole``, of all layers, ``parts``, of those of one part of the model.

    ``compression``: the format of compressed-tensors or of another quantisation, "" where nothing is said of it. ``tied``:
    whether it ties the output layer to the embedding.
    """

    whole: Facts = field(default_factory=dict)
    parts: Mapping[str, Facts] = field(default_factory=dict)
    compression: str = ""
    tied: bool = False

    @property
    def inputs_first(self) -> bool:
        """Whether the weights of linear layers are stored as [n_in, n_out]."""
        return self.whole.get("model_type") in INPUTS_FIRST

    def of(self, name: str) -> Facts:
        """Return the facts of the tensor of this name."""
        for word in name.replace("_", ".").split("."):
            if (part := self.parts.get(PARTS.get(word, ""))) is not None:
                return {**self.whole, **part}
        return self.whole


def read_config(folder: Path) -> ModelConfig:
    """Return what the ``config.json`` in a folder says; nothing where there is none.

    Raises InputError, in one line, for a file that is no such configuration.
    """
    path = folder / CONFIG
    if not path.exists():
        return ModelConfig()
    found = read_object(path, LARGEST_CONFIG)
    parts = {name: _facts(part) for name in set(PARTS.values()) if isinstance(part := found.get(name), dict)}
    tied = found.get("tie_word_embeddings") is True
    return ModelConfig(_facts(found), parts, _compression(found), tied)


def _facts(config: Mapping[str, object]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for fact, names in NUMBERS.items():
        number = next((config[name] for name in names if config.get(name) is not None), None)
        if (checked := _number(number)) is not None:
            facts[fact] = checked
    for fact, names in WORDS.items():
        word = next((config[name] for name in names if name in config), None)
        if isinstance(word, str) and len(word) <= LONGEST_WORD and word.isprintable():
            facts[fact] = word
    return facts


def _number(value: object) -> int | None:
    """Return a positive whole number; None for anything else."""
    return value if type(value) is int and 0 < value < 1 << 31 else None


def _compression(config: Mapping[str, object]) -> str:
    """Return how the weights are compressed or quantised, in the words of the configuration."""
    words = []
    for name in ("quantization_config", "compression_config"):
        outer = config.get(name)
        if not isinstance(outer, dict):
            continue
        inner = outer.get("sparsity_config")
        for one in (inner if isinstance(inner, dict) else {}, outer):
            word = one.get("format") or one.get("quant_method")
            if isinstance(word, str) and word != "dense" and word.isprintable():
                words.append(word[:LONGEST_WORD])
    return ", ".join(dict.fromkeys(words))
