"""Compare training several seeds of a small network stacked in one process with one process for each.

    python benchmarks/replicates.py [--seeds 4] [--cores 2] [--seconds 3] [PRESET]

At each density of the masks, steps of one network a second in all, on random pixels:

- native, torch: processes of one thread each, as many at once as there are cores, with the engine of that
  name;
- stacked: one process with a thread for each core, weights [seeds, n_out, n_in] of all seeds in one array,
  every product one batched product, masks multiplied in; forward, backward and update alone, without data,
  averages or bookkeeping, so no real engine of the kind could be faster.

Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable

DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01)
ROUNDS = 3


def per_second(step: Callable[[], object], seconds: float) -> float:
    """Return the calls of ``step`` in a second, the best of ROUNDS."""
    for _ in range(3):
        step()
    best = 0.0
    for _ in range(ROUNDS):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds / ROUNDS:
            step()
            count += 1
        best = max(best, count / (time.perf_counter() - began))
    return best


def alone(preset: str, engine: str, density: float, seed: int, seconds: float) -> float:
    """Return the steps a second of one network in this process, with a real engine."""
    import numpy as np
    import torch

    from prunescope.bench.problem import random_ticket
    from prunescope.data import Batch
    from prunescope.experiment import load
    from prunescope.model import initial, layer_sizes
    from prunescope.training import make_engine

    torch.set_num_threads(1)
    experiment = load(preset, [f"run.engine={engine}", "run.threads=1"])
    sizes = layer_sizes(3 * experiment.data.size**2, experiment.network.hidden, 2)
    n_in = sizes[0]
    machine = make_engine(experiment, np.full(n_in, 127, np.float32), np.ones(n_in, np.bool_))
    machine.start(initial(sizes, experiment.network.norm, seed), random_ticket(sizes, density))
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (experiment.train.batch, n_in), dtype=np.uint8)
    batch = Batch(pixels, np.arange(len(pixels)), rng.integers(0, 2, len(pixels)))
    return per_second(lambda: machine.step(batch), seconds)


def stacked(preset: str, density: float, seeds: int, cores: int, seconds: float) -> float:
    """Return the steps a second of one network, ``seeds`` of them stepping together in this process."""
    import torch
    from torch.nn.functional import batch_norm, cross_entropy

    from prunescope.bench.problem import random_ticket
    from prunescope.experiment import load
    from prunescope.model import layer_sizes

    torch.set_num_threads(cores)
    torch.manual_seed(0)
    experiment = load(preset)
    sizes = layer_sizes(3 * experiment.data.size**2, experiment.network.hidden, 2)
    batch, lr = experiment.train.batch, experiment.train.lr
    masks = random_ticket(sizes, density).masks
    kept = [torch.tensor(mask.array, dtype=torch.float32).repeat(seeds, 1, 1) for mask in masks]
    kept.append(torch.ones(seeds, sizes[-1], sizes[-2]))
    weights = [(torch.randn_like(mask) * mask.shape[2] ** -0.5).requires_grad_() for mask in kept]
    biases = [torch.zeros(seeds, n, 1, requires_grad=True) for n in sizes[1:]]
    scales = [torch.ones(seeds * n, requires_grad=True) for n in sizes[:-1]]
    shifts = [torch.zeros(seeds * n, requires_grad=True) for n in sizes[:-1]]
    images = torch.randn(seeds, sizes[0], batch)  # features first: the statistics are then those of rows
    labels = torch.randint(0, sizes[-1], (seeds, batch))
    parameters = [*weights, *biases, *scales, *shifts]

    def step() -> None:
        x = images
        for number, (weight, mask, bias, scale, shift) in enumerate(
            zip(weights, kept, biases, scales, shifts, strict=True)
        ):
            x = x.relu() if number else x
            rows = batch_norm(x.reshape(1, -1, batch), None, None, scale, shift, training=True)
            x = torch.baddbmm(bias, weight * mask, rows.view(x.shape))
        loss = cross_entropy(x, labels, reduction="sum") / batch
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-lr)

    return seeds * per_second(step, seconds)


def together(arguments: argparse.Namespace, engine: str, density: float) -> float:
    """Return the steps a second, in all, of as many processes as there are cores."""
    command = [sys.executable, __file__, arguments.preset, "--seconds", str(arguments.seconds)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [*command, "--alone", engine, str(density), str(seed)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(arguments.cores)
    ]
    return sum(float(process.communicate()[0]) for process in processes)


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("preset", nargs="?", default="quickstart")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--alone", nargs=3, metavar=("ENGINE", "DENSITY", "SEED"), help="used by itself")
    arguments = parser.parse_args()
    if arguments.alone:
        engine, density, seed = arguments.alone
        print(alone(arguments.preset, engine, float(density), int(seed), arguments.seconds))
        return
    print(
        "| density | native | torch | stacked | stacked / native | stacked / torch |\n|---|---|---|---|---|---|"
    )
    for density in DENSITIES:
        native, torch = (together(arguments, engine, density) for engine in ("native", "torch"))
        one = stacked(arguments.preset, density, arguments.seeds, arguments.cores, arguments.seconds)
        print(
            f"| {100 * density:g} % | {native:.0f} | {torch:.0f} | {one:.0f} "
            f"| {one / native:.2f} | {one / torch:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
