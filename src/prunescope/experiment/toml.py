"""This module reads TOML, and writes values as TOML, which the standard library only reads."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from prunescope.errors import InputError
from prunescope.files import read_limited

# A file of an experiment or a sweep is written by people; every preset is below 2 kB.
MOST_BYTES = 4_000_000


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds; raise InputError for what cannot be read, is no TOML, or is far too large."""
    try:
        content = read_limited(path, MOST_BYTES, "neither an experiment nor a sweep")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # a path that no system has, as one with a null character
        raise error if isinstance(error, InputError) else InputError(f"{str(path)!r}: {error}") from None
    try:
        return parse_toml(content.decode("utf-8"), str(path))
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a UTF-8 text file") from None


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """Return what a TOML text holds; raise InputError, which begins with ``origin``, where it is not TOML.

    The standard library also fails on lists within a thousand lists, on numbers of some thousand digits and on dates that
    no calendar has.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError(f"{origin}: not TOML: lists or tables are nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError is one
        raise InputError(f"{origin}: not TOML: {error}") from None


def toml_value(value: Any) -> str:
    """Return a number, string, boolean, list or table as TOML; raises TypeError for anything else."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_value(key)} = {toml_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    # JSON is TOML here but for two things: escapes of half a character (surrogates) and an unescaped character DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
