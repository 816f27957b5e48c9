"""Plain PyTorch computes what the torch engine computes: run with `pytest tests/bench/test_plain.py`."""

from dataclasses import replace

import numpy as np
import pytest

from prunescope.bench.plain import PlainTrainer
from prunescope.bench.problem import RATE, make_experiment, make_problem, random_ticket
from prunescope.model import Ticket, initial
from prunescope.training.torch.engine import TorchEngine

STEPS = 3


@pytest.fixture(params=[1.0, 0.3], ids=["dense", "sparse"])
def started(request, small):
    """(problem, ticket, plain trainer, torch engine), from the same weights; the sparse ones prune biases too."""
    problem = make_problem(small, 3)
    ticket = random_ticket(problem.layers, request.param)
    if request.param < 1:
        biases = tuple(np.arange(bias.size) % 3 > 0 for bias in ticket.biases)
        ticket = Ticket(ticket.masks, biases)
    model = initial(problem.layers, "before", 1)
    layers = [replace(x, bias=x.bias + np.float32(0.1), beta=x.beta + np.float32(0.2)) for x in model.layers]
    model = replace(model, layers=tuple(layers))
    live = np.ones(len(problem.mean), bool)
    trainers = (
        PlainTrainer(problem.mean, RATE),
        TorchEngine(make_experiment(small, "torch", 1), problem.mean, live),
    )
    for trainer in trainers:
        trainer.start(model, ticket)
    return problem, ticket, model, *trainers


def test_losses_agree_step_by_step(started):
    problem, _, _, plain, engine = started
    for step in range(STEPS):
        for trainer in (plain, engine):
            trainer.step(problem.batch(step))
        assert plain.take_loss() == pytest.approx(engine.take_loss(), rel=1e-5)


def test_parameters_agree_after_the_steps(started):
    problem, ticket, _, plain, engine = started
    for step in range(STEPS):
        for trainer in (plain, engine):
            trainer.step(problem.batch(step))
    for own, its in zip(ticket.applied_to(plain.model()).layers, engine.model().layers, strict=True):
        for field in ("weight", "bias", "gamma", "beta"):
            assert getattr(own, field) == pytest.approx(getattr(its, field), rel=1e-4, abs=1e-5), field


def test_pruned_entries_do_not_move(started):
    problem, ticket, model, plain, _ = started
    plain.step(problem.batch(0))
    moved = plain.model()
    for mask, bias, before, after in zip(
        ticket.masks, ticket.biases, model.layers, moved.layers, strict=False
    ):
        assert np.array_equal(before.weight[~mask.array], after.weight[~mask.array])
        assert np.array_equal(before.bias[~bias], after.bias[~bias])
        assert not np.array_equal(before.weight, after.weight)


def test_take_loss_is_the_mean_since_the_last_call(started):
    problem, _, model, plain, _ = started
    losses = []
    for step in range(2):
        plain.step(problem.batch(step))
        losses.append(plain.take_loss())
    assert np.isnan(plain.take_loss())
    plain.start(model, started[1])
    for step in range(2):
        plain.step(problem.batch(step))
    assert plain.take_loss() == pytest.approx(np.mean(losses))
