"""Captured steps on a CPU, with a tape for the CUDA graph: `pytest tests/training/torch/test_captured_step.py`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from engine_cases import dying_ticket, train
from prunescope.data import Batch
from prunescope.mask import Mask
from prunescope.model import Ticket, initial
from prunescope.training.torch.batch_buffers import ResidentImages
from prunescope.training.torch.captured_step import CapturedStep
from prunescope.training.torch.engine import TorchEngine
from tape import TapeCapture

SIZES = (108, 12, 10, 3)


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


def pair(data, capture, norm="before", **train):
    """An engine that steps as it goes, and one that replays."""
    experiment = tiny.experiment(network={"norm": norm}, train=train)
    return (TorchEngine(experiment, data.mean, data.live_pixels, c) for c in (None, capture))


def assert_same(found, expected):
    own = found.state().to_arrays()
    for name, array in expected.state().to_arrays().items():
        np.testing.assert_array_equal(own[name], array, err_msg=name)


def whole_set(data, step):
    return data.draw(0, 0, step, 50)


def rows_only(data, step):
    batch = data.draw(0, 0, step, 50)
    return Batch(batch.pixels[batch.indices], np.arange(50), batch.labels)


def stream(data, step):
    batch = rows_only(data, step)
    return replace(batch, pixels=((batch.pixels - data.mean) / 255).astype(np.float32))


@pytest.mark.parametrize("draw", [whole_set, rows_only, stream])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_replayed_step_makes_the_bits_of_an_eager_one(data, draw, optimizer, caplog):
    capture = TapeCapture()
    eager, replayed = pair(data, capture, optimizer=optimizer, lr=0.02)
    for engine in (eager, replayed):
        engine.start(initial(SIZES, "before", 0), dying_ticket(SIZES))
    for step in range(8):
        eager.step(draw(data, step))
        replayed.step(draw(data, step))
        assert_same(replayed, eager)
    assert eager.take_loss() == replayed.take_loss()
    assert (capture.captures, capture.replays) == (1, 8)
    assert not caplog.records  # among them: nothing in the step asked the host


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("norm", ["before", "after", "none"])
def test_so_it_does_with_every_norm_and_precision(data, norm, precision):
    capture = TapeCapture()
    eager, replayed = pair(data, capture, norm, precision=precision)
    for engine in (eager, replayed):
        train(engine, data, initial(SIZES, norm, 0), dying_ticket(SIZES), 5)
    assert_same(replayed, eager)
    assert capture.replays == 5


@pytest.mark.parametrize("replayed_before", [0, 2])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_restored_engine_replays_on_to_the_same_bits(data, optimizer, replayed_before):
    capture = TapeCapture()
    eager, replayed = pair(data, capture, optimizer=optimizer, lr=0.02)
    model, ticket = initial(SIZES, "before", 0), dying_ticket(SIZES)
    train(eager, data, model, ticket, 7)
    state = eager.state()
    train(replayed, data, model, ticket, replayed_before)
    replayed.restore(state)
    for step in range(7, 12):
        eager.step(whole_set(data, step))
        replayed.step(whole_set(data, step))
    assert_same(replayed, eager)
    replayed.restore(state)
    assert_same(replayed, TorchEngineAt(eager, state))
    assert capture.captures == 1


class TorchEngineAt:
    """Return a new engine that was put at a state."""

    def __init__(self, engine, state):
        engine.restore(state)
        self.state = engine.state


def test_a_restore_to_before_the_first_step_starts_the_averages_anew(data):
    eager, replayed = pair(data, TapeCapture())
    for engine in (eager, replayed):
        engine.start(initial(SIZES, "before", 0), dying_ticket(SIZES))
    state = eager.state()
    for step in range(3):
        replayed.step(whole_set(data, step))
    replayed.restore(state)
    eager.step(whole_set(data, 0))
    replayed.step(whole_set(data, 0))
    assert_same(replayed, eager)


def test_every_level_and_every_shape_of_batch_is_captured_anew(data):
    capture = TapeCapture()
    eager, replayed = pair(data, capture)
    for level, share in enumerate([1.0, 0.6, 0.2]):
        rng = np.random.default_rng(level)
        masks = tuple(Mask(rng.random((n, m)) < share) for n, m in ((12, 108), (10, 12)))
        ticket = Ticket(masks, (rng.random(12) < share, rng.random(10) < share))
        for engine in (eager, replayed):
            train(engine, data, initial(SIZES, "before", level), ticket, 3)
        assert_same(replayed, eager)
        assert replayed.evaluate(data.validation) == eager.evaluate(data.validation)
        assert capture.captures == level + 1
    for engine in (eager, replayed):
        engine.step(data.draw(0, 0, 3, 30))
        engine.step(stream(data, 4))
    assert_same(replayed, eager)
    assert capture.captures == 5


@pytest.mark.parametrize("when", ["at once", "after the warm-up", "in the capture"])
def test_where_capture_fails_the_steps_are_eager_and_the_log_says_so_once(data, when, caplog):
    def failing(step):
        for _ in range(0 if when == "at once" else 3):
            step()
        if when == "in the capture":
            TapeCapture()(lambda: (step(), torch.ones(1).item()))
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    eager, replayed = pair(data, failing, optimizer="adam")
    for engine in (eager, replayed):
        train(engine, data, initial(SIZES, "before", 0), dying_ticket(SIZES), 4)
    assert_same(replayed, eager)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "could not be captured" in messages[0]
    assert "not permitted" in messages[0]
    assert "\n" not in messages[0]


def test_the_tape_refuses_what_a_capture_refuses(caplog):
    total = torch.zeros(1)

    def reads():
        total.add_(1)
        assert total.item() > 0

    step = CapturedStep(reads, [total], TapeCapture())
    step()
    step()
    assert total.item() == 2
    assert len(caplog.records) == 1


def test_an_error_that_is_no_capture_error_is_raised_and_leaves_the_state():
    total = torch.zeros(1)

    def breaks():
        total.add_(1)
        raise KeyError("label")

    with pytest.raises(KeyError, match="label"):
        CapturedStep(breaks, [total], TapeCapture())()
    assert total.item() == 0


def test_a_device_that_fails_while_a_step_is_recorded_is_asked_nothing_more(monkeypatch, caplog):
    total = torch.zeros(1)
    lost = RuntimeError("CUDA error: an illegal memory access was encountered")

    def capture(step):
        step()
        monkeypatch.setattr(torch, "no_grad", None)  # what setting the state back begins with
        raise lost

    with pytest.raises(RuntimeError) as raised:
        CapturedStep(lambda: total.add_(1), [total], capture)()
    assert raised.value is lost
    assert caplog.records == []


def test_images_that_cannot_be_uploaded_for_another_reason_are_an_error(data, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(torch, "empty", broken)
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        ResidentImages(torch.device("cpu")).get(np.zeros((5, 2), np.uint8))


def test_sets_of_images_stay_on_the_device_the_last_three_of_them():
    resident, sets = ResidentImages(torch.device("cpu")), [np.full((5, 2), i, np.uint8) for i in range(4)]
    placed = [resident.get(pixels) for pixels in sets[:3]]
    assert [resident.get(pixels) for pixels in sets[:3]] == placed
    np.testing.assert_array_equal(resident.get(sets[3]), sets[3])
    assert resident.get(sets[2]) is placed[2]
    assert resident.get(sets[0]) is not placed[0]


def test_without_memory_on_the_device_the_images_stay_on_the_host(data, monkeypatch, caplog):
    eager, replayed = pair(data, TapeCapture())
    empty = torch.empty

    def full(*args, **kwargs):
        if kwargs.get("dtype") == torch.uint8:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return empty(*args, **kwargs)

    monkeypatch.setattr(torch, "empty", full)
    for engine in (eager, replayed):
        train(engine, data, initial(SIZES, "before", 0), dying_ticket(SIZES), 3)
    assert_same(replayed, eager)
    assert [r.getMessage() for r in caplog.records] == ["the images stay on the host: CUDA out of memory"]


def test_a_step_before_start_says_what_is_missing(data):
    engine, _ = pair(data, None)
    with pytest.raises(RuntimeError, match="start"):
        engine.step(whole_set(data, 0))
