"""prunescope.bench.imp: run with `pytest tests/bench/test_imp.py`."""

from dataclasses import replace
from itertools import pairwise

import pytest

from prunescope.bench import imp
from prunescope.bench.imp import Runner, measure_imp
from prunescope.bench.problem import make_problem
from prunescope.bench.trainers import Disagreement, make_trainers
from prunescope.model import initial


class Recorder:
    """A trainer that remembers how it was started, and how many steps it took."""

    def __init__(self, trainer):
        self.trainer, self.started, self.steps = trainer, [], 0

    def start(self, model, ticket):
        self.started.append((model, ticket))
        self.trainer.start(model, ticket)

    def step(self, batch):
        self.steps += 1
        self.trainer.step(batch)

    def take_loss(self):
        return self.trainer.take_loss()

    def model(self):
        return self.trainer.model()


@pytest.fixture
def run(small):
    """A plain run to its end: (runner, what it was told)."""
    problem = make_problem(small, small.imp_classes)
    recorder = Recorder(make_trainers(small, 1, problem)["plain"])
    runner = Runner(recorder, small, problem)
    for _ in range(small.imp_levels + 2):
        runner.train_level()
    return runner, recorder


def test_levels_are_pruned_by_the_rate_and_start_from_the_initial_weights(run, small):
    runner, recorder = run
    assert len(runner.starts) == len(runner.steps) == len(recorder.started) == small.imp_levels
    assert recorder.steps == small.imp_levels * small.imp_steps
    first = initial((48, *small.hidden, small.imp_classes), "before", 0)
    for level, (model, ticket) in enumerate(recorder.started):
        assert ticket.density(0) == pytest.approx(0.7**level, abs=0.002)
        assert (model.layers[0].weight == first.layers[0].weight).all()


def test_masks_are_nested(run):
    masks = [ticket.masks[0].array for _, ticket in run[1].started]
    for before, after in pairwise(masks):
        assert not (after & ~before).any()


def test_rows_add_up(small):
    said = []
    rows = measure_imp(small, 1, said.append)
    assert len(said) == small.imp_levels
    assert rows[0]["competitor"] == "plain"
    for row in rows:
        assert row["seconds"] > row["start_seconds"] > 0
        assert row["ratio"] == rows[0]["seconds"] / row["seconds"]
        assert (row["levels"], row["steps"]) == (small.imp_levels, small.imp_steps)


@pytest.mark.parametrize(
    ("there", "taking_part"),
    [(("plain", "torch", "native"), ["plain", "native"]), (("plain", "torch"), ["plain", "torch"])],
)
def test_torch_steps_aside_for_native_when_in_haste(small, monkeypatch, there, taking_part):
    def make(sizes, threads, problem):
        return {name: make_trainers(sizes, threads, problem)["plain"] for name in there}

    monkeypatch.setattr(imp, "make_trainers", make)
    rows = measure_imp(replace(small, imp_torch=False), 1, lambda line: None)
    assert [row["competitor"] for row in rows] == taking_part


def test_different_computations_are_not_compared(small, monkeypatch):
    class Other(Recorder):
        def take_loss(self):
            return 1.01 * self.trainer.take_loss()

    def make(sizes, threads, problem):
        found = make_trainers(sizes, threads, problem)
        return found | {"torch": Other(found["torch"])}

    monkeypatch.setattr(imp, "make_trainers", make)
    with pytest.raises(Disagreement, match="imp, level 0: the torch engine's loss"):
        measure_imp(small, 1, lambda line: None)
