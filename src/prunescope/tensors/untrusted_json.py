"""JSON that somebody else wrote, read as plain values within limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prunescope.errors import InputError
from prunescope.files import open_regular
from prunescope.tensors.printable import shown


def parsed_object(text: bytes) -> dict[str, Any]:
    """Return a JSON object as a dict; raise ValueError, in one line, for anything else, and for names that are there twice."""
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def read_object(path: Path, largest: int) -> dict[str, Any]:
    """Return the JSON object in a file of at most ``largest`` bytes; raise InputError, in one line, for anything else."""
    with open_regular(path) as file:
        text = file.read(largest + 1)
    if len(text) > largest:
        raise InputError(f"{path}: refused, it has more than {largest / 1e6:,.0f} MB")
    try:
        return parsed_object(text)
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error})") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{shown(name)} is there twice")
        found[name] = value
    return found
