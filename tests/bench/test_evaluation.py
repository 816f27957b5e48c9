"""prunescope.bench.evaluation: run with `pytest tests/bench/test_evaluation.py`."""

from dataclasses import replace

import pytest

from prunescope.bench import evaluation
from prunescope.bench.evaluation import measure_evaluations
from prunescope.bench.plain import PlainTrainer
from prunescope.bench.problem import RATE, make_problem, random_ticket
from prunescope.bench.trainers import Disagreement, make_trainers
from prunescope.data import Images
from prunescope.model import initial


def test_rows(small):
    said = []
    rows = measure_evaluations(small, 1, said.append)
    assert said == ["evaluation: u = 1", "evaluation: u = 0.2"]
    assert [row["u"] for row in rows if row["competitor"] == "plain"] == [1.0, 0.2]
    assert {row["competitor"] for row in rows} >= {"plain", "torch"}
    for row in rows:
        assert row["seconds"] > 0
        assert (row["images"], row["classes"], row["rounds"]) == (40, 3, 2)


def test_plain_scores_as_the_torch_engine_does_in_blocks_too(small):
    problem = make_problem(replace(small, images=2100), 7)
    images, ticket = Images(problem.pixels, problem.labels), random_ticket(problem.layers, 0.2)
    trainers = make_trainers(small, 1, problem)
    for trainer in trainers.values():
        trainer.start(initial(problem.layers, "before", 0), ticket)
        trainer.step(problem.batch(0))
    model = ticket.applied_to(trainers["plain"].model())
    plain, torch = (trainers[name].evaluate(images, model) for name in ("plain", "torch"))
    assert (plain.images, plain.correct, plain.correct5) == (2100, torch.correct, torch.correct5)
    assert plain.loss == pytest.approx(torch.loss, rel=1e-5)
    own = trainers["plain"].evaluate(images)
    assert own.loss == pytest.approx(plain.loss, rel=1e-5)  # its own averages are those of its model


def test_evaluating_does_not_change_training(small):
    problem = make_problem(small, 3)
    images, ticket = Images(problem.pixels, problem.labels), random_ticket(problem.layers, 0.5)
    losses = []
    for evaluates in (False, True):
        trainer = PlainTrainer(problem.mean, RATE)
        trainer.start(initial(problem.layers, "before", 0), ticket)
        trainer.step(problem.batch(0))
        if evaluates:
            trainer.evaluate(images)
        trainer.step(problem.batch(1))
        losses.append(trainer.take_loss())
    assert losses[0] == losses[1]


def test_different_evaluations_are_not_compared(small, monkeypatch):
    def make(sizes, threads, problem):
        found = make_trainers(sizes, threads, problem)
        evaluate = found["torch"].evaluate

        def worse(images, model=None):
            score = evaluate(images, model)
            return replace(score, loss=1.01 * score.loss)

        found["torch"].evaluate = worse
        return found

    monkeypatch.setattr(evaluation, "make_trainers", make)
    with pytest.raises(Disagreement, match=r"evaluation, u = 1: the torch engine's loss"):
        measure_evaluations(small, 1, lambda line: None)
