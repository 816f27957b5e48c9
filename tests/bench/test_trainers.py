"""prunescope.bench.trainers: run with `pytest tests/bench/test_trainers.py`."""

from types import SimpleNamespace

import numpy as np
import pytest

from prunescope.bench import trainers
from prunescope.bench.problem import make_experiment, make_problem, random_ticket
from prunescope.bench.trainers import Disagreement, check_engines, compare, loss_errors, make_trainers
from prunescope.errors import InputError
from prunescope.model import initial
from prunescope.training.torch.engine import TorchEngine


class Native(TorchEngine):
    """Stands where the native engine will: the torch one under its name."""

    name = "native"


@pytest.fixture
def problem(small):
    return make_problem(small, 3)


@pytest.fixture
def with_native(monkeypatch):
    engines = {"torch": TorchEngine, "native": Native}
    monkeypatch.setattr(trainers, "make_engine", lambda e, *rest: engines[e.run.engine](e, *rest))
    module = SimpleNamespace(instruction_sets=lambda: ["avx7", "baseline"])
    monkeypatch.setattr(trainers, "kernels", lambda: module)


@pytest.fixture
def without_native(monkeypatch):
    def make(experiment, *rest):
        if experiment.run.engine == "native":
            raise InputError("the kernels were not built")
        return TorchEngine(experiment, *rest)

    monkeypatch.setattr(trainers, "make_engine", make)


def start_all(found, problem):
    model, ticket = initial(problem.layers, "before", 0), random_ticket(problem.layers, 0.3)
    for trainer in found.values():
        trainer.start(model, ticket)


@pytest.mark.usefixtures("with_native")
def test_all_engines_take_part_plain_first(small, problem):
    found = make_trainers(small, 1, problem)
    assert list(found) == ["plain", "torch", "native"]
    assert check_engines(small, 1) == ([], "avx7")
    start_all(found, problem)
    errors = loss_errors(found, [problem.batch(step) for step in range(3)])
    assert errors["plain"] == 0
    assert 0 <= errors["native"] == errors["torch"] < 1e-5


@pytest.mark.usefixtures("without_native")
def test_an_engine_that_is_not_there_is_noted(small, problem):
    assert list(make_trainers(small, 1, problem)) == ["plain", "torch"]
    assert check_engines(small, 1) == (["native engine left out (the kernels were not built)"], None)


def test_an_engine_that_answers_for_another_is_left_out(small, problem, monkeypatch):
    monkeypatch.setattr(trainers, "make_engine", TorchEngine)
    assert trainers.make_trainer(make_experiment(small, "native", 1), problem) == (
        "run.engine=native gives the torch engine here"
    )


@pytest.mark.usefixtures("without_native")
def test_different_computations_are_not_compared(small, problem):
    found = make_trainers(small, 1, problem)
    start_all(found, problem)
    found["torch"].start(initial(problem.layers, "before", 5), random_ticket(problem.layers, 0.3))
    with pytest.raises(Disagreement, match="step 1: the torch engine's loss is"):
        loss_errors(found, [problem.batch(0)])


def test_a_loss_that_is_not_finite_agrees_with_none():
    with pytest.raises(Disagreement, match="the native engine's loss is nan"):
        compare({"plain": 1.0, "native": np.nan}, "here")
    assert compare({"plain": 2.0, "native": 2.001}, "here") == pytest.approx({"plain": 0, "native": 5e-4})
    with pytest.raises(Disagreement):
        compare({"plain": 2.0, "native": 2.003}, "here")
