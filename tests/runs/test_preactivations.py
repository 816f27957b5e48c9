"""What runs observe of preactivations: run with `pytest tests/runs/test_preactivations.py`."""

import numpy as np
import pytest
import torch

import tiny
from prunescope import observables
from prunescope.data import Dataset, open_dataset
from prunescope.mask import Mask
from prunescope.model import Ticket
from prunescope.network.forward import forward, network_inputs, torch_averages, torch_layers
from prunescope.randomness import generator
from prunescope.runs import preactivations
from prunescope.runs.preactivations import (
    CAVITY_NODES,
    first_layer_inputs,
    kurtosis_columns,
    kurtosis_observations,
)


def opened(run) -> Dataset:
    return open_dataset(run.experiment.data, run.seed)


@pytest.mark.parametrize("norm", ["before", "none", "after"])
def test_inputs_are_what_the_first_map_gets(small_run, tmp_path, norm):
    from prunescope.pruning.running import run

    finished = run(small_run(network={"norm": norm}, prune={"levels": 1}), seed=1, out=tmp_path)
    model, ticket, dataset = finished.model(1), finished.ticket(1), opened(finished)
    device = torch.device("cpu")
    layers = torch_layers(model, ticket, dataset.live_pixels, device)
    images = torch.from_numpy(np.array(dataset.validation.pixels))
    inputs = network_inputs(images, torch.tensor(dataset.mean))
    averages = torch_averages(model, device)
    if norm == "after":  # the preactivation is the map's, before the norm
        wanted = inputs @ layers[0].weight.T
    else:
        from dataclasses import replace

        raised = [replace(layers[0], bias=layers[0].bias + 100.0), *layers[1:]]  # past the ReLU
        wanted, _ = forward(raised, inputs, norm, averages, depth=1)
    found = first_layer_inputs(model, norm, dataset) @ (model.layers[0].weight * ticket.masks[0].array).T
    assert found.dtype == np.float32
    difference = found - wanted.numpy()
    np.testing.assert_allclose(difference - difference.mean(axis=0), 0, atol=1e-3)


def test_images_are_spread_evenly():
    dataset = tiny.dataset()
    model = tiny_model(dataset)
    some, every = (first_layer_inputs(model, "none", dataset, images=n) for n in (4, 1000))
    assert len(every) == len(dataset.validation)
    np.testing.assert_array_equal(some, every[[0, 40, 79, 119]])


def tiny_model(dataset):
    from prunescope.model import initial

    return initial((len(dataset.mean), 30, 4, 3), "none", 0)


def test_a_run_stores_kurtosis_cavities_and_their_columns(finished_run):
    dataset, table = opened(finished_run), finished_run.table
    for level in finished_run.levels:
        observed = finished_run.observations(level)
        mask, weights = finished_run.mask(level), finished_run.model(level).layers[0].weight
        inputs = first_layer_inputs(finished_run.model(level), "before", dataset)
        effects = observables.stored_cavity(observed)
        kept = np.stack(np.nonzero(mask.array), axis=1)  # fewer nodes than are sampled
        np.testing.assert_array_equal(np.stack([effects.node, effects.input], 1)[kept_order(effects)], kept)
        wanted = observables.cavity(weights, mask, inputs).effect
        np.testing.assert_allclose(effects.effect[kept_order(effects)], wanted, rtol=1e-4, atol=1e-6)
        row = table.filter(level=level, layer=1).row(0, named=True)
        assert row["kurtosis"] == pytest.approx(np.nanmean(observed["kurtosis"]), rel=1e-5)
        assert row["kurtosis_null"] == pytest.approx(observed["kurtosis_null"].mean())
        assert row["kurtosis_null_sd"] == pytest.approx(observed["kurtosis_null"].std(ddof=1))
        assert observed["kurtosis_null"].shape == (50,)
    assert table.filter(layer=2)["kurtosis"].is_null().all()


def observations(model, mask, dataset):
    inputs = first_layer_inputs(model, "none", dataset)
    return kurtosis_observations(model.layers[0].weight, mask, inputs)


def kept_order(effects):
    return np.lexsort((effects.input, effects.node))


def test_sampled_nodes_are_spread_over_the_ranks_of_fan_in():
    dataset = tiny.dataset()
    model = tiny_model(dataset)
    mask = (
        np.arange(len(dataset.mean)) < np.arange(30)[:, np.newaxis]
    )  # node k keeps k inputs, node 0 is dead
    observed = observations(model, Mask(mask), dataset)
    nodes = np.unique(observed["cavity_place"][:, 0])
    assert len(nodes) == CAVITY_NODES
    assert {1, 29} <= set(nodes.tolist())
    assert 0 not in nodes
    assert np.diff(nodes).max() <= 2
    assert np.isnan(observed["kurtosis"][0])


def test_a_layer_without_connections_is_observed_too():
    dataset = tiny.dataset()
    model = tiny_model(dataset)
    dead = Mask(np.zeros((30, len(dataset.mean)), bool))
    observed = observations(model, dead, dataset)
    assert observed["cavity_place"].shape == (0, 2)
    assert set(kurtosis_columns(observed).values()) == {None}
    assert not Ticket((dead,), (np.zeros(30, bool),)).units_alive[0]


def test_the_null_moves_weights_as_a_function_of_the_mask_alone():
    dataset = tiny.dataset()
    model = tiny_model(dataset)
    mask = Mask(np.random.default_rng(0).random((30, len(dataset.mean))) < 0.2)
    turned = Mask(mask.array[::-1])
    first, again, other = (observations(model, one, dataset)["kurtosis_null"] for one in (mask, mask, turned))
    assert first.tobytes() == again.tobytes()
    assert (first != other).all()
    rng = generator(0, f"null-kurtosis of {mask.digest}", 0, 49)
    inputs = first_layer_inputs(model, "none", dataset)
    last = observables.shuffled_kurtosis(model.layers[0].weight, mask, inputs, rng)
    assert first[49] == pytest.approx(np.nanmean(last), rel=1e-6)
    assert len(first) == 50


def test_the_null_of_a_sparse_mask_is_that_of_shuffled_rows(monkeypatch):
    dataset = tiny.dataset()
    model = tiny_model(dataset)
    mask = Mask(np.random.default_rng(0).random((30, len(dataset.mean))) < 0.04)
    found = observations(model, mask, dataset)
    assert observations(model, mask, dataset)["kurtosis_null"].tobytes() == found["kurtosis_null"].tobytes()
    monkeypatch.setattr(preactivations, "SPARSE_BELOW", 0.0)
    dense = observations(model, mask, dataset)
    means, sds = zip(
        *((x["kurtosis_null"].mean(), x["kurtosis_null"].std()) for x in (found, dense)), strict=True
    )
    assert abs(means[0] - means[1]) < 4 * np.hypot(*sds) / np.sqrt(50)
    assert sds[0] == pytest.approx(sds[1], rel=0.5)
    assert (found["kurtosis_null"] != dense["kurtosis_null"]).all()
    for name in ("kurtosis", "cavity_place", "cavity_effect"):
        assert found[name].tobytes() == dense[name].tobytes()
