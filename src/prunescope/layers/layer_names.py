"""What the name of a layer says of its kind; names are those of torch, transformers, timm, torchvision and flax."""

from __future__ import annotations

import re

# The ends that name a layer's weights or their mask, and not the layer.
PARAMETER = re.compile(r"[./_](weight|kernel|embedding|mask|weight_mask|weight_orig|w|params)$")
IN_ATTENTION = re.compile(r"att(n|ention)|(^|\.)mha", re.IGNORECASE)

# By the part of attention: names of layers that are always that part, and those that are inside attention alone.
PROJECTIONS = {
    "qkv": (r"qkv|qkv_proj|to_qkv|w_?qkv|c_attn|query_key_value|attn_qkv", r"in_proj"),
    "kv": (r"kv_proj|to_kv|kv", r"c_kv"),
    "q": (r"q_proj|to_q|q_lin|query_proj", r"query|q|wq"),
    "k": (r"k_proj|to_k|k_lin|key_proj", r"key|k|wk"),
    "v": (r"v_proj|to_v|v_lin|value_proj", r"value|v|wv"),
    "out": (r"o_proj|out_lin|to_out(\.0)?", r"out_proj|wo|o|proj|c_proj|dense|output(\.dense)?|out"),
}
EMBEDDINGS = re.compile(
    r"wte|wpe|shared|embed|embed_in|embeddings?|emb|(word|position|token|token_type|tok|pos|patch_pos)_emb(ed|eddings?)?"
    r"|embed_(tokens|positions|in)|(token|position)s?_embedding_table|pos_embed(ding)?"
)
PATCHES = re.compile(r"patch_?embed|to_patch_embedding|(^|\.)conv_proj$|(^|\.)visual\.conv1$|(^|\.)stem$")
TOKENS = re.compile(r"mlp_tokens?|token_?mix|tokens?_mlp")
RECURRENT = re.compile(r"(^|\.|_)weight_(ih|hh)(_l[0-9]+(_reverse)?)?$")


def plain_name(name: str) -> str:
    """Return the name of a layer without that of its parameter, with dots between its parts."""
    name = name.replace("/", ".").partition(".parametrizations.")[0]
    while found := PARAMETER.search(name):
        if found.start() == 0:
            break
        name = name[: found.start()]
    return name


def projection(name: str, *, inside: bool = False) -> str | None:
    """Return which part of attention a layer is by its name, "q", "k", "v", "qkv", "kv" or "out"; None for another one.

    ``inside``: whether it is known to be inside attention.
    """
    parts = plain_name(name).split(".")
    last, two = parts[-1], ".".join(parts[-2:])
    inside = inside or IN_ATTENTION.search(".".join(parts[:-1])) is not None
    for part, (always, in_attention) in PROJECTIONS.items():
        patterns = [always, in_attention] if inside else [always]
        if any(re.fullmatch(pattern, text, re.IGNORECASE) for pattern in patterns for text in (last, two)):
            return part
    return None


def is_embedding_name(name: str) -> bool:
    """Return whether a name is one that tables of embeddings have."""
    return EMBEDDINGS.fullmatch(plain_name(name).split(".")[-1]) is not None


def is_recurrent(name: str) -> bool:
    """Return whether a mask is that of a recurrent layer by its name."""
    name = name.replace("/", ".").removesuffix("_mask").removesuffix("_orig")
    return RECURRENT.search(name) is not None


def takes_patches(name: str) -> bool:
    """Return whether a layer takes patches of images by its name."""
    plain = plain_name(name)
    parts = plain.split(".")
    # One of numbered layers, as in to_patch_embedding.1, or a projection inside an embedding of patches.
    inner = {"proj", "projection", "conv", "linear"}
    whole = plain if PATCHES.search(plain) and PATCHES.search(parts[-1]) else None
    return whole is not None or (
        (parts[-1] in inner or parts[-1].isdecimal() or parts[-1] == "conv1")
        and PATCHES.search(plain) is not None
    )


def mixes_tokens(name: str) -> bool:
    """Return whether a layer is in a part of a network that mixes tokens by its name."""
    return TOKENS.search(plain_name(name)) is not None
