"""This module writes paths of any bytes as text that TOML, JSON and HTML can hold, and reads them back.

A path whose bytes are UTF-8 is its own text. Another one is written as a URI, ``file:///data/caf%E9.npz`` or, where it is
relative, ``file:caf%E9.npz``, in which %E9 stands for a byte.
"""

from __future__ import annotations

import os
import re
import sys
from urllib.parse import quote_from_bytes, unquote_to_bytes

_SCHEME = "file:"
_SAFE = "/{}"  # "{seed}" in prune.like and prune.masks stays as it is.


def encoded(path: str) -> str:
    """Return a path as text without surrogates, which stand for bytes that are not UTF-8; other paths stay as they are."""
    if not has_surrogates(path):
        return path
    try:
        data = os.fsencode(path)
    except UnicodeEncodeError:  # These surrogates stand for no bytes, so that no file has this name.
        return path
    try:
        return data.decode("utf-8")  # The encoding of the file system is another one.
    except UnicodeDecodeError:
        return f"{_SCHEME}{'//' * path.startswith('/')}{quote_from_bytes(data, safe=_SAFE)}"


def decoded(text: str) -> str:
    """Return the path that ``encoded`` made a text of."""
    if text.startswith(_SCHEME) and re.search(r"%[0-9A-Fa-f]{2}", text):
        rest = text.removeprefix(_SCHEME)
        return os.fsdecode(unquote_to_bytes(rest[2:] if rest.startswith("///") else rest))
    if text.isascii() or sys.getfilesystemencoding() == "utf-8":
        return text
    try:
        return os.fsdecode(text.encode("utf-8"))
    except UnicodeEncodeError:  # It is a path still, and not its text.
        return text


def has_surrogates(text: str) -> bool:
    """Return whether a text holds halves of characters, which no text file can."""
    return not text.isascii() and re.search("[\ud800-\udfff]", text) is not None
