"""The results that verbs print to stdout, as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.analysis.formats import gigabytes, span
from prunescope.analysis.input_wording import images_text
from prunescope.analysis.nulls import sampled_z
from prunescope.cli.progress import level_line
from prunescope.data.input_wording import INPUTS, size_in_words
from prunescope.errors import MissingInput
from prunescope.experiment import Experiment, preset_names, preset_text

if TYPE_CHECKING:
    from prunescope.runs.device_memory import OnDevice
    from prunescope.runs.directory import Run
    from prunescope.runs.estimate import Estimate

FILES = 12  # source files of a folder of images that are listed one by one


def print_plan(experiment: Experiment, seed: int, out: Path) -> None:
    """Print the resolved experiment, its identity, and an estimate of time, memory and disk."""
    from prunescope.data.prepared.preparation import check_root
    from prunescope.memory import available_memory
    from prunescope.pruning.running import estimate
    from prunescope.runs.directory import is_done
    from prunescope.runs.same_data import Fingerprints
    from prunescope.runs.writer import as_stored, run_path
    from prunescope.sweep.planning import free_disk

    check_root(experiment.data)
    directory = run_path(as_stored(experiment, seed, out, Fingerprints(prepare=False)), seed, out)
    try:
        cost = estimate(experiment)
    except MissingInput as error:
        if not is_done(directory):
            raise
        print(experiment.to_toml())
        print(f"identity    {experiment.identity}")
        print(f"directory   {directory}")
        print(f"status      done; nothing to do ({error})")
        return
    print(experiment.to_toml())
    print(f"identity    {experiment.identity}")
    print(f"directory   {directory}")
    print(f"parameters  {cost.parameters:,}")
    held_out = f"{cost.heldout:,} are held out" if cost.heldout else "none is held out"
    print(f"images      {cost.validation:,} choose the best step, {held_out}")
    print(f"levels      {cost.levels + 1}, {cost.steps:,} steps in all{_ends(cost)}")
    print(
        f"time        {time_text(cost)} ({milliseconds(cost.seconds_per_step)} a dense step {_where(cost)})"
    )
    print(f"engine      {cost.engine}")
    if cost.device:
        for line in device_lines(cost.device):
            print(f"device      {line}")
    available, free = available_memory(), free_disk(out.absolute())
    print(
        f"memory      about {gigabytes(cost.memory_bytes)}, plus the memory-mapped images; "
        f"{gigabytes(available)} available{_too_little(cost.memory_bytes > available)}"
    )
    needed = cost.disk_bytes + cost.checkpoint_bytes
    prepared = f", and {gigabytes(cost.prepared_bytes, 2)} of prepared images" if cost.prepared_bytes else ""
    print(
        f"disk        about {gigabytes(cost.disk_bytes, 2)}{_checkpoints(cost)}{prepared}; "
        f"{gigabytes(free)} free{_too_little(needed > free)}"
    )
    for assumption in cost.assumed:
        print(f"assumed     {assumption}")


def time_text(cost: Estimate) -> str:
    """Return the estimated time, as in ``about 70 s for all levels, 15 s of it for preparing the images once``."""
    text = f"about {span(cost.seconds + cost.preparing)}"
    return f"{text}, {span(cost.preparing)} of it for preparing the images once" if cost.preparing else text


def milliseconds(seconds: float) -> str:
    """Return a time in milliseconds, as in ``12.3 ms``, and ``0.231 ms`` below one."""
    return f"{1000 * seconds:{'.1f' if seconds >= 1e-3 else '.3f'}} ms"


def _where(cost: Estimate) -> str:
    return f"on {cost.device.card}" if cost.device else "here"


def device_lines(device: OnDevice) -> list[str]:
    """Return what a run takes of a device's memory, part by part, and whether that is there."""
    needed = device.needed
    parts = {
        "images": needed.images,
        "network": needed.network,
        "its best and rewound states": needed.snapshots,
        "batches": needed.batch,
        "evaluations": needed.evaluation,
        "CUDA": needed.context,
    }
    text = ", ".join(f"{name} {gigabytes(size, 2)}" for name, size in parts.items())
    lines = [
        f"{device.card} ({device.name}): about {gigabytes(needed.whole)} of its memory ({text}); "
        f"{gigabytes(device.free)} free"
    ]
    if device.streams_images:
        lines.append(
            "the images do not fit beside the rest: they stay on the host, and training may wait for them"
        )
    return lines


def _checkpoints(cost: Estimate) -> str:
    """Return what checkpoints take, where that is much."""
    return (
        f", and {gigabytes(cost.checkpoint_bytes, 2)} while a level is trained"
        if cost.checkpoint_bytes > 1e8
        else ""
    )


def _too_little(is_so: bool) -> str:
    return ": too little" if is_so else ""


def _ends(cost: Estimate) -> str:
    return f"; fewer if before them {cost.ends}" if cost.ends else ""


def print_presets() -> None:
    """Print every preset with the first comment of its file."""
    width = max(map(len, preset_names()))
    for name in preset_names():
        comment = []
        for line in preset_text(name).splitlines():
            if not line.startswith("#"):
                break
            comment.append(line.lstrip("# "))
        print(f"{name:{width}}  {' '.join(comment).split('. ')[0].rstrip('.')}")


