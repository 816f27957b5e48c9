"""This module finds the parquet files of each split in the layouts that Hugging Face and its users have."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from prunescope.errors import InputError

TRAIN = ("train", "training")
VALIDATION = ("validation", "val", "valid", "dev", "test", "testing")
_KNOWN = {*TRAIN, *VALIDATION}
_NUMBERED = re.compile(r"(?P<split>.+?)[-_.]?\d+(-of-\d+)?(-[0-9a-f]{16})?")


def splits_of(root: Path) -> dict[str, list[Path]]:
    """Return the files of each split below the folder ``root``, each in the order of their names.

    The split is in the name of a file (train-00000-of-00002.parquet) or, where that is a number only, the name of
    its folder (train/0000.parquet). Raises InputError when there is no file and when there are several
    configurations, which are folders with splits of their own.
    """
    files = sorted(path for path in root.rglob("*.parquet") if path.is_file() and not _hidden(path, root))
    found: dict[str, dict[str, list[Path]]] = {}
    for path in files:
        folders = list(path.relative_to(root).parts[:-1])
        split = _split(path.stem)
        if folders and split not in _KNOWN and (path.stem.isdecimal() or folders[-1] in _KNOWN):
            split = folders.pop()
        config = "/".join(part for part in folders if part not in ("data", split))
        found.setdefault(config, {}).setdefault(split, []).append(path)
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


def _split(stem: str) -> str:
    """Return the split that a file's name without its suffix states: a known one if there is one, else the name."""
    words = re.split(r"[-_.]", stem)
    first = stem.split("-")[0]
    if first in _KNOWN:
        return first
    numbered = _NUMBERED.fullmatch(stem)
    name = numbered["split"] if numbered else stem
    if name in _KNOWN:
        return name
    among = [word for word in words if word in _KNOWN]
    return among[0] if len(among) == 1 else name
