"""The part check: what the device computes, against the CPU and against itself."""

from __future__ import annotations

import contextlib
import io
import math
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gpu_parts.output import BrokenDevice
from gpu_parts.setting import Request, Work, called, complaints, start, toml

Facts = dict[str, object]
Check = Callable[[Work], Facts]
# At each mark: the mean loss since the last one, the model, and the moving averages of what takes part.
Trajectory = list[tuple[float, Any, list[np.ndarray]]]
MARKS = (1, 2, 5, 20)
# How far losses and parameters may be from the CPU's in float32, relative; by precision.
TOLERANCES = {"float32": 1e-4, "tf32": 1e-2, "bf16": 3e-2}
# The same of what the first steps changed, which shows an error that the parameters hide.
UPDATE_TOLERANCES = {"float32": 2e-3, "tf32": 3e-2, "bf16": 1e-1}
RATES = {"sgd": 0.1, "momentum": 0.02, "adam": 0.001}
# Rounding grows from step to step where units switch on and off: tolerances are so many times larger at these marks.
GROWTH = {1: 1.0, 2: 1.0, 5: 3.0, 20: 10.0}
# Adam's first updates have the size of the rate however small a gradient is, so that rounding decides their signs.
ADAM = 50.0


SAMPLED = re.compile(r"null|_sd|_z$")
BESIDE = ("killed and resumed", "sweep", "dry run")  # checks in processes of their own


class Wrong(AssertionError):
    """What was computed is not what it should be."""


def run_check(request: Request, skip: int = 0) -> bool:
    """Run all checks but the first ``skip``, as time allows, and return whether all that ran passed.

    Those that wait for other processes go on beside the others from the start.
    """
    pool = ThreadPoolExecutor(len(BESIDE))
    with tempfile.TemporaryDirectory() as folder:
        work = Work(request, Path(folder))
        assert work.images_file.exists()
        todo = list(checks(request))[skip:]
        beside = {name: pool.submit(check, work) for name, check in todo if name in BESIDE}
        for name, check in todo:
            if request.left < 0 and name not in beside:
                request.output.row("check", name=name, state="left out")
                request.output.say(f"left out: check {name}: no time was left")
                continue
            with request.output.recorded("check", name) as facts, complaints() as found:
                facts |= beside[name].result() if name in beside else check(work)
                if found:
                    raise Wrong(f"warned: {found[0]}")
        pool.shutdown()
    states = [row.get("state") for row in request.output.rows() if row["part"] == "check"]
    return "FAILED" not in states


def precisions(device: str) -> list[str]:
    """Return the precisions that the device takes, in order of worth."""
    from prunescope.bench.device.sizes import engine_precisions

    return [name for name in engine_precisions() if name != "tf32" or device != "cpu"]


def checks(request: Request) -> Iterator[tuple[str, Check]]:
    """Yield every check with its name, in order of worth."""
    from gpu_parts import rare

    known = precisions(request.device)
    for precision in known:
        yield f"agrees paper {precision}", partial(agrees, layout="paper", precision=precision)
    for precision in known:
        yield f"agrees odd {precision}", partial(agrees, layout="odd", precision=precision)
        yield f"blocks {precision}", partial(blocks_are_steps, precision=precision)
        yield f"twice {precision}", partial(twice_the_same, precision=precision)
        yield f"resumes {precision}", partial(resumes, precision=precision)
        yield f"captured {precision}", partial(is_captured, precision=precision)
        yield f"falls silent {precision}", partial(rare.falls_silent, precision=precision)
        yield f"streamed {precision}", partial(rare.is_streamed, precision=precision)
    yield "evaluates", evaluates
    yield "float32 is set", float32_is_set
    yield "run agrees", run_agrees
    for precision in known:
        for optimizer in ("momentum", "adam"):
            yield f"agrees {optimizer} {precision}", partial(agrees, optimizer=optimizer, precision=precision)
        for norm in ("after", "none"):
            yield f"agrees norm={norm} {precision}", partial(agrees, norm=norm, precision=precision)
        for rule in ("feedback", "shrinking"):
            yield f"agrees {rule} {precision}", partial(agrees, rule=rule, precision=precision)
    from prunescope.pruning import method_names

    for method in method_names():
        yield f"method {method}", partial(method_runs, method=method)
    yield "memory", rare.takes_memory
    yield "no such device", no_such_device
    yield "killed and resumed", killed_and_resumed
    yield "sweep", sweeps
    yield "dry run", rare.dry_run


