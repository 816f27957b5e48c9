"""The procedures of prunescope.pruning.methods, trained one level at a time: run with `pytest tests/pruning/test_methods.py`."""

from dataclasses import replace

import numpy as np
import pytest

import tiny
from prunescope.errors import InputError
from prunescope.experiment import Prune
from prunescope.mask import Mask
from prunescope.model import Model, Ticket, initial
from prunescope.pruning import find_method
from prunescope.pruning.at_initialisation import scoring_batch
from prunescope.pruning.methods.progressive import layer_being_pruned
from prunescope.pruning.pools import as_ticket, keep_best, not_emptied, prune_smallest
from prunescope.training.levels import Outcome, Setting

SIZES = (108, 12, 10, 3)
DENSE = 12 * 108 + 10 * 12


def setting(method, seed=0, sections=None, **prune):
    chosen = {"method": method, "levels": None, "score_images": 50} | prune
    experiment = tiny.experiment(prune=chosen, **(sections or {}))
    return Setting(experiment, SIZES, seed, tiny.dataset())


def trained(model, number):
    """A stand-in for training: every number moved."""
    rng = np.random.default_rng(number)
    layers = []
    for layer in model.layers:
        noise = rng.standard_normal(layer.weight.shape).astype(np.float32)
        layers.append(replace(layer, weight=layer.weight + noise, bias=layer.bias + noise[:, 0]))
    return Model(tuple(layers))


def walk(given, accuracies=()):
    """(levels, outcomes); the best accuracy of level number n is ``accuracies[n]``, 0.5 beyond its end."""
    procedure = find_method(given.experiment.prune.method)(given)
    levels, outcomes, outcome = [], [], None
    while True:
        try:
            level = procedure.send(outcome)
        except StopIteration:
            return levels, outcomes
        best = accuracies[level.number] if level.number < len(accuracies) else 0.5
        kept = trained(level.model, 99) if level.keep_at is not None else None
        outcome = Outcome(
            level.ticket.applied_to(trained(level.model, level.number)), kept, level.ticket, best
        )
        levels.append(level)
        outcomes.append(outcome)


def same_model(one, other):
    left, right = one.to_arrays(), other.to_arrays()
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k]) for k in left)


@pytest.mark.parametrize("method", ["snip", "grasp", "synflow", "random"])
def test_methods_at_initialisation_train_each_density_from_the_initial_model(method):
    given = setting(method, seed=4, density=[0.3, 0.01, 0.1])
    levels, _ = walk(given)
    assert [level.number for level in levels] == [1, 2, 3]
    assert [level.nominal_density for level in levels] == [0.3, 0.01, 0.1]
    for level in levels:
        assert (level.steps, level.keep_at, level.dynamics) == (30, None, None)
        assert same_model(level.model, initial(SIZES, "before", 4))
        assert all(bias.all() for bias in level.ticket.biases)
        kept = sum(mask.kept for mask in level.ticket.masks)
        assert abs(kept - level.nominal_density * DENSE) <= (1 if method == "random" else 0.5)
        assert all(mask.kept for mask in level.ticket.masks)
    again, _ = walk(given)
    assert [a.ticket for a in again] == [b.ticket for b in levels]
    assert walk(setting(method, seed=5, density=0.3))[0][0].ticket != levels[0].ticket


@pytest.mark.parametrize("method", ["snip", "grasp", "synflow", "random", "oneshot"])
def test_a_density_must_be_given(method):
    with pytest.raises(InputError, match=r"^prune\.density is not given: .*as in prune\.density=0\.1"):
        walk(setting(method))


@pytest.mark.parametrize("method", ["snip", "grasp", "synflow"])
def test_in_the_authors_pool_biases_and_the_output_compete_and_the_output_stays(method):
    [hidden], _ = walk(setting(method, density=0.2))
    [whole], _ = walk(setting(method, density=0.2, score_pool="all"))
    assert len(whole.ticket.masks) == 2
    places = round(0.2 * (DENSE + 22 + 30))
    kept = sum(mask.kept for mask in whole.ticket.masks) + sum(int(b.sum()) for b in whole.ticket.biases)
    assert places - 30 <= kept < places
    assert hidden.ticket != whole.ticket
    if method != "grasp":  # its biases score 0, which is not the lowest
        assert not any(bias.any() for bias in whole.ticket.biases)


