"""Measure every engine against plain PyTorch on this machine, in one run. Cheap to import: no torch."""

from prunescope.bench.sizes import FULL, PARTS, QUICK, Sizes
from prunescope.bench.suite import run_bench

__all__ = ["FULL", "PARTS", "QUICK", "Sizes", "run_bench"]
