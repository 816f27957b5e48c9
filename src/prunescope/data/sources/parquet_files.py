"""This module finds the parquet files of each split in the layouts that Hugging Face and its users have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from prunescope.errors import InputError

TRAIN = ("train", "training")
VALIDATION = ("validation", "val", "valid", "dev", "test", "testing")
_KNOWN = {*TRAIN, *VALIDATION}
_SHARD = re.compile(r"(?P<number>\d+)-of-(?P<total>\d+)(-[0-9a-f]{16})?$")
_NUMBERED = re.compile(r"(?P<split>.+?)[-_.]?\d+(-of-\d+)?(-[0-9a-f]{16})?")


def splits_of(root: Path) -> dict[str, list[Path]]:
    """Return the files of each split below the folder ``root``, each in the order of their names.

    The split is in the name of a file (train-00000-of-00002.parquet) or, where that is a number only, the name of
    its folder (train/0000.parquet). A name that merely holds that of a split (photos-train) is taken for it where it
    is the only one: train_extra beside train is a split of its own. Raises InputError when there is no file and when
    there are several configurations, which are folders with splits of their own.
    """
    files = sorted(path for path in root.rglob("*.parquet") if path.is_file() and not _hidden(path, root))
    stated: dict[str, dict[str, list[Path]]] = {}
    for path in files:
        folders = list(path.relative_to(root).parts[:-1])
        split = _split(path.stem)
        if folders and _meant(split) not in _KNOWN and (path.stem.isdecimal() or folders[-1] in _KNOWN):
            split = folders.pop()
        config = "/".join(part for part in folders if part not in ("data", split, _meant(split)))
        stated.setdefault(config, {}).setdefault(split, []).append(path)
    found = {config: _as_meant(splits) for config, splits in stated.items()}
    plain = [config for config in found if set(found[config]) & {*TRAIN}]
    if "" in plain:
        return found[""]
    if len(plain or found) > 1:
        names = sorted(plain or found)
        raise InputError(
            f"{root}: {len(names)} sets of parquet files in it: {', '.join(names)}: choose one with "
            f"data.root={root / names[0]}"
        )
    if not found:
        raise InputError(f"{root}: no train-*.parquet in it or in its folders")
    return found[(plain or list(found))[0]]


def choose(splits: dict[str, list[Path]], asked: str, known: Iterable[str], where: str) -> list[Path]:
    """Return the files of the split ``asked``, or of the first ``known`` one that is there, else none.

    Raises InputError, which names the place as ``where``, for a split asked for that is not there.
    """
    if asked and asked not in splits:
        raise InputError(f"{where}: no split {asked!r} in it; it has {', '.join(sorted(splits))}")
    name = asked or next((name for name in known if name in splits), "")
    return splits[name] if name else []


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _as_meant(splits: dict[str, list[Path]]) -> dict[str, list[Path]]:
    """Return the splits under the names they are known by, each that no other one claims."""
    claims = Counter(_meant(name) for name in splits)
    names = {name: _meant(name) if claims[_meant(name)] == 1 else name for name in splits}
    return {names[name]: paths for name, paths in splits.items()}


def _split(stem: str) -> str:
    """Return the split that a file's name without its suffix states: its first word if that is known, or the name."""
    first = stem.split("-")[0]
    if first in _KNOWN or stem.isdecimal():
        return first
    numbered = _NUMBERED.fullmatch(stem)
    return numbered["split"] if numbered else stem


def _meant(name: str) -> str:
    """Return the known split that the name of one holds as a word, if it holds one only, else the name."""
    among = [word for word in re.split(r"[-_.]", name) if word in _KNOWN]
    return among[0] if len(among) == 1 else name


def check_shards(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return notes on a split of which a part is missing, as its numbers (00000-of-00002) or its name tell.

    Raises InputError for a number that is there twice and for two totals, which are files of two versions of a set.
    """
    shards = {path: match for path in paths if (match := _SHARD.search(path.stem))}
    first: dict[tuple[str, str], Path] = {}
    for path, match in shards.items():
        place = match["number"], match["total"]
        other = first.setdefault(place, path)
        if other != path or place[1] != next(iter(first))[1]:
            before = other if other != path else next(iter(first.values()))
            raise InputError(
                f"{path} and {before} are files of two versions of one split: remove those of one version"
            )
    notes = []
    partial = next((part for path in paths for part in path.parts if part.startswith("partial-")), None)
    if partial is not None:
        notes.append(f"{partial} holds a part of its split, as Hugging Face calls what it cut off at a size")
    if shards:
        path, match = next(iter(shards.items()))
        total, there = int(match["total"]), {int(number) for number, _ in first}
        if len(there) < total:
            absent = next(number for number in range(total + 1) if number not in there)
            name = f"{path.stem[: match.start()]}{absent:0{len(match['number'])}}-of-{match['total']}"
            notes.append(f"{name} is missing: {len(there)} of the {total} files of its split are read")
    return tuple(notes)
