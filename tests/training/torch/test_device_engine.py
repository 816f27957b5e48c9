"""The engine for devices, on a CPU and with a tape for the CUDA graph: `pytest tests/training/torch/test_device_engine.py`."""

import contextlib
import gc
import logging
import sys
import types
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from engine_cases import dying_ticket, noisy, train
from prunescope.data import Batch, Images
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.model import Ticket, initial
from prunescope.training.engine import Engine
from prunescope.training.torch import block_feed
from prunescope.training.torch import device_engine as module
from prunescope.training.torch.device_engine import DeviceEngine, Execution
from prunescope.training.torch.engine import TorchEngine
from prunescope.training.torch.fused_step import FusedStep
from prunescope.training.torch.reference_step import ReferenceStep
from prunescope.training.torch.torch_passes import TorchPasses
from tape import TapeCapture, device_engine

SIZES = (108, 12, 10, 3)
NORMS = ["before", "after", "none"]  # the first is the fused step's, the others the reference step's


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


def make(data, capture=None, norm="before", **train):
    experiment = tiny.experiment(network={"norm": norm}, train=train)
    return device_engine(experiment, data.mean, data.live_pixels, capture)


def pair(data, capture, norm="before", **train):
    """An engine that steps as it goes, and one that replays."""
    return make(data, None, norm, **train), make(data, capture, norm, **train)


def start(engines, norm="before"):
    for engine in engines:
        engine.start(initial(SIZES, norm, 0), dying_ticket(SIZES))


def assert_same(found, expected):
    own = found.state().to_arrays()
    for name, array in expected.state().to_arrays().items():
        np.testing.assert_array_equal(own[name], array, err_msg=name)


def whole_set(data, step, size=50):
    return data.draw(0, 0, step, size)


def rows_only(data, step, size=50):
    batch = data.draw(0, 0, step, size)
    return Batch(batch.pixels[batch.indices], np.arange(size), batch.labels)


def stream(data, step, size=50):
    batch = rows_only(data, step, size)
    return replace(batch, pixels=((batch.pixels - data.mean) / 255).astype(np.float32))


DRAWS = [whole_set, rows_only, stream]


def test_the_step_is_fused_where_it_can_be(data):
    for norm, kind in (("before", FusedStep), ("after", ReferenceStep), ("none", ReferenceStep)):
        engine = DeviceEngine(
            tiny.experiment(network={"norm": norm}, run={"engine": "torch"}), data.mean, data.live_pixels
        )
        engine.start(initial(SIZES, norm, 0), Ticket.dense(SIZES))
        assert type(engine._level) is kind
    engine = DeviceEngine(tiny.experiment(), data.mean, data.live_pixels, "shrinking")
    engine.start(initial(SIZES, "before", 0), Ticket.dense(SIZES))
    assert type(engine._level) is ReferenceStep


def test_without_triton_the_passes_are_those_of_torch_and_a_warning_says_so(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "prunescope.training.torch.triton_passes", None)
    passes = module._kernels("tf32", torch.device("cuda"), 1000)
    assert type(passes).__name__ == "TorchPasses"
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("the step's kernels come from torch, which is slower: Triton is missing (")


@pytest.mark.parametrize(("largest", "found"), [(2**31 - 1, "kernels"), (2**31, "TorchPasses")])
def test_arrays_beyond_32_bits_are_not_for_kernels(largest, found, monkeypatch, caplog):
    kernels = types.SimpleNamespace(TritonPasses=lambda tf32: "kernels")
    monkeypatch.setitem(sys.modules, "prunescope.training.torch.triton_passes", kernels)
    passes = module._kernels("bf16", torch.device("cuda"), largest)
    assert (passes if isinstance(passes, str) else type(passes).__name__) == found
    assert caplog.records == []


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("norm", NORMS[:2])
def test_a_replayed_step_makes_the_bits_of_an_eager_one(data, draw, optimizer, norm, caplog):
    capture = TapeCapture()
    eager, replayed = pair(data, capture, norm, optimizer=optimizer, lr=0.02)
    start([eager, replayed], norm)
    for step in range(6):
        eager.step(draw(data, step))
        replayed.step(draw(data, step))
        assert_same(replayed, eager)
    assert eager.take_loss() == replayed.take_loss()
    assert (capture.captures, capture.replays) == (1, 6)
    assert not caplog.records  # among them: nothing in the step asked the host


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
@pytest.mark.parametrize("norm", NORMS)
def test_so_it_does_with_every_norm_and_precision(data, norm, precision):
    capture = TapeCapture()
    eager, replayed = pair(data, capture, norm, precision=precision)
    for engine in (eager, replayed):
        train(engine, data, initial(SIZES, norm, 0), dying_ticket(SIZES), 5)
    assert_same(replayed, eager)
    assert capture.replays == 5