def agrees(
    work: Work, layout: str = "odd", *, precision: str, optimizer: str = "sgd", **options: str
) -> Facts:
    """Train the same batches on the device and on the CPU, and compare losses and parameters.

    ``options``: ``norm`` and the update ``rule``.
    """
    norm, rule = options.get("norm", "before"), options.get("rule", "kept")
    train = {"optimizer": optimizer, "lr": RATES[optimizer], "precision": precision}
    experiment = work.experiment(layout, train=train, network={"norm": norm})
    model, ticket = beginning(work, layout, norm)
    key = f"{layout} {optimizer} {norm} {rule}"
    if key not in work.expected:
        reference = work.reference_engine(layout, experiment, rule)
        reference.start(model, ticket)
        work.expected[key] = trajectory(work, layout, reference)
    engine = work.engine(layout, experiment, rule)
    engine.start(model, ticket)
    found = trajectory(work, layout, engine)
    if rule == "kept":
        stays_pruned(found[-1][1], ticket)
    return compared(found, work.expected[key], model, experiment)


def stays_pruned(model: Any, ticket: Any) -> None:
    """Raise Wrong where a pruned weight or bias is not 0."""
    for number, (layer, mask, kept) in enumerate(
        zip(model.layers, ticket.masks, ticket.biases, strict=False), 1
    ):
        moved = np.count_nonzero(layer.weight[~mask.array]), np.count_nonzero(layer.bias[~kept])
        if any(moved):
            raise Wrong(f"layer {number}: {moved[0]} pruned weights and {moved[1]} pruned biases are not 0")


def compared(
    found: Trajectory, expected: Trajectory, begun: Any, experiment: Any, growth: float = 1.0
) -> Facts:
    """Return how far losses, parameters, averages and updates since ``begun`` are from those expected; raise Wrong if too far.

    Updates may be ``growth`` times as far as usual.
    """
    precision, adam = experiment.train.precision, experiment.train.optimizer == "adam"
    facts: Facts = {"loss": {}, "parameters": {}, "averages": {}, "updates": {}}
    wrong = []
    for mark, own, other in zip(MARKS, found, expected, strict=True):
        errors = {
            "loss": abs(own[0] - other[0]) / abs(other[0]),
            "parameters": distance(own[1], other[1]),
            "averages": distance(own[2], other[2]) if other[2] else 0.0,
            "updates": distance(less(own[1], begun), less(other[1], begun)),
        }
        for name, error in errors.items():
            facts[name][str(mark)] = error  # type: ignore[index]
            limit = GROWTH[mark] * TOLERANCES[precision]
            if name == "updates":
                limit = growth * UPDATE_TOLERANCES[precision]
            elif name in ("parameters", "averages") and adam:
                limit *= ADAM
            if name == "updates" and (mark > 2 or adam):
                continue
            if not error <= limit:
                wrong.append(f"{name} after {mark} steps differ by {error:.2g}, more than {limit:.2g}")
    if wrong:
        raise Wrong("; ".join([*wrong, f"all: {facts}"]))
    return facts


def beginning(work: Work, layout: str, norm: str = "before", *, prune_bias: bool = True) -> tuple[Any, Any]:
    """Return a model and a ticket that keeps a third, with units that are dead in several ways.

    ``prune_bias``: whether the bias of a unit that lives is pruned for certain.
    """
    from prunescope.mask import Mask
    from prunescope.model import Ticket, initial

    sizes = work.layout(layout).sizes
    rng = np.random.default_rng(7)
    masks = [rng.random((m.n_out, m.n_in)) < 0.35 for m in Ticket.dense(sizes).masks]
    dead = np.flatnonzero(~work.dataset(layout).live_pixels)
    masks[0][0] = False  # no weight at all
    masks[0][1] = False
    masks[0][1, dead] = True  # sees dead pixels only
    masks[1][0, 2:] = False  # is fed by those two alone
    masks[1][:, 3] = False  # nothing reads the unit 3
    biases = tuple(rng.random(len(mask)) < 0.9 for mask in masks)
    for kept in biases if prune_bias else ():
        kept[2] = False  # of a unit that lives
    model = initial(sizes, norm, 3)
    moved = [
        replace(layer, bias=rng.uniform(0.1, 0.5, layer.bias.shape).astype(np.float32))
        for layer in model.layers
    ]
    return type(model)(tuple(moved)), Ticket(tuple(map(Mask, masks)), biases)


def batches_of(work: Work, layout: str, count: int) -> list[Any]:
    """Return the first batches of a layout's images."""
    data, batch = work.dataset(layout), work.layout(layout).batch
    return [data.draw(0, 0, step, batch) for step in range(count)]


