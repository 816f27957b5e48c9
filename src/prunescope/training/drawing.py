"""Batches are drawn ahead of their steps: in a thread for an engine that takes blocks, a few at a time for others."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from prunescope.data import Batch

# The most bytes of batches that wait to be taken; a block has no more either, unless a single batch does.
AHEAD_BYTES = 128 * 2**20

# The seconds that drawing waits after batches were taken. The engine starts its work on them meanwhile, which takes it
# longer while another thread holds the interpreter; later the device computes, and the engine only waits.
PAUSE = 0.002

# The most batches and bytes that are drawn at once without a thread. The first batch after a step takes half as long
# again as those after it, because the step has filled the caches.
TOGETHER, TOGETHER_BYTES = 8, 2**20

Draw = Callable[[int], Batch]


def drawn_together(draw: Draw, steps: range) -> Iterator[Batch]:
    """Yield the batch of each of ``steps``, of which ``draw`` draws a few at a time, ahead of their steps."""
    at_once = 1
    while steps:
        batches = [draw(step) for step in steps[:at_once]]
        steps = steps[at_once:]
        at_once = max(1, min(TOGETHER, TOGETHER_BYTES // max(_own_bytes(batches[0]), 1)))
        yield from batches


def _own_bytes(batch: Batch) -> int:
    """Return the bytes of a batch; a whole training set, which it may refer to, takes none of its own."""
    own = 0 if len(batch.pixels) > len(batch.indices) else batch.pixels.nbytes
    return batch.indices.nbytes + batch.labels.nbytes + own


@contextlib.contextmanager
def drawing(draw: Draw, steps: range, block: int) -> Iterator[Callable[[int], Sequence[Batch]]]:
    """Yield a function that returns the batches of the next steps of ``steps``: as many as it is asked for, or fewer.

    ``draw`` returns the batch of a step. A thread calls it, ahead of what is asked for: by at most ``block`` steps and
    AHEAD_BYTES. It starts with the first batches that are asked for, and has ended when the block of the ``with``
    statement is left. What ``draw`` raises comes out where its batch is asked for, after the batches of all earlier
    steps were returned.
    """
    thread = _DrawingThread(draw, steps, block)
    try:
        yield thread.take
    finally:
        thread.close()


class _DrawingThread:
    """A thread that draws the batches of ``steps`` in their order and lets at most ``most`` of them wait."""

    def __init__(self, draw: Draw, steps: range, most: int) -> None:
        self._draw, self._steps, self._most = draw, steps, most
        self._changed = threading.Condition()
        # What follows is read and written under ``_changed`` alone.
        self._waiting: deque[tuple[Batch, int]] = deque()
        self._bytes = self._asked = 0
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def take(self, count: int) -> list[Batch]:
        """Return the batches of the next ``count`` steps; fewer where no more may wait or where drawing failed."""
        if self._thread is None:
            # A daemon, so that a second Ctrl-C while it draws does not wait for it at the interpreter's end.
            thread = threading.Thread(target=self._work, name="prunescope batches", daemon=True)
            thread.start()
            self._thread = thread
        with self._changed:
            self._asked = count
            if not self._ready():
                self._changed.notify()  # This ends a pause.
                self._changed.wait_for(self._ready)
            if not self._waiting:
                assert self._error is not None
                raise self._error
            taken = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
            self._bytes -= sum(size for _, size in taken)
            self._asked = 0
            self._changed.notify()
        return [batch for batch, _ in taken]

    def close(self) -> None:
        """End the thread, and wait until it has drawn what it is drawing."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _ready(self) -> bool:
        """Return whether no more batches come before some are taken, or as many wait as were asked for."""
        return self._ended or self._full() or len(self._waiting) >= self._asked > 0

    def _full(self) -> bool:
        return len(self._waiting) >= self._most or self._bytes >= AHEAD_BYTES

    def _work(self) -> None:
        error = None
        try:
            self._draw_all()
        except BaseException as found:  # KeyboardInterrupt too: it is the loop that must end.
            error = found
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify()

    def _draw_all(self) -> None:
        for step in self._steps:
            with self._changed:
                if self._full():
                    self._changed.wait_for(lambda: self._closed or not self._full())
                    self._changed.wait_for(lambda: self._closed or self._asked > len(self._waiting), PAUSE)
                if self._closed:
                    return
            batch = self._draw(step)
            size = _own_bytes(batch)
            with self._changed:
                self._waiting.append((batch, size))
                self._bytes += size
                if self._asked and self._ready():
                    self._changed.notify()