@pytest.mark.parametrize("blocks", [[45], [1] * 45, [20, 25], [7, 13, 25], [44, 1]], ids=str)
@pytest.mark.parametrize("draw", DRAWS)
def test_blocks_of_any_length_make_the_bits_of_single_steps(data, draw, blocks):
    capture = TapeCapture()
    eager, replayed = pair(data, capture, optimizer="adam", lr=0.01)
    start([eager, replayed])
    batches = [draw(data, step, 20) for step in range(45)]
    for batch in batches:
        eager.step(batch)
    for length in blocks:
        replayed.steps(batches[:length])
        del batches[:length]
    assert_same(replayed, eager)
    assert capture.captures <= 2
    assert capture.replays == sum(length // 20 + length % 20 for length in blocks)


@pytest.mark.parametrize("draw", DRAWS[1:])
@pytest.mark.parametrize("steps", [1, 3, 20, 21, 22])
def test_blocks_go_up_in_windows_where_the_images_do_not_fit(data, draw, steps, monkeypatch):
    like = draw(data, 0, 20).pixels
    monkeypatch.setattr(block_feed, "WINDOW_BYTES", steps * like.nbytes)
    eager, replayed = pair(data, TapeCapture())
    start([eager, replayed])
    batches = [draw(data, step, 20) for step in range(50)]
    for batch in batches:
        eager.step(batch)
    replayed.steps(batches)
    assert replayed._feed.steps == steps
    assert_same(replayed, eager)


@pytest.mark.parametrize("norm", NORMS[:2])
@pytest.mark.parametrize("replayed_before", [0, 2])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_restored_engine_replays_on_to_the_same_bits(data, optimizer, replayed_before, norm):
    capture = TapeCapture()
    eager, replayed = pair(data, capture, norm, optimizer=optimizer, lr=0.02)
    model, ticket = initial(SIZES, norm, 0), dying_ticket(SIZES)
    train(eager, data, model, ticket, 7)
    state = eager.state()
    train(replayed, data, model, ticket, replayed_before)
    replayed.restore(state)
    eager.steps([whole_set(data, step) for step in range(7, 12)])
    replayed.steps([whole_set(data, step) for step in range(7, 12)])
    assert_same(replayed, eager)
    assert eager.take_loss() == replayed.take_loss()
    replayed.restore(state)
    eager.restore(state)
    assert_same(replayed, eager)
    assert capture.captures == 1


@pytest.mark.parametrize("norm", NORMS)
def test_a_restore_to_before_the_first_step_starts_the_averages_anew(data, norm):
    eager, replayed = pair(data, TapeCapture(), norm)
    start([eager, replayed], norm)
    state = eager.state()
    replayed.steps([whole_set(data, step) for step in range(3)])
    replayed.restore(state)
    eager.step(whole_set(data, 0))
    replayed.step(whole_set(data, 0))
    assert_same(replayed, eager)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_state_of_the_cpu_engine_goes_on_within_rounding(data, optimizer):
    experiment = tiny.experiment(train={"optimizer": optimizer, "lr": 0.02})
    cpu = TorchEngine(experiment, data.mean, data.live_pixels)
    train(cpu, data, noisy(initial(SIZES, "before", 0), 1), dying_ticket(SIZES), 7)
    device = make(data, optimizer=optimizer, lr=0.02)
    start([device])
    device.restore(cpu.state())
    for step in range(7, 12):
        cpu.step(whole_set(data, step))
        device.step(whole_set(data, step))
    found, expected = device.state(), cpu.state()
    assert (found.steps, found.loss_steps, found.ticket) == (12, 12, expected.ticket)
    assert found.loss_sum == pytest.approx(expected.loss_sum, rel=1e-6)
    for own, other in zip(found.model.layers, expected.model.layers, strict=True):
        np.testing.assert_allclose(own.weight, other.weight, atol=1e-5)
        np.testing.assert_allclose(own.bias, other.bias, atol=1e-5)


def test_a_state_brings_its_masks(data):
    masked, dense = make(data), make(data)
    train(masked, data, initial(SIZES, "before", 0), dying_ticket(SIZES), 3)
    dense.start(initial(SIZES, "before", 0), Ticket.dense(SIZES))
    dense.restore(masked.state())
    assert dense.ticket == dying_ticket(SIZES)
    masked.step(whole_set(data, 3))
    dense.step(whole_set(data, 3))
    assert_same(dense, masked)


def some_ticket(share, seed):
    rng = np.random.default_rng(seed)
    masks = tuple(Mask(rng.random((n, m)) < share) for n, m in ((12, 108), (10, 12)))
    return Ticket(masks, (rng.random(12) < share, rng.random(10) < share))


def test_every_level_and_every_shape_of_batch_is_captured_anew(data):
    capture = TapeCapture()
    eager, replayed = pair(data, capture)
    for level, share in enumerate([1.0, 0.6, 0.2]):
        for engine in (eager, replayed):
            train(engine, data, initial(SIZES, "before", level), some_ticket(share, level), 3)
        assert_same(replayed, eager)
        assert replayed.evaluate(data.validation) == eager.evaluate(data.validation)
        assert capture.captures == 2 * (level + 1)  # its step, and the scoring of the validation set
    for engine in (eager, replayed):
        engine.step(whole_set(data, 3, 30))
        engine.step(stream(data, 4))
        engine.step(rows_only(data, 5))
    assert_same(replayed, eager)
    assert capture.captures == 9


@pytest.mark.parametrize("norm", NORMS[:2])
@pytest.mark.parametrize("when", ["at once", "after the warm-up", "in the capture"])
def test_where_capture_fails_the_steps_are_eager_and_the_log_says_so_once(data, when, norm, caplog):
    def failing(warm_up, steps):
        for _ in range(0 if when == "at once" else 3):
            warm_up()
        if when == "in the capture":
            TapeCapture()(warm_up, lambda: (steps(), torch.ones(1).item()))
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    eager, replayed = pair(data, failing, norm, optimizer="adam")
    start([eager, replayed], norm)
    batches = [whole_set(data, step) for step in range(23)]
    eager.steps(batches)
    replayed.steps(batches[:2])
    replayed.steps(batches[2:])
    assert_same(replayed, eager)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "could not be captured" in messages[0]
    assert "not permitted" in messages[0]
    assert "\n" not in messages[0]


def test_a_device_that_fails_in_a_recording_ends_the_block(data):
    lost = RuntimeError("CUDA error: unspecified launch failure")

    def capture(warm_up, steps):
        raise lost

    engine = make(data, capture)
    start([engine])
    with pytest.raises(RuntimeError) as raised:
        engine.steps([whole_set(data, 0)])
    assert raised.value is lost


def test_without_memory_on_the_device_the_images_stay_on_the_host(data, monkeypatch, caplog):
    eager, replayed = pair(data, TapeCapture())
    empty = torch.empty

    def full(*args, **kwargs):
        if kwargs.get("dtype") == torch.uint8 and "device" in kwargs:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return empty(*args, **kwargs)

    train(eager, data, initial(SIZES, "before", 0), dying_ticket(SIZES), 25)
    score = eager.evaluate(data.validation)
    monkeypatch.setattr(torch, "empty", full)
    start([replayed])
    replayed.steps([whole_set(data, step) for step in range(25)])
    assert_same(replayed, eager)
    said = "300 images stay on the host and are streamed in windows: CUDA out of memory"
    assert [record.getMessage() for record in caplog.records] == [said]
    assert replayed.evaluate(data.validation) == score
    assert replayed.resident(data.validation.pixels) is None
    replayed.evaluate(data.validation)
    assert len(caplog.records) == 2  # one line for each set


def test_a_step_before_start_says_what_is_missing(data):
    with pytest.raises(RuntimeError, match="start"):
        make(data).step(whole_set(data, 0))


def test_the_loss_is_the_mean_since_the_last_evaluation(data):
    single, mean = make(data), make(data, TapeCapture())
    start([single, mean])
    losses = []
    for step in range(5):
        single.step(whole_set(data, step))
        losses.append(single.take_loss())
    mean.steps([whole_set(data, step) for step in range(5)])
    assert mean.take_loss() == pytest.approx(np.mean(losses))
    assert np.isnan(mean.take_loss())


@pytest.mark.parametrize("capture", [None, TapeCapture()], ids=["eager", "replayed"])
@pytest.mark.parametrize("norm", NORMS[:2])
def test_a_snapshot_survives_later_steps_and_levels(data, norm, capture):
    engine = make(data, capture, norm)
    start([engine], norm)
    kept = []
    for step in range(4):
        engine.step(whole_set(data, step))
        kept.append((engine.snapshot(), engine.model()))
    kept[0][0].model()  # asked for at once
    engine.steps([whole_set(data, step) for step in range(4, 30)])
    kept[1][0].model()  # after steps
    train(engine, data, initial(SIZES, norm, 5), some_ticket(0.3, 1), 2)
    for snapshot, model in kept:
        for name, array in model.to_arrays().items():
            np.testing.assert_array_equal(snapshot.model().to_arrays()[name], array, err_msg=name)
        assert snapshot.model() is snapshot.model()


def test_a_snapshot_that_was_asked_for_holds_no_memory_of_the_device(data):
    engine = make(data)
    start([engine])
    snapshot = engine.snapshot()
    level = weakref.ref(engine._level)
    model = snapshot.model()
    train(engine, data, initial(SIZES, "before", 1), dying_ticket(SIZES), 1)
    gc.collect()
    assert level() is None
    assert snapshot.model() is model


@pytest.mark.parametrize("norm", NORMS)
def test_a_model_given_is_scored_without_touching_the_engine(data, norm):
    engine = make(data, norm=norm)
    model = noisy(initial(SIZES, norm, 0), 3) if norm != "none" else initial(SIZES, norm, 0)
    train(engine, data, model, dying_ticket(SIZES), 5)
    early, score = engine.model(), engine.evaluate(data.validation)
    engine.steps([whole_set(data, step) for step in range(5, 40)])
    late = engine.model()
    assert engine.evaluate(data.validation, early) == score
    assert engine.evaluate(data.validation, late) == engine.evaluate(data.validation) != score
    for name, array in engine.model().to_arrays().items():
        np.testing.assert_array_equal(array, late.to_arrays()[name])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_scores_are_those_of_the_cpu_engine(data, norm, precision, monkeypatch):
    monkeypatch.setattr(module, "EVALUATION_ROWS", 50)
    experiment = tiny.experiment(network={"norm": norm}, train={"precision": precision})
    cpu, device = (
        TorchEngine(experiment, data.mean, data.live_pixels),
        make(data, norm=norm, precision=precision),
    )
    train(cpu, data, initial(SIZES, norm, 0), dying_ticket(SIZES), 30)
    start([device], norm)
    device.restore(cpu.state())
    early = cpu.model()
    for model in (None, early):
        found, expected = (engine.evaluate(data.validation, model) for engine in (device, cpu))
        assert found.loss == pytest.approx(expected.loss, rel=1e-6)
        assert replace(found, loss=0) == replace(expected, loss=0)
        right = device.right(data.validation, model)
        assert (right.dtype, right.shape) == (bool, (len(data.validation),))
        assert 0 < right.sum() == found.correct < len(right)
        np.testing.assert_array_equal(right, cpu.right(data.validation, model))
        # an engine without a faster way asks for image after image
        np.testing.assert_array_equal(Engine.right(device, data.validation, model), right)
    none = Images(data.validation.pixels[:0], data.validation.labels[:0])
    assert device.right(none).shape == (0,)
    assert device.evaluate(none).images == 0


@pytest.mark.parametrize("norm", NORMS[:2])
def test_of_equal_logits_those_are_right_that_evaluate_counts(data, norm):
    model = initial(SIZES, norm, 0)
    last = replace(model.layers[-1], weight=0 * model.layers[-1].weight)
    engine = make(data, norm=norm)
    engine.start(replace(model, layers=(*model.layers[:-1], last)), Ticket.dense(SIZES))
    score, right = engine.evaluate(data.validation), engine.right(data.validation)
    assert right.sum() == score.correct
    np.testing.assert_array_equal(right, data.validation.labels == 0)  # the first of equal classes
    assert score.loss == pytest.approx(len(right) * np.log(3))
    assert score.correct5 == len(right)


def test_streams_are_taken_as_they_come(data):
    of_bytes, of_floats = make(data), make(data)
    start([of_bytes, of_floats])
    for step in range(3):
        of_bytes.step(whole_set(data, step))
        of_floats.step(stream(data, step))
    found, expected = of_floats.model(), of_bytes.model()
    for own, other in zip(found.layers, expected.layers, strict=True):
        np.testing.assert_allclose(own.weight, other.weight, atol=1e-6)
    floats = ((data.validation.pixels - data.mean) / 255).astype(np.float32)
    of_stream = of_bytes.evaluate(Images(floats, data.validation.labels))
    assert of_stream.loss == pytest.approx(of_bytes.evaluate(data.validation).loss, rel=1e-5)


@pytest.mark.parametrize("device", ["tpu9", "meta", "hpu", ""])
def test_a_device_that_is_not_there_is_refused(data, device):
    experiment = tiny.experiment(run={"device": device})
    with pytest.raises(InputError, match=r"run\.device is .*use cpu"):
        DeviceEngine(experiment, data.mean, data.live_pixels)


@pytest.mark.parametrize(("precision", "training", "evaluating"), [
    ("float32", "ieee", "ieee"), ("tf32", "tf32", "tf32"), ("bf16", "ieee", "tf32"),
])  # fmt: skip
def test_the_matrix_units_do_what_the_precision_says(data, precision, training, evaluating, monkeypatch):
    found = []
    real = FusedStep.update, FusedStep.network
    setting = torch.backends.cuda.matmul

    def spied(function):
        def call(*args):
            found.append(setting.fp32_precision)
            return function(*args)

        return call

    monkeypatch.setattr(FusedStep, "update", spied(real[0]))
    monkeypatch.setattr(FusedStep, "network", spied(real[1]))
    engine, before = make(data, precision=precision), setting.fp32_precision
    start([engine])
    engine.step(whole_set(data, 0))
    engine.evaluate(data.validation)
    assert found == [training, evaluating]
    assert setting.fp32_precision == before


def test_nothing_is_said_where_nothing_is_wrong(data, caplog):
    caplog.set_level(logging.DEBUG, "prunescope")
    engine = make(data, TapeCapture())
    train(engine, data, initial(SIZES, "before", 0), dying_ticket(SIZES), 3)
    assert caplog.records == []


def test_all_that_computes_does_so_with_the_engines_device_as_the_current_one(data, monkeypatch):
    inside, kernels = [], []

    @contextlib.contextmanager
    def on_device(device):
        inside.append(device)
        yield
        inside.pop()

    def noted(name, of):
        def call(*args):
            kernels.append((name, inside[:1]))
            return of(*args)

        return call

    monkeypatch.setattr(module, "on_device", on_device)
    engine = make(data)
    passes = engine._execution.passes
    for name in ("gather", "finish", "score"):
        monkeypatch.setattr(passes, name, noted(name, getattr(passes, name)))
    engine._scores = passes.score
    start([engine])
    engine.steps([whole_set(data, step) for step in range(2)])
    engine.evaluate(data.validation)
    engine.evaluate(data.validation, initial(SIZES, "before", 1))
    assert [name for name, _ in kernels] == ["gather", "finish"] * 2 + ["score"] * 2
    assert all(place == [torch.device("cpu")] for _, place in kernels)


def test_the_memory_of_an_engine_is_freed_without_garbage_collection(data):
    engine = make(data, TapeCapture())
    start([engine])
    engine.steps([whole_set(data, 0)])
    engine.evaluate(data.validation)
    engine.snapshot()
    level = weakref.ref(engine._level)
    gc.disable()
    try:
        del engine
        assert level() is None
    finally:
        gc.enable()


class Uncompiled:
    """Kernels of which one does not compile, in the middle of a step."""

    def __init__(self, error):
        self.error, self._others = error, TorchPasses(False)

    def __getattr__(self, name):
        return getattr(self._others, name)

    def update(self, *arguments):
        raise self.error("at 3:4: unexpected type\nmore")


@pytest.mark.parametrize("error", [ValueError, RuntimeError], ids=lambda error: error.__name__)
@pytest.mark.parametrize("before", [0, 5])
def test_kernels_that_do_not_compile_give_way_to_operations_of_torch(data, caplog, before, error):
    experiment = tiny.experiment(train={"optimizer": "momentum", "lr": 0.02})
    expected, found = (
        DeviceEngine(experiment, data.mean, data.live_pixels, execution=Execution(TapeCapture(), passes))
        for passes in (TorchPasses(False), Uncompiled(error))
    )
    model, ticket = initial(SIZES, "before", 0), dying_ticket(SIZES)
    for engine in (expected, found):
        engine.start(model, ticket)
    if before:  # a level that is gone on with
        expected.steps([whole_set(data, step) for step in range(before)])
        found.restore(expected.state())
    for engine in (expected, found):
        engine.steps([whole_set(data, step) for step in range(before, before + 4)])
        engine.step(whole_set(data, before + 4))
    assert_same(found, expected)
    assert found.evaluate(data.validation) == expected.evaluate(data.validation)
    assert [r.getMessage() for r in caplog.records] == [
        "the step's kernels cannot be compiled here; operations of torch take their place, which are slower: "
        "at 3:4: unexpected type"
    ]


class Unscored(Uncompiled):
    """Kernels of which that of evaluations does not compile."""

    def update(self, *arguments):
        self._others.update(*arguments)

    def score(self, *arguments):
        raise self.error("at 3:4: unexpected type")


@pytest.mark.parametrize("error", [ValueError, RuntimeError], ids=lambda error: error.__name__)
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("before", [0, 5])
def test_so_do_those_of_an_evaluation(data, caplog, before, given, error):
    experiment = tiny.experiment(train={"optimizer": "momentum", "lr": 0.02})
    model, ticket = initial(SIZES, "before", 0), dying_ticket(SIZES)
    engines = [
        DeviceEngine(experiment, data.mean, data.live_pixels, execution=Execution(TapeCapture(), passes))
        for passes in (TorchPasses(False), Unscored(error))
    ]
    scores = []
    for engine in engines:
        engine.start(model, ticket)
        engine.steps([whole_set(data, step) for step in range(before)])
        scores.append(engine.evaluate(data.validation, model if given else None))
        engine.steps([whole_set(data, step) for step in range(before, before + 4)])
    assert scores[0] == scores[1]
    assert_same(engines[1], engines[0])
    assert [r.getMessage().partition(" here;")[0] for r in caplog.records] == [
        "the step's kernels cannot be compiled"
    ]


@pytest.mark.parametrize("piece", ["prepare", "_update_weights"])  # before a step, and inside it
def test_images_leave_a_device_that_is_too_full_for_the_step(data, caplog, monkeypatch, piece):
    eager, crowded = pair(data, TapeCapture())
    start((eager, crowded))
    refused, prepare = [], FusedStep.prepare

    def prepare_where_images_are_gone(level, batch):
        assert not refused or refused[0]() is None  # so that their memory is free
        prepare(level, batch)

    monkeypatch.setattr(FusedStep, "prepare", prepare_where_images_are_gone)
    usual = getattr(FusedStep, piece)

    def once_there_is_space(level, argument):
        if not refused:
            refused.append(weakref.ref(crowded._resident.get(whole_set(data, 0).pixels)))
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        usual(level, argument)

    eager.steps([whole_set(data, step) for step in range(3)])
    monkeypatch.setattr(FusedStep, piece, once_there_is_space)
    crowded.steps([whole_set(data, step) for step in range(3)])
    assert_same(crowded, eager)
    assert len(refused) == 1
    assert ["to make space" in record.getMessage() for record in caplog.records] == [True]