def trajectory(work: Work, layout: str, engine: Any, before: int = 0) -> Trajectory:
    """Return the trajectory of an engine in the steps after the first ``before``."""
    from prunescope.bench.device.competitors import take_steps

    batches = batches_of(work, layout, before + MARKS[-1])[before:]
    found = []
    for first, last in zip((0, *MARKS), MARKS, strict=False):
        take_steps(engine, batches[first:last])
        loss, model = engine.take_loss(), engine.model()
        found.append((loss, model, averages(work, layout, model)))
    return found


def averages(work: Work, layout: str, model: Any) -> list[np.ndarray]:
    """Return the moving averages of the inputs that vary and are read, which all engines have; of norm "before" alone."""
    ticket, live = beginning(work, layout)[1], work.dataset(layout).live_pixels
    read = [*(mask.array.any(axis=0) for mask in ticket.masks), np.True_]
    return [
        np.asarray(average[varies & reads], np.float64)
        for layer, varies, reads in zip(model.layers, ticket.live_inputs(live), read, strict=True)
        for average in (layer.mean, layer.variance)
        if average.shape == varies.shape and layer.gamma.shape == varies.shape
    ]


def less(model: Any, other: Any) -> list[np.ndarray]:
    """Return the arrays of a model less those of another."""
    return [a - b for a, b in zip(_arrays(model), _arrays(other), strict=True)]


def _arrays(model: Any) -> list[np.ndarray]:
    if isinstance(model, list):
        return model
    return [
        np.asarray(value, np.float64)
        for layer in model.layers
        for value in (layer.weight, layer.bias, layer.gamma, layer.beta)
    ]


def distance(found: Any, expected: Any) -> float:
    """Return how far arrays or a model's are from those expected, relative to these."""
    pairs = list(zip(_arrays(found), _arrays(expected), strict=True))
    return float(np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs) / sum((b**2).sum() for _, b in pairs)))


def state_after(work: Work, precision: str, pieces: list[int], engine: Any = None) -> tuple[Any, Any]:
    """Return the engine and its state's arrays after blocks of so many steps."""
    from prunescope.bench.device.competitors import take_steps

    if engine is None:
        experiment = work.experiment(
            "odd", train={"precision": precision, "optimizer": "momentum", "lr": 0.02}
        )
        engine = work.engine("odd", experiment)
        engine.start(*beginning(work, "odd"))
    batches = batches_of(work, "odd", sum(pieces))
    position = 0
    for piece in pieces:
        take_steps(engine, batches[position : position + piece])
        position += piece
    return engine, engine.state().to_arrays()


def same_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Raise Wrong unless all arrays are the same."""
    differ = [name for name in expected if found[name].tobytes() != expected[name].tobytes()]
    if differ or found.keys() != expected.keys():
        raise Wrong(f"other bits in {len(differ)} of {len(expected)} arrays: {', '.join(differ[:5])}")


def blocks_are_steps(work: Work, precision: str) -> Facts:
    """Compare blocks of steps with single ones, bit for bit."""
    _, single = state_after(work, precision, [1] * 23)
    for pieces in ([23], [1, 20, 2], [7, 16]):
        same_bits(state_after(work, precision, pieces)[1], single)
    return {}


def twice_the_same(work: Work, precision: str) -> Facts:
    """Compare two runs of the same steps, bit for bit, and a level that is begun again in the same engine.

    Returns the seconds of each, the first of which compiles what the others use.
    """
    began = time.monotonic()
    engine, first = state_after(work, precision, [20])
    seconds = [time.monotonic() - began]
    same_bits(state_after(work, precision, [20])[1], first)
    seconds.append(time.monotonic() - began - seconds[0])
    engine.start(*beginning(work, "odd"))
    same_bits(state_after(work, precision, [20], engine)[1], first)
    seconds.append(time.monotonic() - began - sum(seconds))
    return {"begun_in": seconds}


def resumes(work: Work, precision: str) -> Facts:
    """Compare an engine that is put at a state with one that went on, bit for bit."""
    from prunescope.bench.device.competitors import take_steps
    from prunescope.training.state import EngineState

    engine, _ = state_after(work, precision, [7])
    arrays = engine.state().to_arrays()
    rest = batches_of(work, "odd", 20)[7:]
    take_steps(engine, rest)
    other, _ = state_after(work, precision, [3])
    other.start(*beginning(work, "odd"))
    other.restore(EngineState.from_arrays(arrays))
    take_steps(other, rest)
    same_bits(other.state().to_arrays(), engine.state().to_arrays())
    return {}


def float32_is_set(work: Work) -> Facts:
    """Compare float32 steps with those of a process whose float32 products are TF32 by its own setting, bit for bit."""
    import torch

    _, expected = state_after(work, "float32", [1, 20])
    torch.set_float32_matmul_precision("high")
    try:
        _, found = state_after(work, "float32", [1, 20])
    finally:
        torch.set_float32_matmul_precision("highest")
    same_bits(found, expected)
    return {}


def is_captured(work: Work, precision: str) -> Facts:
    """Count launches of graphs and of kernels in 20 steps; on a CPU there are none."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from prunescope.bench.device.competitors import take_steps

    engine, _ = state_after(work, precision, [20])
    if work.request.device == "cpu":
        return {"skipped": "no CUDA"}
    batches = batches_of(work, "odd", 20)
    take_steps(engine, batches)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        take_steps(engine, batches)
        torch.cuda.synchronize()
    counts = {event.key: event.count for event in profiled.key_averages()}
    graphs = sum(count for name, count in counts.items() if "GraphLaunch" in name)
    kernels = sum(count for name, count in counts.items() if "LaunchKernel" in name and "Graph" not in name)
    if not graphs:
        raise Wrong(f"no graph was launched in 20 steps, but {kernels} kernels")
    return {"graphs": graphs, "kernels": kernels}


