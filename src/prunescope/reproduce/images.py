"""Choose the images of a reproduction from the values of --data, recognising sources by their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from prunescope.data.sources import kinds
from prunescope.errors import InputError
from prunescope.experiment import Experiment, Source
from prunescope.experiment.following import OWN_IMAGES
from prunescope.experiment.scale import WITHOUT_FILES

# ImageNet64 has the file names of ImageNet32, so that only the user can tell them apart.
LARGE = "imagenet64"


def overrides_for(preset: Experiment, given: Sequence[str], scale: str) -> list[str]:
    """Return the overrides that set the images of ``preset`` from ``given``, the values of --data.

    A value is ROOT, SOURCE=ROOT, or SOURCE alone: photographs, nlgp and nlgp-clone need no files, and for finished runs
    none are read of the others either. ImageNet64 is taken from imagenet64=ROOT
    alone; without it photographs of 64x64 pixels replace it. At scales without ImageNet's files (mini, miniature) no images are needed. Raises
    InputError when none are given that could serve, or when a folder's source is not recognised.
    """
    if not given and scale in WITHOUT_FILES:
        return []
    sources = dict(_source(value) for value in given)
    wanted = preset.data.source
    if wanted in sources:
        return _fields(wanted, sources[wanted])
    others = {name: root for name, root in sources.items() if name != LARGE}
    if wanted == LARGE and (others or LARGE not in sources):
        return ["data.source=photographs"]
    if not others:
        raise InputError(
            f"{preset.name} needs images at scale {scale}: give --data FOLDER (ImageNet32, parquet, CIFAR, class "
            "folders, .npz) or --data photographs"
        )
    name = next(iter(others))
    return _fields(name, others[name])


def _fields(source: str, root: str) -> list[str]:
    return [f"data.source={source}", *([f"data.root={root}"] if root else [])]


def _source(value: str) -> tuple[str, str]:
    if value in get_args(Source) and (value in OWN_IMAGES or not Path(value).exists()):
        return value, ""
    name, equals, root = value.partition("=")
    if equals and name in get_args(Source):
        return name, root
    path = Path(value)
    if not path.exists():
        raise InputError(
            f"--data {value}: not there; give a folder, a file, photographs, SOURCE=FOLDER, or SOURCE for finished runs"
        )
    return _kind(path), value


def _kind(path: Path) -> str:
    """Return the name of the source that can read ``path``, from the names of its files."""
    found = kinds.source_of(path)
    if found is not None:
        return found
    raise InputError(
        f"--data {path}: cannot tell what it holds; say it as SOURCE=FOLDER, SOURCE one of data.source"
    )
