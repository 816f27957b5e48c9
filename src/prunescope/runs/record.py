"""A run's description (run.json) as a checked value."""

from __future__ import annotations

import json
import re
import reprlib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prunescope.errors import InputError, damaged
from prunescope.files import read_limited

HALF = re.compile(r"\\u[dD][89a-fA-F]")  # half of a character in JSON, as of a name that is not UTF-8
LIMIT = 10_000_000  # bytes; the names of a thousand classes take a hundredth of it
LARGEST = 2**53  # Larger whole numbers are not exact in float64.
LARGEST_NUMBER = 1e100  # The sums of squares of larger numbers would not be finite.
SEEDS = 2**63  # Seeds are smaller: a table holds them as 64 bits with a sign.

Size = Annotated[int, Field(ge=1, le=2**31)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Text = Annotated[str, Field(min_length=1)]


class StoredData(BaseModel):
    """What run.json says of a run's data; versions before 0.2 did not store all of it."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    shape: Annotated[list[Size], Field(min_length=3, max_length=3)] | None = None
    classes: Annotated[list[str], Field(min_length=1)] | None = None
    train_images: Count | None = None
    validation_images: Count | None = None
    heldout_images: Count | None = None
    fingerprint: str | None = None
    split_rule: str | None = None
    split: str | None = None
    notes: list[str] | None = None


class RunRecord(BaseModel):
    """What run.json says of a run; entries that later versions add are kept and not checked."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: Text
    identity: Text
    seed: Annotated[int, Field(ge=0, lt=SEEDS)]
    status: Text
    data: StoredData | None = None
    threads: Annotated[int, Field(ge=1, le=65536)] | None = None
    engine: str | None = None
    engine_note: str | None = None
    engines: list[Text] | None = None
    method: dict[str, str] | None = None
    inputs: dict[str, str] | None = None
    versions: dict[str, str] | None = None
    machine: dict[str, str] | None = None
    devices: list[Text] | None = None
    tables: list[str] | None = None
    error: str | None = None
    ended: str | None = None


def read_record(path: Path) -> tuple[dict[str, Any], RunRecord]:
    """Return the entries of a run.json as they stand, and checked; raise InputError, in one line, when it is damaged."""
    try:
        text = read_limited(path, LIMIT).decode("utf-8")
        entries = json.loads(text)
    except InputError:
        raise
    except (ValueError, RecursionError):
        raise damaged(path, "not JSON") from None
    if HALF.search(text):
        entries = _whole_characters(entries)
    if not isinstance(entries, dict):
        raise damaged(path, "not a table of entries")
    try:
        return entries, RunRecord.model_validate(entries)
    except ValidationError as error:
        raise damaged(path, _first(error)) from None


def _whole_characters(value: Any) -> Any:
    """Return values of JSON with a replacement for each half of a character, which no table, page or figure can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_characters(one) for one in value]
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(one) for key, one in value.items()}
    return value


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong, as ``seed is '1': input should be a valid integer``."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part)[:40] for part in first["loc"])
    if first["type"] == "missing":
        return f"no {where}"
    return f"{where} is {reprlib.repr(first['input'])}: {first['msg'][:1].lower()}{first['msg'][1:]}"