def evaluates(work: Work) -> Facts:
    """Compare evaluations on the device with the CPU's: scores, right images, another model's score."""
    facts: Facts = {}
    for layout in ("odd", "paper"):
        experiment = work.experiment(layout)
        begun, data = beginning(work, layout), work.dataset(layout)
        pair = work.engine(layout, experiment), work.reference_engine(layout, experiment)
        for engine in pair:
            engine.start(*begun)
            for batch in batches_of(work, layout, 3):
                engine.step(batch)
        model = pair[1].model()
        scores = [engine.evaluate(data.validation, model) for engine in pair]
        right = [engine.right(data.validation, model) for engine in pair]
        if int(right[0].sum()) != scores[0].correct:
            raise Wrong(f"{layout}: right names {int(right[0].sum())} images, evaluate {scores[0].correct}")
        differing = int((right[0] != right[1]).sum())
        loss = abs(scores[0].loss - scores[1].loss) / scores[1].loss
        if differing > 0.002 * len(data.validation) or loss > 1e-4:
            raise Wrong(f"{layout}: {differing} images differ, the loss by {loss:.2g}")
        facts[layout] = {"images": differing, "loss": loss}
        if abs(pair[0].evaluate(data.validation).loss - scores[1].loss) > 1e-3 * scores[1].loss:
            raise Wrong(f"{layout}: the engine's own parameters score otherwise than their copy")
    return facts


def _run(experiment: Any, out: Path) -> Any:
    from prunescope.pruning.running import run

    return run(experiment, seed=1, out=out)