def test_the_scoring_batch_is_a_function_of_the_seed_and_none_of_trainings():
    given = setting("snip")
    batch, again = scoring_batch(given), scoring_batch(given)
    assert batch.inputs.shape == (50, 108)
    np.testing.assert_array_equal(batch.inputs, again.inputs)
    np.testing.assert_array_equal(batch.labels, again.labels)
    data = given.dataset
    drawn = [data.draw(0, level, 0, 50) for level in (0, 1)]
    for other in drawn:
        assert (other.labels != batch.labels).any()
    rows = [(data.sampler.pixels == np.rint(x * 255 + data.mean)).all(axis=1) for x in batch.inputs]
    assert all(data.sampler.labels[row][0] == label for row, label in zip(rows, batch.labels, strict=True))


def test_one_pool_against_one_pool_per_layer():
    # |w| of 2x2 and 1x2 weights: 8 7 / 2 1 and 4 3; half of each layer, or half of all
    layers = initial((2, 2, 1, 2), "none", 0).layers
    first = replace(layers[0], weight=np.array([[8, -7], [2, 1]], np.float32))
    second = replace(layers[1], weight=np.array([[4, -3]], np.float32))
    model, dense = Model((first, second, layers[2])), Ticket.dense((2, 2, 1, 2))
    alone = prune_smallest(model, dense, 0.5, Prune(biases=False))
    assert [m.array.tolist() for m in alone.masks] == [[[True, True], [False, False]], [[True, False]]]
    together = prune_smallest(model, dense, 0.5, Prune(scope="global"))
    assert [m.array.tolist() for m in together.masks] == [[[True, True], [False, False]], [[True, False]]]
    more = prune_smallest(model, dense, 2 / 3, Prune(scope="global"))
    assert [m.array.tolist() for m in more.masks] == [[[True, True], [False, False]], [[False, False]]]
    spared = not_emptied(more, model)
    assert [m.array.tolist() for m in spared.masks] == [[[True, True], [False, False]], [[True, False]]]
    scores = [np.abs(first.weight), np.abs(second.weight)]
    best = as_ticket(keep_best(scores, 1 / 3), (2, 2, 1, 2))
    assert [m.array.tolist() for m in best.masks] == [[[True, False], [False, False]], [[True, False]]]


def test_one_shot_prunes_each_density_from_the_same_trained_level_0():
    levels, outcomes = walk(setting("oneshot", density=[0.5, 0.05], rewind_step=7))
    assert [level.number for level in levels] == [0, 1, 2]
    assert [level.keep_at for level in levels] == [7, None, None]
    assert levels[0].ticket == Ticket.dense(SIZES)
    for level in levels[1:]:
        share = 1 - level.nominal_density
        assert level.ticket == prune_smallest(outcomes[0].trained, levels[0].ticket, share, Prune())
        assert same_model(level.model, outcomes[0].kept.restarted())
        assert level.steps == 30
    entries = [12 * 109, 10 * 13]
    kept = [
        m.kept + int(b.sum()) for m, b in zip(levels[2].ticket.masks, levels[2].ticket.biases, strict=True)
    ]
    assert kept == [n - int(0.95 * n) for n in entries]


