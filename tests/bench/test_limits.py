"""prunescope.bench.limits: run with `pytest tests/bench/test_limits.py`."""

import numpy as np
import pytest

from prunescope.bench.limits import MachineProbes, Work, machine_limits, step_work
from prunescope.bench.timing import Timing, alternate
from prunescope.mask import Mask
from prunescope.model import Ticket


def test_work_of_a_step_counted_independently():
    first = Mask(np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]]))  # 4 of 12
    second = Mask(np.array([[1, 0, 1], [0, 0, 1]]))  # 3 of 6
    ticket = Ticket((first, second), (np.ones(3, bool), np.ones(2, bool)))
    work = step_work(ticket, (4, 3, 2, 5), batch=10)
    # forward and weight gradient of 4; these and the input gradient of 3, and of the dense 5 x 2
    assert work.flops == 2 * 10 * (2 * 4 + 3 * 3 + 3 * 10) == 940
    # 40 pixels; 10 x (3 + 2 + 5) floats written and read; 4 + 3 + 10 weights read, their gradients written
    assert work.bytes == 40 + 800 + 136


def test_time_at_the_limits_adds_products_and_memory():
    assert Work(600, 50).seconds(flops_per_second=300, bytes_per_second=100) == 2.5


def test_rates_follow_from_the_medians(small):
    probes = MachineProbes(small)
    flops, moved = probes.rates(Timing((9.0, 2.0, 1.0)), Timing((4.0, 4.0, 8.0)))
    assert flops == 2 * 30 * 48 * 24 / 2.0
    assert moved == 8 * 1000 / 4.0
    rounds = [(Timing((1.0,)), Timing((4.0,))), (Timing((2.0, 3.0)), Timing((8.0, 1.0)))]
    assert machine_limits(rounds, probes) == {
        "matmul_gflops": pytest.approx(flops / 1e9),
        "copy_gb_per_second": pytest.approx(moved / 1e9),
        "rounds": 3,
    }


def test_probes_take_turns(small):
    timings = alternate(MachineProbes(small).turns, 2)
    assert {name: len(timing.rounds) for name, timing in timings.items()} == {"matmul": 2, "copy": 2}
    assert all(seconds > 0 for timing in timings.values() for seconds in timing.rounds)
