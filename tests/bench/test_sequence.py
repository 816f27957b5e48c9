"""prunescope.bench.sequence: run with `pytest tests/bench/test_sequence.py`."""

from dataclasses import replace

import pytest

from prunescope.bench import FULL
from prunescope.bench.sequence import over_levels, sequence_rows
from prunescope.experiment import load

SIZES = replace(
    FULL,
    sequence_classes=7,
    sequence_levels=4,
    sequence_rate=0.5,
    sequence_steps=100,
    sequence_eval_every=20,
)


def rows(competitor, seconds, classes=7):
    return [{"classes": classes, "u": u, "competitor": competitor, "seconds": s} for u, s in seconds.items()]


def test_seconds_are_a_line_between_logarithms_and_constant_beyond():
    # u = 1, 1/2, 1/4, 1/8 with 8 s at 1 and 2 s at 1/4: 4 s between, since a power of u runs through both
    assert over_levels({0.25: 2.0, 1.0: 8.0}, levels=4, rate=0.5) == pytest.approx([8, 4, 2, 2])
    assert over_levels({0.5: 3.0}, levels=4, rate=0.5) == pytest.approx([3, 3, 3, 3])


def test_a_sequence_is_the_sum_of_its_parts():
    steps = rows("plain", {1.0: 2.0, 0.25: 2.0}) + rows("native", {1.0: 1.0, 0.25: 0.25})
    evaluations = rows("plain", {1.0: 10.0}) + rows("native", {1.0: 8.0, 0.125: 1.0})
    plain, native = sequence_rows(SIZES, steps, evaluations)
    # plain: 4 levels of 100 steps of 2 s and 5 evaluations of 10 s, a dense level being 250 s
    assert plain["level_seconds"] == pytest.approx([250] * 4)
    assert (plain["steps_seconds"], plain["evaluations_seconds"]) == pytest.approx((800, 200))
    assert plain["dense_trainings"] == pytest.approx(4)
    # native: steps of 1, 1/2, 1/4, 1/4 s and evaluations of 8, 4, 2, 1 s
    assert native["level_seconds"] == pytest.approx([140, 70, 35, 30])
    assert native["seconds"] == pytest.approx(275)
    assert native["dense_trainings"] == pytest.approx(275 / 250)
    assert (native["levels"], native["steps"]) == (4, 100)


def test_what_was_not_measured_has_no_row():
    steps = rows("plain", {1.0: 2.0}) + rows("torch", {1.0: 1.0})
    assert [row["competitor"] for row in sequence_rows(SIZES, steps, rows("plain", {1.0: 1.0}))] == ["plain"]
    assert sequence_rows(SIZES, steps, rows("torch", {1.0: 1.0})) == []
    assert sequence_rows(SIZES, rows("plain", {1.0: 2.0}, classes=10), rows("plain", {1.0: 1.0})) == []
    assert sequence_rows(SIZES, steps, []) == []


def test_the_sequence_is_the_papers():
    paper = load("paper/main", ())
    assert FULL.sequence_steps == paper.train.steps
    assert FULL.sequence_eval_every == paper.train.eval_every
    assert FULL.sequence_images == paper.data.validation
    assert FULL.sequence_rate == paper.prune.rate
    assert (FULL.hidden, FULL.batch) == (tuple(paper.network.hidden), paper.train.batch)
    assert FULL.sequence_levels == 21  # the paper's levels 0 to 20