def method_runs(work: Work, method: str) -> Facts:
    """Run a method for two levels on the device."""
    options: dict[str, Any] = {"method": method}
    from prunescope.pruning import find_traits

    if not find_traits(method).iterative:
        options |= {"density": [0.5, 0.2]}
    if method == "random":
        options |= {"density": [0.5]}
    if method in ("snip", "grasp"):
        options |= {"score_images": 200}
    if method == "synflow":
        options |= {"rounds": 5}
    if method in ("set", "rigl", "gradual", "dpf"):
        options |= {"update_every": 7}
    if method == "given":
        options |= {"masks": str(random_masks(work)), "further": 1}
    experiment = work.experiment("odd", prune=options)
    run = _run(experiment, work.folder / method)
    levels = run.table["level"].unique().to_list()
    accuracies = [
        round(value, 3)
        for value in run.table["best_val_accuracy"].to_list()[:: len(run.table) // len(levels)]
    ]
    if not np.isfinite(accuracies).all():
        raise Wrong(f"accuracies {accuracies}")
    return {"levels": len(levels), "accuracies": accuracies}


def random_masks(work: Work) -> Path:
    """Write masks at random that a run can begin with, and return their file."""
    experiment, rng = work.experiment("odd"), np.random.default_rng(0)
    sizes = (math.prod(work.dataset("odd").shape), *experiment.network.hidden)
    path = work.folder / "masks.npz"
    np.savez(path, **{f"layer{n}": rng.random((sizes[n], sizes[n - 1])) < 0.5 for n in range(1, len(sizes))})
    return path


def run_agrees(work: Work) -> Facts:
    """Compare a run's table and observations at the end of a level with those of the same run on the CPU."""
    sections = {"train": {"steps": 20, "eval_every": 5}, "prune": {"levels": 1, "rewind_step": 2}}
    runs = [
        _run(
            work.experiment("odd", run={"device": device, "engine": "torch"}, **sections),
            work.folder / f"on {place}",
        )
        for place, device in (("device", work.request.device), ("cpu", "cpu"))
    ]
    tables = [run.table.drop("seconds", "engine", "device", strict=False) for run in runs]
    worst: dict[str, float] = {}
    for column in tables[0].columns:
        own, other = (table[column] for table in tables)
        if own.dtype.is_float():
            difference = (own - other).abs().max()
            worst[column] = 0.0 if difference is None else difference / max(1e-3, other.abs().max() or 0)  # type: ignore[operator]
        elif not own.equals(other):
            raise Wrong(f"column {column}: {own.to_list()} is not {other.to_list()}")
    observed = [run.observations(0) for run in runs]
    if observed[0].keys() != observed[1].keys():
        raise Wrong(f"observations {sorted(observed[0].keys() ^ observed[1].keys())} are in one of them")
    for name in observed[0]:
        a, b = (np.asarray(found[name], np.float64) for found in observed)
        scale = max(1e-6, float(np.abs(np.nan_to_num(b)).max(initial=0)))
        worst[name] = float(np.abs(np.nan_to_num(a) - np.nan_to_num(b)).mean() / scale) if a.size else 0.0
    # What is sampled by the mask's content differs where one weight of the mask does.
    large = {name: error for name, error in worst.items() if error > (0.3 if SAMPLED.search(name) else 0.02)}
    if large:
        raise Wrong(f"differ by more than 2 % (what is sampled: 30 %): {large}")
    return {"largest": max(worst, key=lambda name: worst[name]), "error": max(worst.values())}


def killed_and_resumed(work: Work) -> Facts:
    """Kill a run after a checkpoint, resume it, and compare every stored bit with an uninterrupted run."""
    from kill_resume import differences

    steps, every = (60, 20) if work.request.tiny else (2000, 50)
    fields = {"steps": steps, "batch": work.layout("odd").batch, "eval_every": every}
    experiment = work.experiment("odd", train=fields, run={"checkpoint_seconds": 0.02})
    path = toml(experiment, work.folder / "killed.toml")
    whole = _finished(["run", path, "--out", work.folder / "whole"], work)
    kills = 0
    for _ in range(2):
        seen = _checkpoints(work.folder / "killed")
        process = start(["run", path, "--out", work.folder / "killed"], work.folder)
        deadline = time.monotonic() + min(work.request.left, 120)
        while process.poll() is None and time.monotonic() < deadline:
            if _checkpoints(work.folder / "killed") not in (seen, {}):
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    if not kills:
        raise Wrong("no run was killed: each ended before")
    resumed = _finished(["run", path, "--out", work.folder / "killed"], work)
    differ = list(differences(whole, resumed))
    if differ:
        raise Wrong(f"differ: {', '.join(differ)}")
    return {"kills": kills}


def _checkpoints(folder: Path) -> dict[Path, int]:
    """Return the checkpoints below a folder with the times of their writing."""
    found = {}
    for path in folder.rglob("checkpoint.safetensors"):
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return found


def _finished(arguments: list[Any], work: Work) -> Path:
    code, out, error = called(arguments, work.folder, work.request.left + 30)
    if code != 0:
        raise Wrong(f"exit code {code}: {error.strip()[-500:]}")
    return Path(out.splitlines()[-1])


def no_such_device(work: Work) -> Facts:
    """Ask for devices that are not there: exit code 2 and one line."""
    from prunescope.cli import main

    path = toml(work.experiment("odd"), work.folder / "device.toml")
    for device in ("cuda:7", "meta", "gpu"):
        code, said = 0, io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                main(["run", str(path), f"run.device={device}", "--out", str(work.folder / "none")])
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        *_, last = said.getvalue().splitlines() or [""]
        if code != 2 or not last.startswith(f"prunescope: run.device is {device!r}"):
            raise Wrong(f"run.device={device}: exit code {code}, {said.getvalue().strip()[-300:]!r}")
    return {}


def sweeps(work: Work) -> Facts:
    """Sweep two runs on one card at a time."""
    path = toml(work.experiment("odd"), work.folder / "swept.toml")
    share = [] if work.request.device == "cpu" else ["run.gpus=0.5"]
    arguments = ["sweep", path, "--seeds", "2", "--out", work.folder / "swept", *share]
    code, _, error = called(arguments, work.folder, work.request.left + 30)
    done = list((work.folder / "swept").rglob("levels.parquet"))
    if code != 0 or len(done) != 2:
        raise Wrong(f"exit code {code}, {len(done)} runs: {error.strip()[-500:]}")
    return {"runs": len(done)}


__all__ = ["BrokenDevice", "checks", "run_check"]
