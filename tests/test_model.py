"""prunescope.model: run with `pytest tests/test_model.py`."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.model import LAYER_FIELDS, Model, Ticket, initial, layer_sizes

SIZES = (50, 40, 30, 4)


def random_ticket(density, seed, sizes=SIZES):
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:-1], sizes[:-2], strict=True))
    return Ticket(
        tuple(Mask(rng.random(shape) < density) for shape in shapes),
        tuple(rng.random(n) < density for n, _ in shapes),
    )


def test_initial_weights_are_glorot_normal_and_the_rest_is_constant():
    model = initial((600, 500, 400, 10), "before", seed=1)
    for layer, n_in, n_out in zip(model.layers, (600, 500, 400), (500, 400, 10), strict=True):
        assert layer.weight.shape == (n_out, n_in)
        spread = np.sqrt(2 / (n_in + n_out))
        assert layer.weight.std() == pytest.approx(spread, rel=0.03)
        assert abs(layer.weight.mean()) < 4 * spread / np.sqrt(layer.weight.size)
        assert np.abs(layer.weight).max() > 3 * spread  # not truncated
        assert (layer.gamma == 1).all()
        assert layer.gamma.shape == layer.beta.shape == layer.mean.shape == (n_in,)
        assert not layer.bias.any()
        assert not layer.beta.any()
        assert all(getattr(layer, name).dtype == np.float32 for name in LAYER_FIELDS)


def test_initial_weights_depend_on_the_seed_alone():
    first, again, other = (initial(SIZES, "before", seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.layers[1].weight, again.layers[1].weight)
    assert (first.layers[1].weight != other.layers[1].weight).any()


def test_common_initialisation_gives_hidden_layers_one_spread():
    model = initial((900, 300, 300, 10), "before", seed=1, common=True)
    spreads = [layer.weight.std() for layer in model.layers]
    assert spreads[:2] == pytest.approx([np.sqrt(2 / 1200)] * 2, rel=0.03)
    assert spreads[2] == pytest.approx(np.sqrt(2 / 310), rel=0.05)


@pytest.mark.parametrize(
    ("norm", "widths"), [("before", [50, 40, 30]), ("after", [40, 30, 0]), ("none", [0, 0, 0])]
)
def test_norms_have_the_size_of_the_side_they_normalise(norm, widths):
    assert [layer.gamma.size for layer in initial(SIZES, norm, 0).layers] == widths


@pytest.mark.parametrize("norm", ["before", "after", "none"])
def test_models_survive_becoming_arrays(norm):
    model = initial(SIZES, norm, 0)
    again = Model.from_arrays(dict(reversed(model.to_arrays().items())))
    for name, array in again.to_arrays().items():
        np.testing.assert_array_equal(array, model.to_arrays()[name])


def test_restarted_forgets_the_averages_only():
    arrays = {name: array + 1 for name, array in initial(SIZES, "before", 0).to_arrays().items()}
    restarted = Model.from_arrays(arrays).restarted().to_arrays()
    for name, array in restarted.items():
        average = name.endswith((".mean", ".variance"))
        np.testing.assert_array_equal(array, np.zeros_like(array) if average else arrays[name])


def test_a_dense_ticket_keeps_everything():
    ticket = Ticket.dense(SIZES)
    assert [mask.array.shape for mask in ticket.masks] == [(40, 50), (30, 40)]
    assert ticket.units_alive == (40, 30)
    assert ticket.density(0) == ticket.density(1) == 1


def test_tickets_are_equal_when_every_mask_and_bias_is():
    one, same, other = random_ticket(0.3, 0), random_ticket(0.3, 0), random_ticket(0.3, 1)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    biases = (one.biases[0], ~one.biases[1])
    assert one != Ticket(one.masks, biases)
    assert one != "ticket"


NAMES = {(): ["layer{}.weight_mask", "layer{}.bias_mask"], ("w{}", "b{}"): ["w{}", "b{}"]}


@pytest.mark.parametrize("names", NAMES)
@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_tickets_survive_becoming_arrays(names, density, seed):
    ticket = random_ticket(density, seed)
    arrays = ticket.to_arrays(*names)
    assert list(arrays) == [name.format(layer) for layer in (1, 2) for name in NAMES[names]]
    assert ticket.shapes == ((40, 50), (30, 40))
    np.testing.assert_array_equal(arrays[NAMES[names][0].format(2)], np.packbits(ticket.masks[1].array))
    assert Ticket.from_arrays(arrays, ticket.shapes, *names) == ticket


def test_arrays_that_hold_no_ticket_of_these_shapes_are_refused():
    ticket = random_ticket(0.3, 0)
    with pytest.raises(InputError, match="do not hold a packed 41x50 mask"):
        Ticket.from_arrays(ticket.to_arrays(), ((41, 50), (30, 40)))
    with pytest.raises(KeyError, match=r"layer3\.weight_mask"):
        Ticket.from_arrays(ticket.to_arrays(), (*ticket.shapes, (5, 30)))


@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_density_counts_weights_and_biases_together(density, seed):
    ticket = random_ticket(density, seed)
    for index, (mask, bias) in enumerate(zip(ticket.masks, ticket.biases, strict=True)):
        whole = np.concatenate([mask.array.ravel(), bias])
        assert ticket.density(index) == pytest.approx(whole.mean())
        assert ticket.units_alive[index] == sum(row.any() for row in mask.array)


def test_applied_to_zeroes_what_is_pruned_and_nothing_else():
    model, ticket = initial(SIZES, "before", 0), random_ticket(0.4, 0)
    model = Model.from_arrays({name: array + 1 for name, array in model.to_arrays().items()})
    applied = ticket.applied_to(model)
    for index, (mask, bias) in enumerate(zip(ticket.masks, ticket.biases, strict=True)):
        np.testing.assert_array_equal(applied.layers[index].weight != 0, mask.array)
        np.testing.assert_array_equal(applied.layers[index].bias != 0, bias)
        np.testing.assert_array_equal(applied.layers[index].gamma, model.layers[index].gamma)
    assert applied.layers[-1] is model.layers[-1]


@given(st.floats(0, 0.3), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_inputs_live_where_a_path_of_kept_weights_starts_at_a_live_pixel(density, pixels, seed):
    ticket = random_ticket(density, seed, sizes=(9, 8, 7, 2))
    live_pixels = np.random.default_rng(seed).random(9) < pixels
    paths = live_pixels.astype(int)
    found = ticket.live_inputs(live_pixels)
    np.testing.assert_array_equal(found[0], live_pixels)
    for mask, live in zip(ticket.masks, found[1:], strict=True):
        paths = mask.array.astype(int) @ paths
        np.testing.assert_array_equal(live, paths > 0)


def test_layer_sizes_run_from_the_pixels_to_the_classes():
    assert layer_sizes(48, (5, 6), 10) == (48, 5, 6, 10)


def test_pruned_weights_that_are_not_finite_are_0_too():
    model = initial((3, 2, 2), "none", 0)
    weight = model.layers[0].weight.copy()
    weight[0, 0], weight[1, 1] = np.inf, np.nan
    model = Model((replace(model.layers[0], weight=weight), model.layers[1]))
    mask = np.array([[0, 1, 1], [1, 0, 1]], bool)
    pruned = Ticket((Mask(mask),), (np.ones(2, bool),)).applied_to(model).layers[0].weight
    assert np.array_equal(pruned, np.where(mask, weight, 0))