def test_one_shot_with_densities_of_its_layers_or_one_pool_or_without_rewinding():
    levels, outcomes = walk(setting("oneshot", layer_densities=[0.25, 1.0], biases=False))
    assert [mask.kept for mask in levels[1].ticket.masks] == [324, 120]
    assert levels[1].nominal_density == pytest.approx(444 / DENSE)
    levels, _ = walk(setting("oneshot", density=0.001, scope="global"))
    assert min(mask.kept for mask in levels[1].ticket.masks) >= 1
    levels, outcomes = walk(setting("oneshot", density=0.3, rewind=False))
    assert levels[0].keep_at is None
    assert same_model(levels[1].model, outcomes[0].trained.restarted())
    levels, _ = walk(setting("oneshot", density=0.3, retrain="remaining", rewind_step=10))
    assert [level.steps for level in levels] == [30, 20]


@pytest.mark.parametrize("method", ["oneshot", "random"])
def test_densities_of_layers_that_do_not_fit_are_refused(method):
    with pytest.raises(InputError, match=r"^prune\.layer_densities is \[0\.1\]: .*2 hidden layers"):
        walk(setting(method, layer_densities=[0.1]))
    with pytest.raises(InputError, match=r"prune\.scope is global"):
        walk(setting(method, layer_densities=[0.1, 0.2], scope="global"))


@pytest.mark.parametrize("method", ["oneshot", "random"])
def test_densities_of_layers_beside_one_of_all_are_refused(method):
    with pytest.raises(
        InputError, match=r"^prune\.density is \[0\.3\] and prune\.layer_densities is \[0\.1, 0\.2\]"
    ):
        walk(setting(method, density=0.3, layer_densities=[0.1, 0.2]))


def test_densities_of_layers_are_refused_by_methods_that_do_not_read_them():
    for density in (None, 0.3):
        with pytest.raises(
            InputError, match=r"^prune\.layer_densities is \[0\.1, 0\.2\]: prune\.method=snip"
        ):
            walk(setting("snip", density=density, layer_densities=[0.1, 0.2]))


def test_random_layouts():
    [uniform], _ = walk(setting("random", density=0.1))
    assert [mask.kept for mask in uniform.ticket.masks] == [round(129.6), 12]
    [erk], _ = walk(setting("random", density=0.1, layout="erk"))
    assert erk.ticket.masks[1].density > 1.5 * erk.ticket.masks[0].density
    [own], _ = walk(setting("random", layer_densities=[0.02, 0.5]))
    assert [mask.kept for mask in own.ticket.masks] == [26, 60]
    assert own.nominal_density == pytest.approx((0.02 * 1296 + 60) / DENSE)


def test_rates_of_layers_prune_each_by_its_own_and_leave_those_at_0_alone():
    levels, _ = walk(setting("imp", layer_rates=[0.0, 0.4], levels=2))
    assert [level.nominal_density for level in levels] == pytest.approx([1, 0.6, 0.36])
    for level, share in zip(levels, (0, 0.4, 0.64), strict=True):
        assert level.ticket.density(0) == 1
        assert level.ticket.density(1) == (130 - int(share * 130)) / 130
    both, _ = walk(setting("imp", layer_rates=[0.3, 0.3], levels=3))
    one, _ = walk(setting("imp", rate=0.3, levels=3))
    assert [level.ticket for level in both] == [level.ticket for level in one]


@pytest.mark.parametrize("rates", [[0.1], [0.1, 0.2, 0.3], [0, 0]])
def test_rates_that_do_not_fit_are_refused(rates):
    with pytest.raises(InputError, match=r"^prune\.layer_rates is \["):
        walk(setting("imp", layer_rates=rates))


def densities(level):
    return [round(level.ticket.density(index), 3) for index in range(2)]


