"""prunescope.runs.device_memory: run with `pytest tests/runs/test_device_memory.py`."""

import numpy as np
import pytest
import torch

import tiny
from prunescope.model import initial, layer_sizes
from prunescope.runs.device_memory import BLOCK_STEPS, DeviceImages, device_bytes, on_device
from prunescope.runs.trials.random_masks import random_ticket
from prunescope.training.torch.device_engine import DeviceEngine, Execution
from prunescope.training.torch.torch_passes import TorchPasses

IMAGES = DeviceImages(300, 120, 60, 108)


def bytes_of(**train):
    experiment = tiny.experiment(train=train)
    return device_bytes(experiment, layer_sizes(108, (12, 10), 3), IMAGES)


def test_images_are_bytes():
    assert bytes_of().images == sum(tiny.images(count, 0)[0].nbytes for count in (300, 120, 60))


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize(("optimizer", "moments"), [("sgd", 0), ("momentum", 1), ("adam", 2)])
def test_what_an_engine_holds_is_within_what_is_counted(optimizer, moments, precision):
    data = tiny.dataset()
    experiment = tiny.experiment(
        network={"hidden": [512, 256]}, train={"optimizer": optimizer, "precision": precision, "lr": 0.01}
    )
    sizes = layer_sizes(108, (512, 256), 3)
    execution = Execution(None, TorchPasses(False))
    engine = DeviceEngine(experiment, data.mean, data.live_pixels, execution=execution)
    engine.start(initial(sizes, "before", 0), random_ticket(sizes, 0.5))
    engine.steps([data.draw(0, 0, step, 20) for step in range(3)])
    layers = engine._started.layers
    found = device_bytes(experiment, sizes, IMAGES)
    parameters = total(x for layer in layers for x in layer.parameters)
    # An engine rounds the sizes of layers up, which matters to small ones.
    assert found.snapshots == pytest.approx(3 * parameters, rel=0.3)
    assert total(x for layer in layers for slot in layer.moments for x in slot) == moments * parameters
    everything = total(x for layer in layers for x in held(layer))
    assert everything < found.network + found.batch
    lasting = total(x for layer in layers for x in (*layer.lasting, layer.folded))
    assert 0.3 * found.network < lasting < found.network


def total(tensors):
    return sum(x.nbytes for x in tensors)


def held(layer):
    """All tensors of a layer, each once."""
    found = {}
    for value in vars(layer).values():
        for each in value if isinstance(value, list) else [value]:
            for tensor in each if isinstance(each, list) else [each]:
                if isinstance(tensor, torch.Tensor):
                    found[id(tensor)] = tensor
    return found.values()


def test_a_batch_grows_with_its_images():
    small, large = (bytes_of(batch=batch).batch for batch in (20, 30))
    assert large - small == 10 * (4 * (2 * 108 + 6 * 25) + 16 * BLOCK_STEPS)


@pytest.mark.parametrize(
    ("device", "own"), [("cpu", False), ("cpu:0", False), ("cuda", True), ("cuda:1", True), ("mps", True)]
)
def test_a_cpu_has_no_memory_of_its_own(device, own):
    assert on_device(tiny.experiment(run={"device": device})) is own


def test_the_whole_is_the_sum_of_its_parts():
    found = bytes_of()
    parts = (found.images, found.network, found.snapshots, found.batch, found.evaluation, found.context)
    assert found.whole == np.sum(parts)
    assert found.least == found.whole - found.images
