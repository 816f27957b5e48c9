"""What a level's end measures with torch on a device: run with `pytest tests/runs/test_level_network.py`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from prunescope import observables
from prunescope.mask import Mask
from prunescope.model import Ticket, initial
from prunescope.network.forward import forward, network_inputs
from prunescope.observables.removal import remove_first_layer_nodes
from prunescope.randomness import generator
from prunescope.runs import level_measurements, level_network, preactivations
from prunescope.runs.layer_inputs import LayerInputs
from prunescope.runs.level_network import ComputePlace, LevelNetwork
from prunescope.training.levels import Level, Setting
from prunescope.training.loop import Evaluation, Trained
from prunescope.training.torch.engine import TorchEngine
from tape import TapeCapture, device_engine

SIZES = (108, 12, 10, 3)
CPU = torch.device("cpu")


def absent(pixels):
    return None


def trained_level(norm="before", hidden=(12, 10)):
    """An engine after a few steps of a level, what it trained, and its setting."""
    dataset = tiny.dataset()
    experiment = tiny.experiment(network={"norm": norm, "hidden": list(hidden)}, run={"engine": "torch"})
    sizes = (108, *hidden, 3)
    rng = np.random.default_rng(4)
    dense = Ticket.dense(sizes)
    ticket = Ticket(tuple(Mask(rng.random(m.array.shape) < 0.4) for m in dense.masks), dense.biases)
    engine = TorchEngine(experiment, dataset.mean, dataset.live_pixels)
    level = Level(1, ticket, initial(sizes, norm, 0), 30, 0.4)
    engine.start(level.model, ticket)
    for step in range(30):
        engine.step(dataset.draw(0, 0, step, 20))
    model = engine.model()
    score = engine.evaluate(dataset.validation)
    last = Evaluation(1, 30, 0.0, score)
    trained = Trained(model, None, score.accuracy, 29, model, last, ticket, ticket)
    return engine, level, trained, Setting(experiment, sizes, 0, dataset)


def network_of(trained, setting, rows=50, resident=absent):
    place = ComputePlace(CPU, rows, remote=True)
    return LevelNetwork.of(trained, setting.dataset, setting.experiment, place, resident)


@pytest.mark.parametrize(
    ("norm", "hidden"), [("before", (12, 10)), ("after", (12, 10)), ("none", (12, 10)), ("before", (12,))]
)
def test_accuracies_without_nodes_are_those_of_the_engine(norm, hidden):
    engine, _, trained, setting = trained_level(norm, hidden)
    images = setting.dataset.validation
    order = np.random.default_rng(0).permutation(12)
    removals = [order[:count] for count in (0, 1, 3, 6, 11, 12)]
    found = network_of(trained, setting).accuracies_without(images, removals)
    wanted = [
        engine.evaluate(images, remove_first_layer_nodes(trained.model, nodes)).accuracy for nodes in removals
    ]
    assert found == wanted
    assert len(set(wanted)) > 2


def test_images_on_the_device_are_not_copied_again(monkeypatch):
    engine, _, trained, setting = trained_level()
    images, asked = setting.dataset.validation, []

    def resident(pixels):
        asked.append(pixels)
        return torch.from_numpy(pixels)

    monkeypatch.setattr(level_network, "batches", None)
    network = network_of(trained, setting, resident=resident)
    assert network.accuracies_without(images, [np.array([], np.int64)]) == [engine.evaluate(images).accuracy]
    assert len(asked) == 1
    assert asked[0] is images.pixels


def test_images_as_strong_as_the_last_of_the_strongest_are_kept():
    active = torch.tensor([[0.0, 5.0], [2.0, 0.0], [1.0, 1.0], [1.0, torch.nan], [0.5, 0.0], [3.0, 1.0]])
    assert level_network._strongest(active, 2).tolist() == [0, 1, 2, 5]
    assert level_network._strongest(active, 3).tolist() == [0, 1, 2, 3, 5]
    assert level_network._strongest(active, 6).tolist() == list(range(6))
    assert level_network._strongest(torch.zeros(9, 1), 2).tolist() == list(range(9))


@pytest.mark.parametrize("rows", [2, 7, 50, 1000])
@pytest.mark.parametrize("norm", ["before", "after", "none"])
def test_top_images_are_those_of_all_activations(rows, norm):
    _, _, trained, setting = trained_level(norm)
    pixels, nodes = setting.dataset.validation.pixels, (np.array([3, 0, 8]), np.array([7, 1]))
    network = network_of(trained, setting, rows)
    for depth, (indices, values) in enumerate(network.top_images(pixels, nodes, 3), 1):
        inputs = network_inputs(torch.from_numpy(pixels), torch.tensor(setting.dataset.mean))
        active, _ = forward(network.layers, inputs, norm, network.averages, depth=depth)
        wanted, heights = observables.top_images(active[:, nodes[depth - 1]].numpy(), 3)
        np.testing.assert_array_equal(indices, wanted)
        np.testing.assert_allclose(values, heights, rtol=1e-5)


def as_on_a_device(monkeypatch, rows):
    """Let a level's end take the path of devices, on the CPU."""
    monkeypatch.setattr(
        level_measurements._Measured, "device", property(lambda self: torch.device("cuda")), raising=True
    )
    monkeypatch.setattr(
        level_measurements,
        "_where_it_fits",
        lambda device, measure: measure(ComputePlace(CPU, rows, remote=True)),
    )