def test_progressive_goes_back_to_the_last_good_level_and_on_to_the_next_layer():
    # dense 0.5; first layer: good, good, worse -> level 2; second: good, as good, worse -> done
    accuracies = [0.5, 0.6, 0.55, 0.4, 0.7, 0.5, 0.49]
    levels, outcomes = walk(setting("progressive", rate=0.5, rewind_step=3), accuracies)
    assert [level.number for level in levels] == list(range(7))
    assert [layer_being_pruned(level.ticket) for level in levels] == [0, 1, 1, 1, 2, 2, 2]
    assert [level.nominal_density for level in levels] == [1, 0.5, 0.25, 0.125, 0.5, 0.25, 0.125]
    assert [densities(level)[0] for level in levels] == [1, 0.5, 0.25, 0.125, 0.25, 0.25, 0.25]
    assert [densities(level)[1] for level in levels] == [
        1,
        1,
        1,
        1,
        0.5,
        round(33 / 130, 3),
        round(17 / 130, 3),
    ]
    frozen = levels[2].ticket
    for level in levels[4:]:
        assert level.ticket.masks[0] == frozen.masks[0]
        assert (level.ticket.biases[0] == frozen.biases[0]).all()
    # the magnitudes that prune the second layer are those of the level gone back to
    following = prune_smallest(outcomes[2].trained, frozen, [0.0, 0.5], Prune())
    assert levels[4].ticket == following
    assert levels[4].ticket != prune_smallest(outcomes[3].trained, frozen, [0.0, 0.5], Prune())
    for level in levels[1:]:
        assert same_model(level.model, outcomes[0].kept.restarted())
    assert [level.keep_at for level in levels] == [3, *[None] * 6]


def test_progressive_leaves_a_layer_dense_whose_first_level_is_worse():
    levels, _ = walk(setting("progressive", rate=0.5), [0.9, 0.1, 0.95, 0.1])
    assert [densities(level) for level in levels] == [[1, 1], [0.5, 1], [1, 0.5], [1, round(33 / 130, 3)]]


def test_progressive_passes_a_dip_within_the_tolerance_but_does_not_end_in_it():
    # dense 0.5; first layer: a dip, good, a dip, too far down -> level 2; second: a dip, too far down -> dense
    accuracies = [0.5, 0.4, 0.5, 0.375, 0.37, 0.4, 0.3]
    levels, outcomes = walk(setting("progressive", rate=0.5, tolerance=0.125), accuracies)
    assert [densities(level)[0] for level in levels] == [1, 0.5, 0.25, 0.125, 0.063, 0.25, 0.25]
    assert [layer_being_pruned(level.ticket) for level in levels] == [0, 1, 1, 1, 1, 2, 2]
    # within a layer by the magnitudes of the level before, good or not; the next layer by those of the good one
    after_dip = prune_smallest(outcomes[1].trained, levels[1].ticket, [0.75, 0.0], Prune())
    assert levels[2].ticket == after_dip
    assert levels[5].ticket == prune_smallest(outcomes[2].trained, levels[2].ticket, [0.0, 0.5], Prune())


def test_progressive_ends_a_layer_by_the_stop_rule_and_the_run_by_its_levels():
    levels, _ = walk(setting("progressive", rate=0.9, stop_units=0.5))
    layers = [layer_being_pruned(level.ticket) for level in levels]
    assert layers == sorted(layers)
    assert set(layers) == {0, 1, 2}
    assert all(min(level.ticket.units_alive) > 5 for level in levels)
    assert len(walk(setting("progressive", rate=0.5, levels=3))[0]) == 4
    assert len(walk(setting("progressive", levels=0))[0]) == 1


def test_progressive_without_rewinding_goes_on_from_the_last_good_level():
    levels, outcomes = walk(setting("progressive", rate=0.5, rewind=False), [0.5, 0.6, 0.4, 0.4])
    assert same_model(levels[1].model, outcomes[0].trained.restarted())
    assert same_model(levels[2].model, outcomes[1].trained.restarted())
    assert same_model(levels[3].model, outcomes[1].trained.restarted())


def test_no_layer_of_a_dense_ticket_is_being_pruned():
    assert layer_being_pruned(Ticket.dense(SIZES)) == 0
    dense = Ticket.dense(SIZES)
    without_bias = Ticket(dense.masks, (np.zeros(12, bool), dense.biases[1]))
    assert layer_being_pruned(without_bias) == 1
    thin = Ticket((dense.masks[0], Mask(np.eye(10, 12) > 0)), dense.biases)
    assert layer_being_pruned(thin) == 2
