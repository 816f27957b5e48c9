"""prunescope.pruning.methods.imp and pools: run with `pytest tests/pruning/test_procedures.py`."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from prunescope.experiment import Prune
from prunescope.mask import Mask
from prunescope.model import Layer, Model, Ticket, initial
from prunescope.pruning.methods import imp, progressive
from prunescope.pruning.pools import is_exhausted, prune_smallest
from prunescope.training.levels import Outcome, Setting

SIZES = (20, 12, 10, 3)


def shaken(model, seed):
    """A stand-in for training: every number moved, pruned weights and biases left at 0."""
    rng = np.random.default_rng(seed)

    def move(array, name):
        noise = rng.standard_normal(array.shape).astype(np.float32)
        return np.where(array == 0, 0, array + noise) if name == "weight" else array + noise

    names = ("weight", "bias", "gamma", "beta", "mean", "variance")
    return Model(tuple(Layer(*(move(getattr(x, n), n) for n in names)) for x in model.layers))


def levels(seed=0, **prune):
    """(levels, outcomes) of a procedure whose training is ``shaken``."""
    steps = prune.pop("steps", 30)
    sections = {"train": {"steps": steps}, "prune": prune}
    procedure = imp.procedure(Setting(tiny.experiment(**sections), SIZES, seed, None))
    found, outcomes, outcome = [], [], None
    while True:
        try:
            level = procedure.send(outcome)
        except StopIteration:
            return found, outcomes
        trained = level.ticket.applied_to(shaken(level.model, level.number))
        kept = shaken(level.model, 99) if level.keep_at is not None else None
        outcome = Outcome(trained, kept, level.ticket, best=0.5)
        found.append(level)
        outcomes.append(outcome)


def kept_counts(ticket):
    return [m.kept + int(b.sum()) for m, b in zip(ticket.masks, ticket.biases, strict=True)]


def test_level_0_is_dense_and_later_masks_nest():
    found, _ = levels(levels=4, rate=0.4)
    assert [level.number for level in found] == [0, 1, 2, 3, 4]
    assert found[0].ticket == Ticket.dense(SIZES)
    for before, after in pairwise(found):
        for a, b in zip(before.ticket.masks, after.ticket.masks, strict=True):
            assert (a & b) == b
            assert b.kept < a.kept


@pytest.mark.parametrize("exact", [False, True])
def test_every_level_prunes_int_of_r_times_n_of_each_layers_pool(exact):
    found, _ = levels(levels=5, rate=0.3, exact=exact, stop_units=0)
    pruned = 0.0
    for level in found:
        pools = [12 * 20 + 12, 10 * 12 + 10]
        assert kept_counts(level.ticket) == [n - int(pruned * n) for n in pools]
        assert level.nominal_density == pytest.approx(0.7**level.number)
        pruned += 0.3 * (1 - pruned)


def test_biases_start_at_zero_and_so_go_first():
    model = initial(SIZES, "before", 0)
    ticket = prune_smallest(model, Ticket.dense(SIZES), 0.1, Prune(exact=True))
    assert not ticket.biases[0].any()
    assert not ticket.biases[1].any()


def test_biases_can_be_left_out_of_the_pool():
    found, _ = levels(levels=3, rate=0.3, biases=False)
    for level in found:
        assert all(bias.all() for bias in level.ticket.biases)
    assert found[1].ticket.masks[0].kept == 240 - int(0.3 * 240)


def test_the_global_scope_is_one_pool_of_the_hidden_weights():
    found, outcomes = levels(levels=2, rate=0.3, scope="global", rewind_step=0)
    ticket = found[1].ticket
    weights = [np.abs(layer.weight) for layer in outcomes[0].trained.layers[:-1]]
    pool = np.sort(np.concatenate([w.ravel() for w in weights]))
    threshold = pool[int(0.3 * 360)]
    for mask, weight in zip(ticket.masks, weights, strict=True):
        np.testing.assert_array_equal(mask.array, weight >= threshold)
    assert all(bias.all() for bias in ticket.biases)
    spreads = [layer.weight.std() for layer in found[0].model.layers[:2]]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.25)


def test_the_output_layer_is_never_pruned():
    found, _ = levels(levels=3)
    assert all(len(level.ticket.masks) == 2 for level in found)


def test_levels_start_from_the_kept_parameters_with_new_averages():
    found, outcomes = levels(levels=2, rewind_step=5)
    kept = outcomes[0].kept
    for level in found[1:]:
        for own, source in zip(level.model.layers, kept.layers, strict=True):
            for name in ("weight", "bias", "gamma", "beta"):
                np.testing.assert_array_equal(getattr(own, name), getattr(source, name))
            assert not own.mean.any()
            assert not own.variance.any()
    assert [level.keep_at for level in found] == [5, None, None]


def test_without_rewinding_levels_go_on_from_the_trained_parameters():
    found, outcomes = levels(levels=2, rewind=False, rewind_step=10_000)
    assert found[0].keep_at is None
    for level, before in zip(found[1:], outcomes, strict=False):
        for own, source in zip(level.model.layers, before.trained.layers, strict=True):
            np.testing.assert_array_equal(own.weight, source.weight)
            np.testing.assert_array_equal(own.gamma, source.gamma)
            assert not own.mean.any()


def test_levels_are_whole_or_what_remains_after_the_rewind_step():
    assert {level.steps for level in levels(levels=2, rewind_step=8)[0]} == {30}
    found, _ = levels(levels=2, rewind_step=8, retrain="remaining")
    assert [level.steps for level in found] == [30, 22, 22]


def test_no_level_after_the_dense_one_when_none_is_asked_for():
    assert len(levels(levels=0)[0]) == 1


def alive(*counts):
    """A ticket whose hidden layers, 10 units each, have so many connected units."""
    masks = [np.repeat(np.arange(10)[:, None] < count, 4, axis=1) for count in counts]
    return Ticket(tuple(map(Mask, masks)), tuple(np.ones(10, bool) for _ in counts))


@pytest.mark.parametrize(
    ("counts", "ends"), [((10, 10), False), ((3, 10), False), ((10, 2), True), ((2, 3), True)]
)
def test_a_layer_with_a_fifth_of_its_units_connected_ends_the_run(counts, ends):
    assert is_exhausted(alive(*counts), 0.2) is ends


def test_the_stop_rule_checks_the_new_mask_before_training_it():
    found, outcomes = levels(levels=None, rate=0.5, stop_units=0.5)
    assert (
        min(
            n / m.n_out
            for level in found
            for n, m in zip(level.ticket.units_alive, level.ticket.masks, strict=True)
        )
        > 0.5
    )
    pruned = 1 - 0.5 ** (len(found))
    following = prune_smallest(outcomes[-1].trained, found[-1].ticket, pruned, Prune(rate=0.5))
    assert is_exhausted(following, 0.5)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 0.9999), st.booleans(), st.booleans(), st.sampled_from(["layer", "global"]))
def test_any_rate_ends_by_the_stop_rule_or_its_levels(rate, exact, biases, scope):
    found, _ = levels(levels=40, rate=rate, exact=exact, biases=biases, scope=scope, stop_units=0)
    for level in found:
        assert all(mask.kept > 0 for mask in level.ticket.masks)


def ending(method, best=0.5, most=100, **prune):
    """The levels of a procedure whose training is ``shaken``, and the reason that it gives for its end."""
    procedure = method.procedure(Setting(tiny.experiment(prune={"levels": None} | prune), SIZES, 0, None))
    found, outcome = [], None
    while len(found) < most:
        try:
            level = procedure.send(outcome)
        except StopIteration as end:
            return found, end.value
        trained = level.ticket.applied_to(shaken(level.model, level.number))
        kept = shaken(level.model, 99) if level.keep_at is not None else None
        outcome = Outcome(trained, kept, level.ticket, best)
        found.append(level)
    raise AssertionError(f"no end in {most} levels")


@pytest.mark.parametrize(
    "prune",
    [
        {},
        {"exact": True},
        {"biases": False},
        {"layer_rates": [0.5, 0]},
        {"rewind": False},
        {"early_bird": 0.5},
    ],
    ids=str,
)
def test_a_pruning_that_changes_no_mask_ends_a_run_without_a_number_of_levels(prune):
    found, reason = ending(imp, stop_units=0, **prune)
    assert all(before.ticket != after.ticket for before, after in pairwise(found))
    last = found[-1]
    # So few are left of each pool that p of them is less than one; if these are all biases, the stop rule ends the run.
    if "changed no mask" in reason:
        assert reason == f"the pruning after level {last.number} changed no mask"
        assert 1 <= last.ticket.masks[0].kept <= 3
    else:
        assert reason.startswith(
            f"the pruning after level {last.number} would leave 0 % of the units of layer "
        )


def test_a_rate_too_small_to_prune_one_weight_ends_the_run_after_the_dense_level():
    found, reason = ending(imp, rate=1e-6, stop_units=0)
    assert [level.number for level in found] == [0]
    assert reason == "the pruning after level 0 changed no mask"


def test_a_number_of_levels_is_trained_even_where_a_pruning_changes_no_mask():
    found, reason = ending(imp, levels=30, rate=1e-6, stop_units=0)
    assert [level.number for level in found] == list(range(31))
    assert reason is None


def test_the_stop_rule_says_the_layer_and_the_share_that_it_stopped_at():
    found, reason = ending(imp, rate=0.5, stop_units=0.5)
    words = r"the pruning after level (\d+) would leave (\S+) % of the units of layer ([12]) connected"
    after, share, _ = re.match(words, reason).groups()
    assert int(after) == found[-1].number
    assert float(share) <= 50
    assert reason.endswith("(prune.stop_units is 0.5)")


def test_a_layer_that_pruning_no_longer_changes_gives_way_to_the_next():
    found, reason = ending(progressive, rate=0.5, stop_units=0, biases=False)
    assert all(before.ticket != after.ticket for before, after in pairwise(found))
    assert [mask.kept for mask in found[-1].ticket.masks] == [1, 1]
    first = next(level.number for level in found if level.ticket.masks[0].kept == 1)
    assert reason == (
        f"layer 1: the pruning after level {first} changed no mask; "
        f"layer 2: the pruning after level {found[-1].number} changed no mask"
    )
