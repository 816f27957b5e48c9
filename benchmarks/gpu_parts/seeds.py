"""The part seeds: the preset quickstart with several seeds, and what its levels find with mean and spread over them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from gpu_parts.output import table
from gpu_parts.setting import Request, start

SEEDS = (0, 1, 2)
COLUMNS = ("best_val_accuracy", "heldout_accuracy", "locality")
TITLES = ("best validation accuracy", "held-out accuracy", "locality, layer 1")
TINY = (
    "data.patches=600",
    "data.validation=100",
    "data.heldout=100",
    "network.hidden=[16,16]",
    "train.steps=20",
    "train.batch=20",
    "train.eval_every=10",
    "prune.levels=2",
    "prune.rewind_step=5",
)
KEPT_SECONDS = 5.0  # for what comes after the runs
STOPPED = (0, 130, 143, -signal.SIGTERM)

Levels = Mapping[int, Mapping[str, float | None]]  # the columns by level


def run_seeds(request: Request, skip: int = 0) -> bool:
    """Run quickstart on the device with one seed after another, as time allows, and print what they found by level.

    Finished runs are kept among the temporary files, so that a later call goes on with the next seed.
    """
    kept = Path(tempfile.gettempdir()) / f"prunescope-seeds-{request.device.replace(':', '-')}"
    folder = Path(tempfile.mkdtemp()) if request.tiny else kept
    folder.mkdir(exist_ok=True)
    found: dict[int, Levels] = {}
    took = 0.0
    try:
        for seed in SEEDS:
            if found and request.left - KEPT_SECONDS < took:
                request.output.row("seeds", name=f"seed {seed}", state="left out")
                request.output.say(f"left out: seed {seed}: no time was left")
                continue
            began = time.monotonic()
            with request.output.recorded("seeds", f"seed {seed}") as facts:
                facts["code"] = _run(request, folder, seed)
                found[seed] = levels(folder / "runs", seed)
                facts["levels"] = len(found[seed])
            took = time.monotonic() - began
    finally:
        if request.tiny:
            shutil.rmtree(folder)
    for seed, of_seed in found.items():
        for level, facts_of in of_seed.items():
            request.output.row("seeds", seed=seed, level=level, facts=dict(facts_of))
    for line in summarised(request, found):
        request.output.say(line)
    return all(row.get("state") != "FAILED" for row in request.output.rows() if row["part"] == "seeds")


def _run(request: Request, folder: Path, seed: int) -> int:
    """Run one seed until the time is up, and return its exit code."""
    fields = [f"run.device={request.device}", *(TINY if request.tiny else ())]
    arguments = ["run", "quickstart", *fields, "--seed", str(seed), "--out", folder / "runs"]
    process = start(arguments, folder)
    expected: tuple[int, ...] = STOPPED
    try:
        _, error = process.communicate(timeout=max(5.0, request.left - KEPT_SECONDS))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)  # The levels that are done are worth something.
        try:
            _, error = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            _, error = process.communicate()
            expected = (-signal.SIGKILL,)
    if process.returncode not in expected:
        raise RuntimeError(f"exit code {process.returncode}: {error.strip()[-500:]}")
    return process.returncode


def levels(runs: Path, seed: int) -> Levels:
    """Return the columns of the first layer by level of the run with this seed; empty before its first level's end."""
    from prunescope.runs.directory import Run

    found = sorted(runs.glob(f"*/seed-{seed}/levels.parquet"))
    if not found:
        return {}
    rows = Run(found[0].parent).table.filter(layer=1).sort("level").to_dicts()
    return {row["level"]: {name: row[name] for name in ("density", *COLUMNS)} for row in rows}


def summarised(request: Request, found: Mapping[int, Levels]) -> list[str]:
    """Record mean and spread over the seeds at each level, and return the lines of their table."""
    cells = []
    for level in sorted({level for of_seed in found.values() for level in of_seed}):
        of_level = [of_seed[level] for of_seed in found.values() if level in of_seed]
        spreads = {name: spread([row[name] for row in of_level]) for name in ("density", *COLUMNS)}
        facts = {
            name: {"mean": middle, "spread": around}
            for name, (middle, around) in spreads.items()
            if name in COLUMNS
        }
        request.output.row("seeds", level=level, seeds=len(of_level), over_seeds=facts)
        density = spreads["density"][0]
        shown = [_shown(*spreads[name]) for name in COLUMNS]
        cells.append([str(level), "-" if density is None else f"{density:.4g}", str(len(of_level)), *shown])
    header = ["level", "density", "seeds", *TITLES]
    title = f"quickstart on {request.device} (mean ± standard deviation over the seeds)"
    return list(table(title, header, cells)) if cells else []


def spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Return the mean and the standard deviation of the values that are there; None where too few are."""
    known = [value for value in values if value is not None]
    return (mean(known) if known else None), (stdev(known) if len(known) > 1 else None)


def _shown(middle: float | None, around: float | None) -> str:
    if middle is None:
        return "-"
    return f"{middle:.4f}" if around is None else f"{middle:.4f} ± {around:.4f}"
