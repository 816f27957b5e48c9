"""Checks of what happens rarely: units that fall silent, images that do not fit, and estimates of a run."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np

from gpu_parts.check import (
    Facts,
    Wrong,
    batches_of,
    beginning,
    compared,
    same_bits,
    state_after,
    trajectory,
)
from gpu_parts.setting import Work, called, toml

BEFORE = 5  # steps until units fall silent
SILENT = 1000.0  # by how much their biases fall
# A variance of 0 makes 316 of a weight of 1, and of its rounding: so many times larger may the updates' errors be.
SILENT_GROWTH = 3.0
VALIDATION = {
    "float32": 1e-2,
    "tf32": 0.1,
    "bf16": 0.2,
}  # of a loss by averages that are far from the batches'
DRY_SECONDS = 120.0
WORKSPACES = 200_000_000  # bytes that cuBLAS may take by torch for products on two streams, at most


def falls_silent(work: Work, precision: str) -> Facts:
    """Compare steps with the CPU's after some units have fallen silent in the middle of a level.

    Their variance in a batch is 0 then, while their moving averages, by which a step may shift its values, are not.
    """
    from prunescope.bench.device.competitors import take_steps

    experiment = work.experiment("odd", train={"lr": 0.1, "precision": precision})
    begun = beginning(work, "odd", prune_bias=False)
    engines = work.engine("odd", experiment), work.reference_engine("odd", experiment)
    for engine in engines:
        engine.start(*begun)
    take_steps(engines[0], batches_of(work, "odd", BEFORE))
    state = silenced(engines[0].state())
    found = []
    for engine in engines:
        engine.restore(state)
        found.append(trajectory(work, "odd", engine, BEFORE))
    facts = compared(found[0], found[1], state.model, experiment, SILENT_GROWTH)
    images = work.dataset("odd").validation
    losses = [engine.evaluate(images).loss for engine in engines]
    error = abs(losses[0] - losses[1]) / losses[1]
    if not error <= VALIDATION[precision]:
        raise Wrong(f"the validation loss is {losses[0]:.4g}, not {losses[1]:.4g}; all: {facts}")
    return facts | {"validation": error}


def silenced(state: Any) -> Any:
    """Return the state of an engine in which an eighth of each hidden layer's units give 0 for every image."""
    layers = list(state.model.layers)
    for index, kept in enumerate(state.ticket.biases):
        chosen = np.flatnonzero(kept)[-max(1, len(kept) // 8) :]
        bias = layers[index].bias.copy()
        bias[chosen] -= SILENT
        layers[index] = replace(layers[index], bias=bias)
    return replace(state, model=type(state.model)(tuple(layers)), loss_sum=0.0, loss_steps=0)


def is_streamed(work: Work, precision: str) -> Facts:
    """Compare steps and scores where images do not fit on the device with those where they do, bit for bit.

    They do not fit from the start, or have to leave the device so that there is memory for a step.
    """
    from prunescope.training.torch.block_feed import ResidentImages
    from prunescope.training.torch.fused_step import FusedStep

    pieces, images = [1, 20, 2], work.dataset("odd").validation
    engine, expected = state_after(work, precision, pieces)
    score = engine.evaluate(images)
    prepared, fails = FusedStep.prepare, [True]

    def full(step: FusedStep, batch: int) -> None:
        if fails and fails.pop():
            raise RuntimeError("CUDA out of memory. Tried to allocate 1.00 GiB")
        prepared(step, batch)

    fits_not = patch.object(ResidentImages, "_upload", lambda self, pixels: None)
    for what, change in (
        ("too large", fits_not),
        ("no memory left", patch.object(FusedStep, "prepare", full)),
    ):
        with change, unheard():
            engine, found = state_after(work, precision, pieces)
            own = engine.evaluate(images)
        if any(tensor is not None for known, tensor in engine._resident._sets if len(known) != len(images)):
            raise Wrong(f"{what}: the training images are on the device")
        same_bits(found, expected)
        if own.correct != score.correct or abs(own.loss - score.loss) > 1e-5 * score.loss:
            raise Wrong(f"{what}: the score is {own}, not {score}")
    return {"images": len(images)}


@contextmanager
def unheard() -> Iterator[None]:
    """Let warnings of the package that are meant to come go unheard within the context."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def dry_run(work: Work) -> Facts:
    """Ask for an estimate of a run on the device, which has to come in time; report it beside what the run takes."""
    path = toml(work.experiment("odd"), work.folder / "dry.toml")
    arguments = ["run", path, f"run.device={work.request.device}", "--out", work.folder / "dry"]
    began = time.monotonic()
    code, out, error = called([*arguments, "--dry-run"], work.folder, DRY_SECONDS)
    asked = time.monotonic() - began
    said = re.search(r"^time +(about .*)$", out, re.MULTILINE)
    if code != 0 or said is None or not re.search(r"\d (min|s|h)\b", said[1]):
        raise Wrong(f"exit code {code} after {asked:.0f} s, no time: {(error or out).strip()[-300:]}")
    began = time.monotonic()
    code, out, error = called(arguments, work.folder, work.request.left + 30)
    if code != 0:
        raise Wrong(f"exit code {code} of the run itself: {error.strip()[-300:]}")
    return {"said": said[1], "asked_seconds": asked, "run_seconds": time.monotonic() - began}


def takes_memory(work: Work) -> Facts:
    """Compare what an engine takes of a card's memory with what a plan counts, at the paper's network."""
    import gc

    import torch

    from prunescope.bench.device.competitors import take_steps
    from prunescope.runs.device_memory import DeviceImages, device_bytes

    layout, data = work.layout("paper"), work.dataset("paper")
    experiment = work.experiment("paper", train={"optimizer": "momentum", "lr": 0.02})
    counts = len(data.draw(0, 0, 0, 1).pixels), len(data.validation), len(data.heldout)
    plan = device_bytes(experiment, layout.sizes, DeviceImages(*counts, layout.sizes[0]))
    if work.request.device == "cpu":
        return within_plan(plan, 0, 0) | {"skipped": "no CUDA"}
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    engine = work.engine("paper", experiment)
    engine.start(*beginning(work, "paper"))
    take_steps(engine, batches_of(work, "paper", 21))  # both lengths that are recorded
    kept = [engine.snapshot() for _ in range(3)]
    for images in (data.validation, data.heldout):
        engine.evaluate(images)
    taken = torch.cuda.max_memory_allocated() - before[0], torch.cuda.max_memory_reserved() - before[1]
    del kept
    return within_plan(plan, *taken)


def within_plan(plan: Any, allocated: int, reserved: int) -> Facts:
    """Return the bytes that were taken beside those of a plan, ``DeviceBytes``; raise Wrong where they are more.

    What torch reserves holds gaps and the workspaces of libraries, which the plan counts as a part of CUDA's own memory.
    """
    facts: Facts = {"planned": plan.whole - plan.context, "allocated": allocated, "reserved": reserved}
    if allocated > plan.whole - plan.context + WORKSPACES or reserved > plan.whole:
        raise Wrong(f"the plan counts too few bytes: {facts}")
    return facts
