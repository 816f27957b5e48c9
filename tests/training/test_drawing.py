"""prunescope.training.drawing: run with `pytest tests/training/test_drawing.py`."""

import threading

import numpy as np
import pytest

from prunescope.data import Batch
from prunescope.errors import InputError
from prunescope.training import drawing as module
from prunescope.training.drawing import TOGETHER, TOGETHER_BYTES, drawing, drawn_together

WHOLE = np.zeros((50, 6), np.uint8)


class Draws:
    """Draws batches that hold the step's number, and checks how far ahead that is done."""

    def __init__(self, pixels=None, fails_at=None, error=None):
        self.pixels, self.fails_at, self.error = pixels, fails_at, error
        self.drawn, self.taken, self.ahead, self.threads = [], 0, 0, set()

    def __call__(self, step):
        if step == self.fails_at:
            raise self.error
        self.ahead = max(self.ahead, len(self.drawn) + 1 - self.taken)
        self.drawn.append(step)
        self.threads.add(threading.current_thread())
        pixels = WHOLE if self.pixels is None else self.pixels.copy()
        return Batch(pixels, np.full(20, step), np.zeros(20, np.int64))

    def take(self, next_batches, count):
        steps = [int(batch.indices[0]) for batch in next_batches(count)]
        self.taken += len(steps)
        return steps


@pytest.mark.parametrize("counts", [[8] * 5, [3] * 13 + [1], [1] * 40, [8, 1, 1, 8, 5, 8, 8, 1]])
def test_blocks_are_drawn_in_another_thread_at_most_one_of_them_ahead(counts):
    draws = Draws()
    with drawing(draws, range(100, 140), 8) as next_batches:
        found = [draws.take(next_batches, count) for count in counts]
    assert [len(steps) for steps in found] == counts
    assert [step for steps in found for step in steps] == list(range(100, 140))
    assert draws.ahead <= 8 + max(counts)  # what was taken is counted a moment later
    assert len(draws.threads) == 1
    assert threading.current_thread() not in draws.threads
    assert not draws.threads.pop().is_alive()


def test_batches_that_hold_their_pixels_wait_up_to_a_number_of_bytes(monkeypatch):
    monkeypatch.setattr(module, "AHEAD_BYTES", 10_000)
    draws = Draws(pixels=np.zeros((20, 40), np.float32))  # a batch has 20 · (40 · 4 + 8 + 8) = 3520 bytes
    with drawing(draws, range(40), 16) as next_batches:
        found = []
        while len(found) < 40:
            steps = draws.take(next_batches, 16)
            assert 1 <= len(steps) <= 3
            found += steps
    assert found == list(range(40))
    assert draws.ahead <= 6


def test_a_training_set_that_batches_refer_to_is_not_counted():
    huge = np.broadcast_to(WHOLE[:1], (10**9, 6))
    assert huge.nbytes > module.AHEAD_BYTES
    with drawing(lambda step: Batch(huge, np.full(20, step), np.zeros(20)), range(16), 16) as next_batches:
        assert len(next_batches(16)) == 16


@pytest.mark.parametrize("error", [InputError("gone"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("block", [2, 4, 100])
def test_what_drawing_raises_comes_out_where_its_batch_is_asked_for(error, block):
    draws, found = Draws(fails_at=10, error=error), []
    with pytest.raises(type(error)) as raised, drawing(draws, range(20), block) as next_batches:  # noqa: PT012
        while True:
            found += draws.take(next_batches, min(block, 20 - len(found)))
    assert raised.value is error
    assert found == list(range(10))
    assert not draws.threads.pop().is_alive()


def test_the_thread_ends_while_it_draws_and_while_it_waits():
    started, may_end = threading.Event(), threading.Event()

    def slow(step):
        threads.add(threading.current_thread())
        if step == 4:
            started.set()
            assert may_end.wait(60)
        return Batch(WHOLE, np.full(20, step), np.zeros(20))

    for steps_asked in (1, 4):
        threads = set()
        started.clear()
        may_end.clear()
        with pytest.raises(KeyError), drawing(slow, range(100), 8) as next_batches:  # noqa: PT012
            next_batches(steps_asked)
            assert started.wait(60)
            may_end.set()
            raise KeyError
        assert not any(thread.is_alive() for thread in threads)


def test_no_thread_starts_where_nothing_is_asked_for():
    before = threading.active_count()
    draws = Draws()
    with drawing(draws, range(5), 8):
        assert threading.active_count() == before
    assert draws.drawn == []


def test_batches_without_a_thread_are_drawn_in_order_and_a_few_at_a_time():
    draws = Draws()
    for step, batch in zip(range(3, 40), drawn_together(draws, range(3, 40)), strict=True):
        assert batch.indices[0] == step
        assert len(draws.drawn) - (step - 3) <= TOGETHER
    assert draws.drawn == list(range(3, 40))
    assert draws.threads == {threading.current_thread()}


@pytest.mark.parametrize(("size", "ahead"), [(TOGETHER_BYTES // 3, 2), (TOGETHER_BYTES, 1)])
def test_large_batches_without_a_thread_are_drawn_a_few_bytes_ahead(size, ahead):
    draws = Draws(pixels=np.zeros((20, size // 20), np.uint8))
    most = 0
    for taken, _ in enumerate(drawn_together(draws, range(20))):
        most = max(most, len(draws.drawn) - taken)
    assert (most, len(draws.drawn)) == (ahead, 20)


def test_no_batch_is_drawn_before_the_first_is_asked_for():
    draws = Draws()
    batches = drawn_together(draws, range(5))
    assert draws.drawn == []
    next(batches)
    assert draws.drawn == [0]
    assert list(drawn_together(draws, range(4, 4))) == []
