"""prunescope.runs.device_memory: run with `pytest tests/runs/test_device_memory.py`."""

import numpy as np
import pytest

import tiny
from prunescope.model import Ticket, initial, layer_sizes
from prunescope.runs.device_memory import BLOCK_STEPS, DeviceImages, device_bytes, on_device
from prunescope.training.torch.engine import TorchEngine

IMAGES = DeviceImages(300, 120, 60, 108)


def bytes_of(**train):
    experiment = tiny.experiment(train=train)
    return device_bytes(experiment, layer_sizes(108, (12, 10), 3), IMAGES)


def test_images_are_bytes_with_their_labels():
    assert bytes_of().images == sum(
        rows.nbytes + labels.nbytes for rows, labels in map(tiny.images, (300, 120, 60), range(3))
    )


@pytest.mark.parametrize(("optimizer", "moments"), [("sgd", 0), ("momentum", 1), ("adam", 2)])
def test_the_network_is_what_an_engine_holds_and_its_gradients(optimizer, moments):
    data = tiny.dataset()
    experiment = tiny.experiment(train={"optimizer": optimizer, "lr": 0.01})
    engine = TorchEngine(experiment, data.mean, data.live_pixels)
    sizes = layer_sizes(108, (12, 10), 3)
    engine.start(initial(sizes, "before", 0), Ticket.dense(sizes))
    state = engine.state()
    parameters = sum(
        getattr(layer, name).nbytes
        for layer in state.model.layers
        for name in ("weight", "bias", "gamma", "beta")
    )
    assert sum(moment.nbytes for slot in state.moments for moment in slot) == moments * parameters
    masks = 4 * sum(mask.array.size for mask in engine.ticket.masks)
    copies = 3  # the parameters, their gradients, and one more for products
    assert bytes_of(optimizer=optimizer).network == (copies + moments) * parameters + masks
    assert bytes_of().snapshots == 3 * parameters


def test_a_block_is_as_long_as_an_engine_takes_at_most():
    indices = 2 * 2 * 8 * 20  # two blocks; indices and labels of 20 images
    one, many, most = (bytes_of(eval_every=every).batch for every in (1, 11, 10 * BLOCK_STEPS))
    assert many - one == 10 * indices
    assert most - one == (BLOCK_STEPS - 1) * indices


def test_a_batch_grows_with_its_images_once_it_is_larger_than_an_evaluation():
    small, large, larger = (bytes_of(batch=batch, eval_every=1).batch for batch in (2, 4000, 8000))
    assert small < large < larger
    floats = 4 * (2 * 108 + 6 * 25)
    assert larger - large == 4000 * (floats + 2 * 2 * 8)


@pytest.mark.parametrize(
    ("device", "own"), [("cpu", False), ("cpu:0", False), ("cuda", True), ("cuda:1", True), ("mps", True)]
)
def test_a_cpu_has_no_memory_of_its_own(device, own):
    assert on_device(tiny.experiment(run={"device": device})) is own


def test_the_whole_is_the_sum_of_its_parts():
    found = bytes_of()
    parts = (found.images, found.network, found.snapshots, found.batch, found.level_end, found.context)
    assert found.whole == np.sum(parts)
    assert found.with_images == found.whole - found.level_end
    assert found.least == found.with_images - found.images
