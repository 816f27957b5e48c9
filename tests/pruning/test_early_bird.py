"""prunescope.pruning.dynamics.early_bird: run with `pytest tests/pruning/test_early_bird.py`."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import tiny
from prunescope.experiment import Prune
from prunescope.model import Model, Ticket, initial
from prunescope.pruning.dynamics.early_bird import EarlyBird, distance, early_bird
from prunescope.pruning.methods import imp
from prunescope.pruning.pools import prune_smallest
from prunescope.pruning.running import run
from prunescope.training.levels import Setting
from prunescope.training.loop import Diverged

SIZES = (20, 12, 10, 3)


class Still:
    """An engine that has this model."""

    def __init__(self, model):
        self.now = model

    def model(self):
        return self.now


def stirred(model, seed, size):
    rng = np.random.default_rng(seed)
    layers = []
    for layer in model.layers:
        noise = size * rng.standard_normal(layer.weight.shape)
        layers.append(replace(layer, weight=(layer.weight + noise).astype(np.float32)))
    return Model(tuple(layers))


def next_ticket(model):
    return prune_smallest(model, Ticket.dense(SIZES), 0.5, Prune(biases=False))


def made(threshold=0.1, every=10, not_before=0):
    return EarlyBird(threshold, every, next_ticket, not_before)


def ends(dynamics, models, every=10):
    """Return the step at which the dynamics ends a level with these models at its checks; None: not at all."""
    for step in range(1, every * len(models) + 1):
        if dynamics.after_step(step, Still(models[(step - 1) // every])):
            return step
    return None


@pytest.fixture(scope="module")
def start():
    return initial(SIZES, "before", 0)


def test_weights_that_stop_moving_end_the_level_once_five_masks_agree(start):
    assert ends(made(), [start] * 8) == 50
    moving = [stirred(start, seed, 1) for seed in range(4)]
    assert ends(made(), [*moving, *[start] * 6]) == 90


def test_weights_that_move_do_not(start):
    assert ends(made(), [stirred(start, seed, 0.5) for seed in range(12)]) is None


def test_moving_little_by_little_does_not_pass_for_standing_still(start):
    # each mask is near the one before it, and far from that of four checks before
    path, models = start, []
    for seed in range(14):
        path = stirred(path, seed, 0.06)
        models.append(path)
    masks = [next_ticket(model).masks[0].pack() for model in models]
    nearest = max(distance(new, old) for old, new in pairwise(masks))
    assert nearest < 0.2
    assert ends(made(threshold=nearest), models) is None
    assert ends(made(threshold=0.9), models) == 50


def test_not_before_the_step_to_rewind_to(start):
    assert ends(made(not_before=65), [start] * 8) == 70


def test_the_distance_is_the_share_of_the_new_mask_that_is_new():
    new, old = np.packbits([1, 1, 1, 1, 0, 0, 0, 0, 0]), np.packbits([0, 1, 1, 1, 1, 1, 0, 0, 0])
    assert distance(new, old) == 0.25
    assert distance(old, new) == pytest.approx(0.4)
    assert distance(new, new) == 0


def test_it_goes_on_from_its_state(start):
    models = [*[stirred(start, seed, 1) for seed in range(3)], *[start] * 6]
    for stop in (15, 40, 71):
        first, second = made(), made()
        for step in range(1, stop + 1):
            assert not first.after_step(step, Still(models[(step - 1) // 10]))
        second.restore(first.state())
        found = [
            step for step in range(stop + 1, 91) if second.after_step(step, Still(models[(step - 1) // 10]))
        ]
        assert found[0] == 80


def test_it_says_when_it_checks():
    assert [made().next_step(step) for step in (0, 9, 10, 15, 20)] == [10, 10, 20, 20, 30]


def test_only_where_it_is_asked_for():
    assert early_bird(Prune(), next_ticket) is None
    assert early_bird(Prune(early_bird=0.1), next_ticket)()._every == 100


def test_weights_that_are_not_finite_are_said_to(start):
    bad = replace(start.layers[0], weight=start.layers[0].weight * np.float32(np.nan))
    with pytest.raises(Diverged, match="a weight is not finite"):
        made().after_step(10, Still(Model((bad, *start.layers[1:]))))


def test_each_level_of_imp_checks_its_own_next_mask(start):
    chosen = tiny.experiment(prune={"early_bird": 0.1, "rate": 0.4, "update_every": 1, "rewind_step": 5})
    procedure = imp.procedure(Setting(chosen, SIZES, 0, None))
    level, pruned = next(procedure), 0.0
    for _ in range(3):
        pruned += 0.4 * (1 - pruned)
        trained = level.ticket.applied_to(stirred(start, level.number, 1))
        expected = prune_smallest(trained, level.ticket, pruned, chosen.prune)
        dynamics = level.dynamics()
        assert not dynamics.after_step(1, Still(trained))
        packed = np.packbits(np.concatenate([mask.array.ravel() for mask in expected.masks]))
        np.testing.assert_array_equal(dynamics.state()["look0"], packed)
        again = [dynamics.after_step(step, Still(trained)) for step in range(2, 7)]
        assert again == [False, False, False, True, True]
        outcome = {"trained": trained, "kept": start, "ticket": level.ticket, "best": 0.5}
        level = procedure.send(type("Outcome", (), outcome)())
        assert level.ticket == expected


def test_a_run_ends_its_levels_early_and_says_so_in_the_table(small_run, tmp_path):
    # with almost no learning rate no mask moves: four checks after the first one all agree
    chosen = small_run(
        train={"lr": 1e-6, "eval_every": 4},
        prune={"early_bird": 0.01, "update_every": 2, "levels": 2, "rewind_step": 12},
    )
    done = run(chosen, out=tmp_path)
    steps = dict(done.table.filter(layer=1).select("level", "steps").iter_rows())
    assert steps == {0: 12, 1: 10, 2: 10}
    assert [(m["level"], m["step"]) for m in done.metrics if m["level"] == 1] == [(1, 4), (1, 8), (1, 10)]
    final = done.table.filter(level=1, layer=1)["final_val_accuracy"][0]
    assert final == next(m["val_accuracy"] for m in done.metrics if (m["level"], m["step"]) == (1, 10))
