"""The fused step against the CPU's and float64 NumPy: run with `pytest tests/training/torch/test_fused_step.py`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine_cases import distance, masked, numbers, parameters
from fused_cases import TICKETS, make_case
from prunescope.data import Batch, Images
from prunescope.model import LAYER_FIELDS, PARAMETERS, Model, Ticket
from prunescope.training.torch.compact import connections
from reference.descent import Descent
from reference.network import Network
from tape import device_engine

OPTIMIZERS = ["sgd", "momentum", "adam"]
SIZES = [
    (70, 20, 3),
    (65, 1, 7, 5),
    (130, 64, 65, 3, 11),
    (30, 200, 129),
]
# How far updates may be from those without rounding, relative to their own size: a ReLU of nearly 0 may open or not.
TOLERANCES = {"tf32": 0.03, "bf16": 0.12}


def fused(case, optimizer="sgd", precision="float32"):
    """The engine for devices at the start of the level."""
    engine = device_engine(case.experiment(optimizer, precision), case.mean, case.live)
    engine.start(case.model, case.ticket)
    return engine


def slow(case, optimizer):
    """The same in float64."""
    network = Network(numbers(case.ticket.applied_to(case.model)), case.live)
    masked(network, case.ticket)
    experiment = case.experiment(optimizer)
    return Descent(network, optimizer, experiment.train.lr, experiment.train.momentum)


def updates(layers, start):
    return [own - first for own, first in zip(parameters(layers), parameters(start), strict=True)]


def masks_of(case):
    """Which entries of LAYER_FIELDS take part, layer by layer."""
    found = []
    for place, layer in zip(
        connections(case.ticket, case.live, case.sizes[-1]), case.model.layers, strict=True
    ):
        rows, columns = (indices[indices >= 0] for indices in (place.rows, place.columns))
        varying = place.columns[: place.varying]
        masks = {name: np.zeros(getattr(layer, name).shape, bool) for name in LAYER_FIELDS}
        masks["weight"][np.ix_(rows, columns)] = True
        masks["bias"][rows] = True
        masks["gamma"][columns] = masks["beta"][columns] = True
        masks["mean"][varying[varying >= 0]] = masks["variance"][varying[varying >= 0]] = True
        found.append(masks)
    return found


CASES = [make_case(SIZES[index % len(SIZES)], kind, (50, 64, 77, 130)[index % 4], index)
         for index, kind in enumerate(TICKETS * 2)]  # fmt: skip


def name(value):
    return f"{value.sizes} {value.batch}" if hasattr(value, "sizes") else None


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("case", "kind"), list(zip(CASES, TICKETS * 2, strict=True)), ids=lambda value: name(value) or str(value)
)
def test_it_is_the_slow_step_and_that_of_the_cpu_step_by_step(case, kind, optimizer):
    device, cpu, network = fused(case, optimizer), case.reference(optimizer), slow(case, optimizer)
    start = numbers(case.ticket.applied_to(case.model))
    for batch in case.batches(4):
        device.step(batch)
        cpu.step(batch)
        loss = network.step(case.inputs(batch), batch.labels)
        assert device.take_loss() == pytest.approx(loss, rel=1e-4)
        found, of_cpu = updates(numbers(device.model()), start), updates(numbers(cpu.model()), start)
        expected = updates(network.network.layers, start)
        # Adam moves an entry whose gradient is nearly 0 as far as any other: rounding decides where to, on a CPU too.
        assert distance(found, expected) < max(2e-5, 4 * distance(of_cpu, expected))
        for layer, masks, (mean, variance) in zip(
            device.model().layers, masks_of(case), network.network.averages, strict=True
        ):
            there = masks["mean"]
            near = {"rtol": 1e-4, "atol": 1e-6} if optimizer != "adam" else {"rtol": 0.02, "atol": 2e-3}
            np.testing.assert_allclose(layer.mean[there], mean[there], **near)
            np.testing.assert_allclose(layer.variance[there], variance[there], **near)


@pytest.mark.parametrize("optimizer", OPTIMIZERS[:2])
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("case", [CASES[i] for i in (0, 3, 4, 7, 8)], ids=name)
def test_rounded_operands_are_within_their_rounding(case, precision, optimizer):
    device, exact = fused(case, optimizer, precision), slow(case, optimizer)
    start = numbers(case.ticket.applied_to(case.model))
    for batch in case.batches(3):
        device.step(batch)
        loss = exact.step(case.inputs(batch), batch.labels)
        assert device.take_loss() == pytest.approx(loss, rel=0.02)
    found, expected = updates(numbers(device.model()), start), updates(exact.network.layers, start)
    assert 1e-6 < distance(found, expected) < TOLERANCES[precision]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", TICKETS)
def test_what_takes_no_part_stays_as_it_was(kind, optimizer):
    case = make_case((70, 20, 10, 3), kind, 50)
    device = fused(case, optimizer)
    device.steps(case.batches(5))
    start, moved = case.ticket.applied_to(case.model), 0
    for layer, first, masks in zip(device.model().layers, start.layers, masks_of(case), strict=True):
        for field, there in masks.items():
            before, after = getattr(first, field), getattr(layer, field)
            np.testing.assert_array_equal(after[~there], before[~there], err_msg=field)
            moved += np.count_nonzero(after[there] != before[there])
    for layer, mask, bias in zip(device.model().layers, case.ticket.masks, case.ticket.biases, strict=False):
        assert not layer.weight[~mask.array].any()
        assert not layer.bias[~bias].any()
    assert moved > 0
    for slot in device.state().moments:
        arrays = iter(slot)
        for masks in masks_of(case):
            for field in PARAMETERS:
                assert not next(arrays)[~masks[field]].any()


def test_what_is_left_out_makes_the_tensors_smaller():
    sizes = (300, 200, 200, 3)
    ticket = make_case(sizes, "dense", 9).ticket
    first, second = (mask.array.copy() for mask in ticket.masks)
    first[:, 64:] = False  # reads the first pixels alone
    second[:, 100:] = False  # reads half of the units
    ticket = Ticket(
        tuple(type(m)(a) for m, a in zip(ticket.masks, (first, second), strict=True)), ticket.biases
    )
    case = replace(make_case(sizes, "dense", 9), ticket=ticket)
    layers = fused(case)._level.layers
    assert [(layer.height, layer.varying) for layer in layers] == [(128, 64), (256, 128), (64, 256)]
    assert [layer.width - layer.varying for layer in layers] == [
        64,
        0,
        0,
    ]  # The first pixel sends a constant.


@pytest.mark.parametrize("dead", [False, True])
def test_the_first_pixels_alone_may_be_read(dead):
    case = make_case((128, 20, 3), "dense", 50)
    first = case.ticket.masks[0].array.copy()
    live = np.ones(128, bool)
    if dead:  # They are read, but none changes.
        live[64:] = False
    else:
        first[:, 64:] = False
    ticket = Ticket((type(case.ticket.masks[0])(first),), case.ticket.biases)
    engines = [type(e)(case.experiment(), case.mean, live) for e in (fused(case), case.reference())]
    batches = case.batches(3)
    pixels = np.random.default_rng(0).integers(0, 200, batches[0].pixels.shape).astype(np.uint8)
    pixels[:, ~live] = 7
    for engine in engines:
        engine.start(case.model, ticket)
        for batch in batches:
            engine.step(replace(batch, pixels=pixels))
    images = Images(pixels, np.arange(len(pixels)) % 3)
    found, expected = (engine.evaluate(images) for engine in engines)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert distance(*(parameters(numbers(engine.model())) for engine in engines)) < 1e-5


@pytest.mark.parametrize("kind", TICKETS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_state_is_whole(kind, optimizer):
    case = make_case((70, 20, 10, 3), kind, 50)
    first, second = fused(case, optimizer), fused(case, optimizer)
    batches = case.batches(7)
    first.steps(batches[:4])
    second.restore(first.state())
    again = second.state()
    assert again.ticket == case.ticket
    for key, array in first.state().to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[key], array, err_msg=key)
    for engine in (first, second):
        engine.steps(batches[4:])
    for key, array in first.state().to_arrays().items():
        np.testing.assert_array_equal(second.state().to_arrays()[key], array, err_msg=key)
    assert first.take_loss() == second.take_loss()


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
@pytest.mark.parametrize("value", [3e38, np.inf, np.nan])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_what_overflows_ends_in_a_loss_that_is_not_a_number(layer, value, precision):
    case = make_case((70, 20, 10, 3), "dense", 50)
    layers = list(case.model.layers)
    weight = np.full_like(layers[layer].weight, value)
    layers[layer] = replace(layers[layer], weight=weight)
    engine = fused(case, "sgd", precision)
    engine.start(Model(tuple(layers)), case.ticket)
    batches = case.batches(3)
    engine.steps(batches)
    assert np.isnan(engine.take_loss())
    score = engine.evaluate(Images(batches[0].pixels, np.zeros(len(batches[0].pixels), np.int64)))
    assert np.isnan(score.loss)


def test_a_network_that_sends_the_same_logits_for_all_images_learns_its_biases():
    case = make_case((70, 20, 5), "dense", 64)
    layers = [replace(layer, weight=0 * layer.weight, bias=0 * layer.bias) for layer in case.model.layers]
    device, cpu = fused(case), case.reference()
    for engine in (device, cpu):
        engine.start(Model(tuple(layers)), case.ticket)
    for batch in case.batches(3):
        device.step(batch)
        cpu.step(batch)
        assert device.take_loss() == pytest.approx(cpu.take_loss(), rel=1e-5)
    found, expected = (parameters(numbers(engine.model())) for engine in (device, cpu))
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-6)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("tf32", 5e-3), ("bf16", 0.04)])
def test_a_unit_that_falls_silent_disturbs_nothing(precision, tolerance):
    """Its moving average is far from its values then, and their variance 0: x is large beside its deviations."""
    case = make_case((70, 20, 10, 3), "dense", 64)
    batches = case.batches(2)
    device, exact = fused(case, "sgd", precision), case.reference()
    device.steps(batches[:1])
    state = device.state()
    layers = list(state.model.layers)
    lower = np.where(np.arange(20) < 5, 1000, 0).astype(np.float32)
    layers[0] = replace(layers[0], bias=layers[0].bias - lower)
    silent = replace(state, model=Model(tuple(layers)), loss_sum=0.0, loss_steps=0)
    for engine in (device, exact):
        engine.restore(silent)
        engine.step(batches[1])
    start, found, expected = (numbers(m) for m in (silent.model, device.model(), exact.model()))
    assert device.take_loss() == pytest.approx(exact.take_loss(), rel=tolerance / 4)
    assert distance(updates(found, start), updates(expected, start)) < tolerance


def test_a_batch_larger_than_the_set_is_fed_as_it_is():
    case = make_case((70, 20, 3), "sparse", 50)
    batch = case.batches(1)[0]
    engines = fused(case), case.reference()
    few = Batch(batch.pixels[:10], np.arange(50) % 10, batch.labels)
    for engine in engines:
        engine.step(few)
    assert distance(*(parameters(numbers(engine.model())) for engine in engines)) < 1e-5


def test_an_update_leaves_nothing_to_the_host():
    engine = fused(make_case((70, 20, 3), "sparse", 50), "adam")
    for tensor in engine._level.tensors:
        assert not tensor.requires_grad
    assert all(isinstance(tensor, torch.Tensor) for tensor in engine._level.tensors)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("tf32", 5e-3), ("bf16", 0.08)])
@pytest.mark.parametrize("values", [1, 2])
def test_pixels_that_hardly_change_in_a_batch_disturb_nothing(values, precision, tolerance):
    case = make_case((70, 20, 10, 3), "dense", 64)
    batches = case.batches(3)
    pixels = batches[0].pixels.copy()
    # They change in other images, and their mean is far from these values. Two values are as good as any after a norm.
    pixels[:, 10:40] = np.random.default_rng(0).integers(0, values, (len(pixels), 30))
    device, exact = fused(case, "sgd", precision), slow(case, "sgd")
    start = numbers(case.model)
    for batch in batches:
        moved = replace(batch, pixels=pixels)
        device.step(moved)
        loss = exact.step(case.inputs(moved), batch.labels)
        assert device.take_loss() == pytest.approx(loss, rel=tolerance / 4)
    found, expected = updates(numbers(device.model()), start), updates(exact.network.layers, start)
    assert distance(found, expected) < tolerance
