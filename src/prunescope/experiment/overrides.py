"""Overrides: ``key=value`` texts as the values of dotted fields."""

from __future__ import annotations

import tomllib
from typing import Any

from prunescope.errors import InputError


def parsed(override: str) -> tuple[str, Any]:
    """``key=value`` as name and value. The value is TOML; a bare word is a string. Raises InputError."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise InputError(f"{override!r} is not key=value: an override looks like train.steps=2000")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value