def test_a_device_observes_what_a_cpu_does(monkeypatch):
    engine, level, trained, setting = trained_level()
    here = level_measurements.level_observations(level, trained, setting, engine)
    as_on_a_device(monkeypatch, 33)
    monkeypatch.setattr(level_measurements, "remove_first_layer_nodes", None)  # of the path of CPUs alone
    there = level_measurements.level_observations(level, trained, setting, engine)
    assert set(there) == set(here)
    for name, array in here.items():
        assert (there[name].dtype, there[name].shape) == (array.dtype, array.shape), name
        np.testing.assert_allclose(there[name], array, rtol=1e-3, atol=1e-4, err_msg=name)
        if array.dtype.kind in "iu" or name.startswith("ablation"):
            np.testing.assert_array_equal(there[name], array, name)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore"),
        RuntimeError("CUDA error: out of memory\nmore"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`\nmore"),
    ],
    ids=["allocator", "driver", "cublas"],
)
def test_a_full_device_is_asked_for_less_and_then_the_cpu(caplog, error):
    places = []

    def measure(place):
        places.append((place.device.type, place.rows, place.remote))
        if place.device.type != "cpu":
            raise error
        return {"nodes": np.arange(3)}

    found = level_measurements._where_it_fits(torch.device("cuda"), measure)
    assert found["nodes"].tolist() == [0, 1, 2]
    assert places == [("cuda", 10_000, True), ("cuda", 1000, True), ("cpu", 2000, False)]
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        f"the end of the level is measured again, {otherwise}: {str(error).partition(chr(10))[0]}"
        for otherwise in ("with fewer images at once", "on the CPU")
    ]


def test_a_level_is_measured_on_the_cpu_with_the_hosts_images_where_the_device_is_full(monkeypatch):
    engine, level, trained, setting = trained_level()
    here = level_measurements.level_observations(level, trained, setting, engine)
    real = LevelNetwork.of

    def full(trained, dataset, experiment, place, resident):
        if place.remote:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        return real(trained, dataset, experiment, place, resident)

    monkeypatch.setattr(level_measurements._Measured, "device", property(lambda self: torch.device("cuda")))
    monkeypatch.setattr(LevelNetwork, "of", full)
    monkeypatch.setattr(preactivations, "DeviceInputs", lambda inputs, device: LayerInputs(inputs))
    monkeypatch.setattr(engine, "resident", lambda pixels: torch.empty(pixels.shape, device="meta"))
    there = level_measurements.level_observations(level, trained, setting, engine)
    assert {name: array.tobytes() for name, array in there.items()} == {
        name: array.tobytes() for name, array in here.items()
    }


def test_an_error_other_than_a_full_device_is_raised():
    def measure(place):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        level_measurements._where_it_fits(torch.device("cuda"), measure)


def test_the_cpu_is_asked_once():
    places: list[ComputePlace] = []
    level_measurements._where_it_fits(CPU, lambda place: places.append(place) or {})
    assert places == [ComputePlace(CPU, 2000)]


def test_engines_of_cpus_keep_no_images_and_others_give_those_they_have():
    engine, _, _, setting = trained_level()
    dataset = setting.dataset
    pixels = dataset.validation.pixels
    assert engine.resident(pixels) is None
    capture = TapeCapture()
    remote = device_engine(setting.experiment, dataset.mean, dataset.live_pixels, capture)
    first = remote.resident(pixels)
    assert first.numpy().tobytes() == pixels.tobytes()
    assert remote.resident(pixels) is first
    assert remote.resident(pixels.astype(np.float32)) is None


@pytest.mark.parametrize("before", ["tf32", "ieee"])
def test_a_level_is_measured_in_float32_whatever_the_process_has_set(monkeypatch, before):
    setting = torch.backends.cuda.matmul
    if not hasattr(setting, "fp32_precision"):  # torch before 2.9
        pytest.skip("this torch has another setting")
    (engine, level, trained, given), usual, found = trained_level(), setting.fp32_precision, []
    where_it_fits = level_measurements._where_it_fits

    def noted(device, measure):
        found.append(setting.fp32_precision)
        return where_it_fits(device, measure)

    monkeypatch.setattr(level_measurements, "_where_it_fits", noted)
    try:
        setting.fp32_precision = before
        level_measurements.level_observations(level, trained, given, engine)
        assert (found, setting.fp32_precision) == (["ieee"], before)
    finally:
        setting.fp32_precision = usual


def test_the_ablation_evaluates_each_set_of_connected_nodes_once(monkeypatch):
    engine, level, trained, setting = trained_level()
    first = trained.ticket.masks[0].array.copy()
    first[[1, 4, 5, 7, 10]] = False
    ticket = Ticket((Mask(first), *trained.ticket.masks[1:]), trained.ticket.biases)
    engine.start(trained.model, ticket)
    score = engine.evaluate(setting.dataset.validation)
    trained = replace(trained, model=engine.model(), ticket=ticket, best_ticket=ticket)
    found, evaluated = engine.evaluate_each, []

    def counted(images, models):
        models = list(models)
        evaluated.extend(models)
        return found(images, models)

    monkeypatch.setattr(engine, "evaluate_each", counted)
    arrays = level_measurements.level_observations(level, trained, setting, engine)
    weights = {model.layers[0].weight.tobytes() for model in evaluated}
    assert len(weights) == len(evaluated) < 20
    assert trained.model.layers[0].weight.tobytes() not in weights
    counts = arrays["ablation_removed"].tolist()
    for order in ("decreasing", "increasing", "random"):
        nodes = observables.ablation_order(
            ticket.masks[0].fan_in, order, generator(setting.seed, "ablation", level.number)
        )
        for count, accuracy in zip(counts, arrays[f"ablation_{order}"], strict=True):
            without = remove_first_layer_nodes(trained.model, nodes[:count])
            assert accuracy == engine.evaluate(setting.dataset.validation, without).accuracy
    assert arrays["ablation_increasing"][3] == score.accuracy
