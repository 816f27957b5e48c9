"""Captured steps on a CPU, with a tape for the CUDA graph: `pytest tests/training/torch/test_captured_step.py`."""

import contextlib

import pytest
import torch

from prunescope.training.torch import captured_step
from prunescope.training.torch.captured_step import WARM_UPS, CapturedSteps, cuda_capture
from tape import TapeCapture


class Counted:
    """A step that adds 1 to ``total``; its Python runs where it is not replayed."""

    def __init__(self):
        self.total, self.called = torch.zeros(1), 0

    def __call__(self):
        self.called += 1
        self.total.add_(1)


class Recorder:
    """A capture that records the lengths of what it is given, and of what is replayed."""

    def __init__(self, step):
        self.step, self.recorded, self.replayed = step, [], []

    def __call__(self, warm_up, steps):
        before = self.step.called
        steps()
        length = self.step.called - before
        self.recorded.append(length)
        return lambda: (self.replayed.append(length), steps())


@pytest.mark.parametrize(
    ("counts", "recorded", "replayed"),
    [
        ([1], [1], [1]),
        ([19], [1], [1] * 19),
        ([20], [20], [20]),
        ([43], [20, 1], [20, 20, 1, 1, 1]),
        ([2, 20, 21, 100], [1, 20], [1, 1, 20, 20, 1, *[20] * 5]),
        ([0], [], []),
    ],
)
def test_steps_are_replayed_in_the_longest_runs_that_fit_each_recorded_once(counts, recorded, replayed):
    step = Counted()
    capture = Recorder(step)
    steps = CapturedSteps(step, [step.total], capture)
    for count in counts:
        steps(count)
    assert (capture.recorded, capture.replayed) == (recorded, replayed)
    assert step.total.item() == sum(counts)


@pytest.mark.parametrize("count", [1, 19, 20, 21, 67])
def test_without_a_capture_the_steps_are_executed(count):
    step = Counted()
    CapturedSteps(step, [step.total], None)(count)
    assert step.called == step.total.item() == count


def test_warming_up_and_recording_leave_no_trace():
    step = Counted()
    steps = CapturedSteps(step, [step.total], TapeCapture())
    steps(41)
    assert step.total.item() == 41
    assert step.called == 3 + 20 + 3 + 1  # and no Python runs in a replay
    steps(60)
    assert (step.total.item(), step.called) == (101, 27)


@pytest.mark.parametrize("length", [20, 1])
def test_recorded_runs_stay_where_a_later_recording_fails(length, caplog):
    step, tape = Counted(), TapeCapture()

    def capture(warm_up, steps):
        if tape.captures:
            raise RuntimeError("operation not permitted when stream is capturing")
        return tape(warm_up, steps)

    steps = CapturedSteps(step, [step.total], capture)
    other = 21 - length
    for count in (length, other, length, other):
        steps(count)
    assert step.total.item() == 42
    assert len(caplog.records) == 1


def test_the_tape_refuses_what_a_capture_refuses(caplog):
    total = torch.zeros(1)

    def reads():
        total.add_(1)
        assert total.item() > 0

    steps = CapturedSteps(reads, [total], TapeCapture())
    steps(2)
    assert total.item() == 2
    assert len(caplog.records) == 1


def test_an_error_that_is_no_capture_error_is_raised_and_leaves_the_state():
    total = torch.zeros(1)

    def breaks():
        total.add_(1)
        raise KeyError("label")

    with pytest.raises(KeyError, match="label"):
        CapturedSteps(breaks, [total], TapeCapture())(1)
    assert total.item() == 0


def test_a_device_that_fails_while_a_step_is_recorded_is_asked_nothing_more(monkeypatch, caplog):
    step = Counted()
    lost = RuntimeError("CUDA error: an illegal memory access was encountered")

    def capture(warm_up, steps):
        warm_up()
        monkeypatch.setattr(torch, "no_grad", None)  # what setting the state back begins with
        raise lost

    with pytest.raises(RuntimeError) as raised:
        CapturedSteps(step, [step.total], capture)(1)
    assert raised.value is lost
    assert caplog.records == []


class Cuda:
    """Stands in for torch.cuda on a card of number 1: what is asked of it is in ``said``."""

    def __init__(self, monkeypatch, fails=False):
        self.said, self.device, self.stream, self.fails = [], 0, "usual", fails
        for name in ("device", "stream", "graph", "current_stream", "current_device", "Stream", "CUDAGraph"):
            monkeypatch.setattr(
                torch.cuda, name, getattr(self, f"_{name}", None) or getattr(self, f"_{name.lower()}")
            )
        captured_step._recording_stream.cache_clear()

    @contextlib.contextmanager
    def _device(self, device):
        before, self.device = self.device, device.index
        yield
        self.device = before

    @contextlib.contextmanager
    def _stream(self, stream):
        before, self.stream = self.stream, str(stream)
        try:
            yield
        finally:
            self.stream = before

    @contextlib.contextmanager
    def _graph(self, graph, stream, capture_error_mode):
        self.said.append(f"begin {capture_error_mode}")
        self.stream = str(stream)  # which torch leaves only where the recording does not fail
        yield
        if self.fails:
            raise RuntimeError("operation failed due to a previous error during capture")

    def _current_stream(self):
        return Stream(self, self.stream)

    def _current_device(self):
        return self.device

    def _Stream(self, index):
        self.said.append(f"new stream on {index}")
        return Stream(self, "recording")

    def _cudagraph(self):
        class Graph:
            replay = None

        return Graph()


class Stream:
    def __init__(self, cuda, name):
        self.cuda, self.name = cuda, name

    def wait_stream(self, other):
        self.cuda.said.append(f"{self} waits for {other}")

    def __str__(self):
        return self.name


BEGIN = ["new stream on 1", "recording waits for usual"]


def test_a_graph_is_recorded_on_the_card_on_one_stream_that_others_do_not_disturb(monkeypatch):
    cuda, places = Cuda(monkeypatch), []
    for _ in range(2):
        cuda_capture(
            torch.device("cuda:1"),
            lambda: places.append(("warm", cuda.device, cuda.stream)),
            lambda: places.append(("recorded", cuda.device, cuda.stream)),
        )
    once = ["recording waits for usual", "usual waits for recording", "begin thread_local"]
    assert cuda.said == [BEGIN[0], *once, *once]
    assert places == ([("warm", 1, "recording")] * WARM_UPS + [("recorded", 1, "recording")]) * 2
    assert (cuda.device, cuda.stream) == (0, "usual")


@pytest.mark.parametrize("when", ["warm-up", "recording"])
def test_where_recording_fails_the_stream_is_the_one_from_before_and_waits(monkeypatch, when):
    cuda = Cuda(monkeypatch, fails=when == "recording")

    def warm_up():
        if when == "warm-up":
            raise RuntimeError("no space")

    with pytest.raises(RuntimeError):
        cuda_capture(torch.device("cuda:1"), warm_up, lambda: None)
    assert cuda.said[:3] == [*BEGIN, "usual waits for recording"]
    assert cuda.stream == "usual"
