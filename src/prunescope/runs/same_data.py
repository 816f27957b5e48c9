"""Checks whether data are those that a run was made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError
from prunescope.runs.directory import Run

if TYPE_CHECKING:
    from prunescope.data import Dataset
    from prunescope.data.raw_images import Progress
    from prunescope.experiment import Data


class Fingerprints:
    """The fingerprints of data sets, each of which is opened once, when it is first asked for."""

    def __init__(self, progress: Progress | None = None, *, prepare: bool = True) -> None:
        """Know nothing yet; ``progress`` is told of preparation.

        Without ``prepare``, the fingerprints of data that are not prepared yet stay unknown.
        """
        self._progress = progress
        self._prepare = prepare
        self._known: dict[Data, str | None] = {}

    def of(self, data: Data, seed: int) -> str | None:
        """Return the fingerprint of images and task, None where it is unknown; raise InputError for data that are wrong."""
        if data not in self._known:
            self._known[data] = self._opened(data, seed)
        return self._known[data]

    def _opened(self, data: Data, seed: int) -> str | None:
        from prunescope.data import open_dataset
        from prunescope.data.prepared.preparation import find_prepared

        if not self._prepare and find_prepared(data) is None:
            return None
        return open_dataset(data, seed, progress=self._progress).fingerprint


def described(dataset: Dataset) -> dict[str, Any]:
    """Return what run.json says of a run's data: shape, classes, numbers of images, fingerprint, split, notes."""
    from prunescope.runs.correct_images import split_digest

    return {
        "shape": list(dataset.shape),
        "classes": list(dataset.classes),
        "train_images": dataset.train_size,
        "validation_images": len(dataset.validation),
        "heldout_images": len(dataset.heldout),
        "fingerprint": dataset.fingerprint,
        "split_rule": dataset.split_rule,
        "split": split_digest(dataset),
        "notes": list(dataset.notes),
    }


def check(run: Run, found: dict[str, Any]) -> None:
    """Raise InputError where ``found``, as ``described`` returns it, are not the images and the split of ``run``.

    Nothing is raised for a run that has not opened its data yet; runs of earlier versions stored no split.
    """
    stored = run.data
    if not stored:
        return
    if stored["fingerprint"] != found["fingerprint"]:
        raise InputError(
            f"{run.path}: was run on {_difference(stored, found)}: for these give data.name=NAME, or choose another --out"
        )
    if stored.get("split", found["split"]) != found["split"]:
        raise InputError(
            f"{run.path}: was run with another validation or held-out set (split {stored['split'][:12]}, now "
            f"{found['split'][:12]}): for this one give data.name=NAME, or choose another --out"
        )


def check_inputs(run: Run, found: Mapping[str, str]) -> None:
    """Raise InputError where what a method reads beside the images is not what ``run`` was begun with.

    ``found``: its digests, by the field that names it. Nothing is raised for a run that has stored none yet.
    """
    stored = run.record.inputs or {}
    for name, digest in found.items():
        if stored.get(name, digest) != digest:
            raise InputError(
                f"{run.path}: was begun with other contents of {name} (digest {stored[name][:12]!a}, now {digest[:12]}): "
                "for these choose another --out or name"
            )


def _difference(stored: dict[str, Any], found: dict[str, Any]) -> str:
    """Return in words what other data a run was made of."""
    size = "x".join(map(str, stored["shape"])), "x".join(map(str, found["shape"]))
    if size[0] != size[1]:
        return f"other images (of {size[0]} values, these are of {size[1]})"
    classes = len(stored["classes"]), len(found["classes"])
    if classes[0] != classes[1]:
        return f"other classes ({classes[0]}, now {classes[1]})"
    prints = f"fingerprint {stored['fingerprint'][:12]}, now {found['fingerprint'][:12]}"
    if stored["classes"] != found["classes"]:
        return f"classes of other names ({prints})"
    return f"other images or another task ({prints})"


def same_place(one: Data, other: Data) -> bool:
    """Return whether ``data.root`` of both names the same folder or file."""
    return bool(one.root and other.root) and one.root_path.resolve() == other.root_path.resolve()