def print_fields() -> None:
    """Print every field of an experiment with its default, what it takes, and what it is."""
    from prunescope.experiment.dotted import fields
    from prunescope.experiment.toml import toml_value
    from prunescope.experiment.wording import takes

    lines = []
    for name, info in fields():
        default = info.get_default(call_default_factory=True)
        text = "" if info.is_required() else "none" if default is None else toml_value(default)
        lines.append((name, text, f"{takes(info)}{'; ' * bool(info.description)}{info.description or ''}"))
    widths = [max(len(line[column]) for line in lines) for column in (0, 1)]
    for name, text, meaning in lines:
        print(f"{name:{widths[0]}}  {text:{widths[1]}}  {meaning}")


def print_figures() -> None:
    """Print every figure with its title."""
    from prunescope.figures import figures
    from prunescope.figures.layers import LAYER_FIGURES

    found = {name: figure.title for name, figure in figures().items()}
    found |= {name: figure.title for name, figure in LAYER_FIGURES.items()}
    width = max(map(len, found))
    for name, title in found.items():
        print(f"{name:>{width}}  {title}")


def print_methods() -> None:
    """Print every pruning method, those of other packages included, with what it is."""
    from prunescope.pruning import about_method, method_names

    width = max(map(len, method_names()))
    for name in method_names():
        print(f"{name:{width}}  {about_method(name).rstrip('.')}")


def print_run(run: Run, *, as_json: bool) -> None:
    """Print a run's levels, as a table or as JSON."""
    from prunescope.analysis.input_wording import inputs

    if as_json:
        print(json.dumps(_levels(run), indent=2))
        return
    rows = run.table.to_dicts() if run.levels else []
    images = images_text([run.data.get("validation_images")], "validation", inputs(run))
    heading = f"{run.path}: {run.experiment.name}, seed {run.seed}, {run.status}; accuracies on {images}"
    print(f"{heading}{_of_z(rows)}")
    for row in rows:
        if row["layer"] == 1:
            print(level_line(row))
    for note in run.data.get("notes") or ():
        print(f"data: {note}")
    if run.devices != ("cpu",):
        print(f"device: {' then '.join(run.devices)}")
    if ended := run.about.get("ended"):
        print(f"ended: {ended}")


def _of_z(rows: list[dict[str, Any]]) -> str:
    """Return where the z of a run's levels come from; "" where there is none."""
    counts = {sampled_z(row) for row in rows if row.get("locality_z") is not None}
    if not counts:
        return ""
    number = max(count or 0 for count in counts)
    return (
        f"; z from the sd of {number} shuffled masks" if number else "; z from the exact sd of shuffled masks"
    )


def print_runs(runs: Sequence[Run], *, as_json: bool) -> None:
    """Print a line for each run: its path, its status, and its sparsest level; as JSON all that ``print_run`` prints."""
    if as_json:
        print(json.dumps([_levels(run) for run in runs], indent=2))
        return
    width = max(len(str(run.path)) for run in runs)
    for run in runs:
        rows = [row for row in run.table.to_dicts() if row["layer"] == 1] if run.levels else []
        last = level_line(rows[-1]) if rows else "no level is finished yet"
        print(f"{run.path!s:{width}}  {run.status:11}  {last}")


def _levels(run: Run) -> dict[str, Any]:
    """Return what ``show --json`` prints of a run."""
    rows = run.table.to_dicts() if run.levels else []
    about = run.about
    return {
        "name": about["name"],
        "identity": about["identity"],
        "seed": run.seed,
        "status": run.status,
        "levels": [
            {"level": level, "layers": [row for row in rows if row["level"] == level]} for level in run.levels
        ],
    }


def print_data(folder: Path, sheet: Path | None, *, as_json: bool) -> None:
    """Print the facts of a prepared folder, and draw a sheet of sample images."""
    from prunescope.data import info, sample_sheet
    from prunescope.data.sheet import check_sheet

    if sheet is not None:
        check_sheet(sheet)
    facts: dict[str, Any] = info(folder)
    print(json.dumps(facts, indent=2) if as_json else "\n".join(_lines(_in_words(facts))))
    if sheet is not None:
        sample_sheet(folder, sheet)
        print(sheet)


def _in_words(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a prepared folder under the names of what it holds; those of images stay as they are."""
    geometry = facts["provenance"]["parameters"].get("geometry", "image")
    if geometry == "image":
        return facts
    channels, height, width = facts["shape"]
    size = size_in_words((channels, height, width), geometry)
    names = {"shape": "inputs", "images": INPUTS[geometry]}
    return {names.get(key, key): size if key == "shape" else value for key, value in facts.items()}


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in facts.items():
        if value in ({}, []):
            continue  # no options, or no notes
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            shown = value if len(value) <= FILES else value[: FILES // 2]
            lines.append(f"{indent}{key}: {len(value)}")
            lines += [f"{indent}  {'  '.join(map(str, entry.values()))}" for entry in shown]
            if len(shown) < len(value):
                lines.append(f"{indent}  … {len(value) - len(shown)} more: --json lists all")
        elif key == "notes":
            lines += [f"{indent}note: {note}" for note in value]
        elif isinstance(value, list) and len(value) > 12:
            lines.append(f"{indent}{key}: {len(value)}: {', '.join(map(str, value[:6]))}, …")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            lines.append(f"{indent}{key}: {text}")
    return lines
