"""Which runs are replicates of each other, which are on the same data, and what tells others apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prunescope.experiment.mask_place import SEED
from prunescope.runs.directory import Run


def by_replicates(runs: Sequence[Run]) -> dict[tuple[str, str, str], list[Run]]:
    """Return runs by their identity, the fingerprint of their images, with that of given masks, and their split.

    Runs of earlier versions stored no split. They are grouped with the others of the same fingerprint and the same
    ``Dataset.split_rule`` while these agree.
    """
    splits: dict[tuple[str, str, str | None], set[str]] = {}
    found: list[tuple[tuple[str, str, str | None], str, Run]] = []
    for run in runs:
        images, split = str(run.data.get("fingerprint") or ""), str(run.data.get("split") or "")
        images = " ".join([images, *(digest for _, digest in _given(run))])
        key = (run.experiment.identity, images, run.split_rule)
        found.append((key, split, run))
        splits.setdefault(key, set()).add(split)
    grouped: dict[tuple[str, str, str], list[Run]] = {}
    for key, split, run in found:
        several = len(splits[key] - {""}) > 1
        identity, images, rule = key
        grouped.setdefault((identity, images, split if several else str(rule)), []).append(run)
    return grouped


def first_of_each_seed(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Return the first of the replicates of each seed, and for each other one a note that it is not taken."""
    by_seed: dict[int, Run] = {}
    notes = []
    for run in runs:
        first = by_seed.setdefault(run.seed, run)
        if first.path.resolve() != run.path.resolve():
            notes.append(f"{run.path}: seed {run.seed} is there twice; {first.path} is taken")
    return list(by_seed.values()), notes


def same_data(run: Run) -> str:
    """Return a text that runs on the same data share: images and task, how they were split, and the section ``data``.

    It is empty for runs that stored no fingerprint, whose data are not known. Given the fingerprint and the section
    ``data``, the split follows from its rule, which runs of earlier versions have too.
    """
    fingerprint = run.data.get("fingerprint")
    fields = run.experiment.data.model_dump_json(exclude={"root", "name"})
    return f"{fingerprint} {run.split_rule} {fields}" if fingerprint else ""


def told_apart(own: Sequence[Run], alike: Sequence[Sequence[Run]]) -> str:
    """Return what tells a group from others with the same label: its data set, its images and its split, as far as needed."""
    said, others = "", list(alike)
    for text in (_set_name, _images, _split_rule, _split, _inputs):
        told = {text(runs[0]) for runs in others}
        if len(told) > 1:
            said += f", {text(own[0])}"
            others = [runs for runs in others if text(runs[0]) == text(own[0])]
    return said


def _set_name(run: Run) -> str:
    return run.experiment.data.set_name or run.experiment.data.source


def _images(run: Run) -> str:
    return f"images {str(run.data.get('fingerprint') or 'unknown')[:8]}"


def _split_rule(run: Run) -> str:
    return {"source order": "validation images in the order of the source"}.get(
        run.split_rule or "", f"{run.split_rule} validation images"
    )


def _split(run: Run) -> str:
    return f"split {str(run.data.get('split') or 'unknown')[:8]}"


def _inputs(run: Run) -> str:
    named = (f"{name} {digest[:8]}" for name, digest in _given(run))
    return ", ".join(named) or "nothing given"


def _given(run: Run) -> list[tuple[str, str]]:
    """Return what a run's method read beside the images and its seed does not decide: the field's name and the digest."""
    stored = run.record.inputs or {}
    return [
        (name, digest) for name, digest in sorted(stored.items()) if SEED not in run.experiment.prune.masks
    ]


def replicate_notes(label: str, runs: Sequence[Run]) -> list[str]:
    """Return what a reader of replicates has to know: what was noted of their data, and in what places they differ."""
    notes = list(
        dict.fromkeys(f"{_set_name(run)}: {note}" for run in runs for note in run.data.get("notes") or ())
    )
    for what, of in PLACES.items():
        texts = {run.seed: text for run in runs if (text := of(run))}
        told = sorted(set(texts.values()))
        if len(told) > 1:
            notes.append(
                f"{label}: seeds were run on different {what} ({', '.join(told)}), alike within rounding"
            )
        elif told and " then " in told[0]:
            each = "each seed" if len(texts) > 1 else f"seed {runs[0].seed}"
            notes.append(f"{label}: {each} was run on the {what} {told[0]}, alike within rounding")
    return notes


def _version(run: Run, package: str) -> str:
    return str((run.about.get("versions") or {}).get(package) or "")


# What may differ between replicates: it changes results within the rounding of float32.
PLACES: dict[str, Callable[[Run], str]] = {
    "engines": lambda run: " then ".join(run.about.get("engines") or [run.about.get("engine") or ""]),
    "devices": lambda run: " then ".join(run.about.get("devices") or [run.experiment.run.device]),
    "versions of prunescope": lambda run: _version(run, "prunescope"),
    "versions of torch": lambda run: _version(run, "torch"),
}
