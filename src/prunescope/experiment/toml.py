"""This module writes values as TOML, which the standard library only reads."""

from __future__ import annotations

import json
from typing import Any


def toml_value(value: Any) -> str:
    """Return a number, string, boolean, list or table as TOML; raises TypeError for anything else."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_value(key)} = {toml_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    # JSON is TOML here but for two things: escapes of half a character (surrogates) and an unescaped character DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
