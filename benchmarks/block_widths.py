"""Measure how wide blocks of columns should be, and from which density on dense products win.

    python benchmarks/block_widths.py                        # about three minutes
    python benchmarks/block_widths.py --isa avx2 --threads 1

The first table has the least milliseconds of the three products of one layer (forward, weight gradient, input gradient)
for blocks of several widths and for one tile or two at a time: what `BLOCK_CHOICES` in `products.hpp` is made from. The
second has the median time of steps of the network of `prunescope bench` with all hidden layers paired and with all
dense, in turns: what `DENSE_ABOVE` in `native_engine.py` is made from. Results are printed as Markdown. Nothing in a run is ever
chosen by a timing.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import torch

from prunescope.analysis.markdown import markdown_line, markdown_table
from prunescope.bench.problem import make_experiment, make_problem, random_mask, random_ticket
from prunescope.bench.sizes import FULL
from prunescope.bench.step import step_turn
from prunescope.bench.timing import alternate
from prunescope.model import initial
from prunescope.native import kernels
from prunescope.training import native_engine
from prunescope.training.native_engine import NativeEngine

WIDTHS = (64, 128, 256, 1024)
LAYER_DENSITIES = (0.7, 0.49, 0.34, 0.24, 0.17, 0.12, 0.08, 0.06, 0.04, 0.03, 0.02, 0.01)
STEP_DENSITIES = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6)
BATCH = 1024


def main() -> None:
    """Print both tables."""
    about = (__doc__ or "").splitlines()
    parser = argparse.ArgumentParser(description=about[0])
    parser.add_argument(
        "--isa", help="one of the instruction sets that the kernels have; the best one unless told"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=20, help="of each product")
    parser.add_argument("--rounds", type=int, default=FULL.rounds, help="turns of each step")
    parser.add_argument("--layer", type=int, nargs=2, default=(1024, 1024), metavar=("N_OUT", "N_IN"))
    parser.add_argument("--only", choices=("layer", "step"))
    args = parser.parse_args()
    isa = args.isa or kernels().instruction_sets()[0]
    if args.only != "step":
        print_layer(isa, args.threads, args.repeats, tuple(args.layer))
    if args.only != "layer":
        print_steps(isa, args.threads, args.rounds)


def print_layer(isa: str, threads: int, repeats: int, shape: tuple[int, int]) -> None:
    """Print the least milliseconds of each product of a layer, by density and blocks."""
    rng = np.random.default_rng(0)
    weight, x, dy = (
        rng.standard_normal(size, dtype=np.float32) for size in (shape, (shape[1], BATCH), (shape[0], BATCH))
    )
    blocks = [(width, two) for width in WIDTHS for two in (True, False) if not (two and width > 128)]
    print(
        f"\n{isa}, {threads} threads, {shape[0]}×{shape[1]}, batch {BATCH}: ms of forward / weights / inputs\n"
    )
    print(markdown_table(["u", *(f"{width}, {'two tiles' if two else 'one'}" for width, two in blocks)]))
    for density in LAYER_DENSITIES:
        mask = random_mask(*shape, density).array.view(np.uint8)
        cut = partial(kernels().Layer, isa=isa, threads=threads, mask=mask, weight=weight)
        cells = []
        for chosen in blocks:
            layer = cut(blocks=chosen)
            layer.forward(x, np.empty_like(dy))
            layer.backward(dy, np.empty_like(x), np.empty(layer.kept, np.float32))
            cells.append(" / ".join(f"{1e3 * seconds:.2f}" for seconds in layer.seconds(repeats)))
        print(markdown_line([f"{density:g}", *cells]), flush=True)


def print_steps(isa: str, threads: int, rounds: int) -> None:
    """Print the milliseconds of a step with all hidden layers paired, and with all dense."""
    torch.set_num_threads(threads)
    problem = make_problem(FULL, 10)
    experiment = make_experiment(FULL, "native", threads)
    live = np.ones(len(problem.mean), np.bool_)
    usual = dict(native_engine.DENSE_ABOVE)
    print(f"\n{isa}, {threads} threads: ms of a step with 10 classes\n")
    print("| u | paired | dense | dense / paired |\n|---|---|---|---|")
    for density in STEP_DENSITIES:
        turns = {}
        for name, above in (("paired", 1.0), ("dense", 0.0)):
            native_engine.DENSE_ABOVE["float32"] = above
            engine = NativeEngine(experiment, problem.mean, live, isa=isa)
            engine.start(initial(problem.layers, "before", 0), random_ticket(problem.layers, density))
            turns[name] = step_turn(engine, problem, FULL.turn_seconds)
        native_engine.DENSE_ABOVE.update(usual)
        timings = alternate(turns, rounds)
        paired, dense = (1e3 * timings[name].seconds for name in turns)
        print(f"| {density:g} | {paired:.1f} | {dense:.1f} | {dense / paired:.2f} |", flush=True)


if __name__ == "__main__":
    main()
