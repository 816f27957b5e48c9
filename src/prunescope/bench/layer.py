"""Measure one sparse linear layer forward and backward, beside other installed libraries.

``python -m prunescope.bench.layer SIZES THREADS`` measures and prints JSON. It runs in a process of its own, because
the libraries bring their own OpenMP, which takes its number of threads from the environment only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from prunescope.bench.layer_competitors import COMPETITORS, LayerProblem
from prunescope.bench.problem import SEED, random_mask
from prunescope.bench.sizes import Sizes
from prunescope.bench.timing import Turn, alternate, seconds_of, turn_of
from prunescope.bench.trainers import Disagreement
from prunescope.errors import InputError
from prunescope.randomness import generator

TOLERANCE = 1e-3
EXTRA = ("sparseprop", "sparselab")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def measure_layers(
    sizes: Sizes, threads: int, say: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return rows {u, threads, competitor, seconds, …}, and a note for every competitor that is not installed.

    Raises RuntimeError with the last line of the measuring process when it fails.
    """
    say(f"layer: {'one thread' if threads == 1 else f'{threads} threads'}")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "prunescope.bench.layer", json.dumps(asdict(sizes)), str(threads)],
        env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RuntimeError(f"bench layer: {last}")
    measured = json.loads(done.stdout)
    return measured["rows"], measured["notes"]


def measure_here(sizes: Sizes, threads: int = 1) -> tuple[list[dict[str, Any]], list[str]]:
    """Measure the layers as measure_layers does, but in this process, whose threads torch and OpenMP already have."""
    rows: list[dict[str, Any]] = []
    notes: dict[str, str] = {}
    kept = []  # sparselab caches by id(), so no object that it has used may be collected before the end
    for u in sizes.layer_densities:
        passes = {}
        task = replace(make_task(sizes.layer_width, sizes.layer_batch, u), threads=threads)
        for name, make in COMPETITORS.items():
            try:
                passes[name] = make(task)
            except (ImportError, InputError) as error:
                brought = "; the extra prunescope[bench] brings it" if name in EXTRA else ""
                notes[name] = f"{name} left out of layer ({error}{brought})"
        kept.append(passes)
        errors = _errors({name: one_pass.results() for name, one_pass in passes.items()}, u)
        turns = {name: _turn(one_pass.run, sizes.layer_turn_seconds) for name, one_pass in passes.items()}
        timings = alternate(turns, sizes.rounds)
        for name, timing in timings.items():
            place = {"u": u, "threads": threads, "competitor": name}
            rows.append(place | timing.to_dict() | {"error": errors[name]})
    return rows, list(notes.values())


def make_task(width: int, batch: int, u: float) -> LayerProblem:
    """Draw random weights, a mask, activations and gradients of one layer, batch-major."""
    rng = generator(SEED, "bench layer")
    mask = random_mask(width, width, u).array
    weight = rng.standard_normal((width, width), dtype=np.float32) * mask
    x, dy = (rng.standard_normal((batch, width), dtype=np.float32) for _ in range(2))
    return LayerProblem(weight, mask, x, dy)


def _turn(run: Callable[[], object], least: float) -> Turn:
    return turn_of(lambda: seconds_of(run), least)


def _errors(results: dict[str, tuple[np.ndarray, ...]], u: float) -> dict[str, float]:
    """Return the largest relative distance of each competitor's y, dx and dw from plain's.

    Raises Disagreement above TOLERANCE.
    """
    errors = {}
    for name, found in results.items():
        pairs = zip(found, results["plain"], strict=True)
        errors[name] = max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs)
        if not errors[name] <= TOLERANCE:
            raise Disagreement(f"u = {u:g}: {name} differs from plain PyTorch by {errors[name]:.2g}")
    return errors


def main(sizes: str, threads: int) -> None:
    """Measure the layers and print {rows, notes}; ``sizes`` is the JSON of a Sizes."""
    import torch

    warnings.filterwarnings("ignore", message="Sparse CSR tensor support")  # sparselab makes such tensors
    torch.set_num_threads(threads)
    rows, notes = measure_here(Sizes(**json.loads(sizes)), threads)
    print(json.dumps({"rows": rows, "notes": notes}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
