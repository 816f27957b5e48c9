"""The clock by which an estimate times pieces of a run; tests and benchmarks put another one in its place."""

from __future__ import annotations

import time
from collections.abc import Callable

now: Callable[[], float] = time.perf_counter
