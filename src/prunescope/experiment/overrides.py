"""This module reads and writes overrides: texts ``key=value`` that set a field by its dotted name."""

from __future__ import annotations

import tomllib
from typing import Any

from prunescope.errors import InputError
from prunescope.experiment.dotted import takes_text
from prunescope.experiment.toml import toml_value
from prunescope.experiment.wording import shown


def parsed(override: str) -> tuple[str, Any]:
    """Return name and value of an override ``key=value``.

    The value is TOML, and a bare word is a string; so are a number, a date and true or false where the field takes a text.
    Raises InputError where the name or the ``=`` is missing.
    """
    name, text = _split(override, "write an override as train.steps=2000")
    return name, _value(text, of_text=takes_text(name))


def parsed_axis(override: str) -> tuple[str, Any]:
    """Return name and value of an axis of a sweep, ``key=value`` or ``key=[a,b]``.

    It reads what ``parsed`` reads, and bare words inside lists are strings too. Blanks around the name and the value
    are dropped. Raises InputError where the name or the ``=`` is missing.
    """
    name, text = _split(override, 'write train.steps=2000 or "train.lr=[0.1,0.05]"')
    return name.strip(), _value(text.strip(), words_in_lists=True, of_text=takes_text(name.strip()))


def formatted(name: str, value: Any) -> str:
    """Return the text ``key=value`` that ``parsed`` reads back; raises InputError for a value that TOML lacks."""
    try:
        return f"{name}={toml_value(value)}"
    except TypeError:
        raise InputError(
            f"{name} is {value}: use a number, a string, true, false or a list of them"
        ) from None


def _split(override: str, example: str) -> tuple[str, str]:
    if not isinstance(override, str):
        raise InputError(f"{override!r:.60} is not key=value: {example}")
    name, equals, text = override.partition("=")
    if not equals or not name:
        cut = "]" in override and "[" not in override
        hint = ', and a list with blanks in quotes, as "network.hidden=[64, 64]"' if cut else ""
        raise InputError(f"{shown(override)} is not key=value: {example}{hint}")
    if text.lstrip().startswith("[") and "]" not in text:
        raise InputError(
            f'{shown(override)} is cut off: put a list with blanks in quotes, as "{name}=[64, 64]"'
        )
    return name, text


def _value(text: str, *, words_in_lists: bool = False, of_text: bool = False) -> Any:
    is_list = words_in_lists and text.startswith("[") and text.endswith("]")
    try:
        found = tomllib.loads(f"value = {text}")
        value = found["value"] if len(found) == 1 else None  # Lines that follow are no part of a value.
    except RecursionError:
        raise InputError(f"{shown(text)} is nested too deeply for a value") from None
    except ValueError:  # of TOML, or a number of thousands of digits
        value = None
    if is_list and (value is None or of_text):
        parts = (part.strip() for part in _parts(text[1:-1]))
        inner = ((part, of_text and not part.startswith("[")) for part in parts)
        return [_value(part, words_in_lists=True, of_text=text_too) for part, text_too in inner]
    return text if value is None or (of_text and not isinstance(value, str | list | dict)) else value


def _parts(text: str) -> list[str]:
    """Split a text at the commas outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "," and not depth:
            parts.append("")
            continue
        else:
            depth += (letter in "[{") - (letter in "]}")
        parts[-1] += letter
    return [part for part in parts if part.strip()]
