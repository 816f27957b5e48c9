"""Times of the pieces of a level's end, for whoever asks for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_times: ContextVar[dict[str, float] | None] = ContextVar("times of pieces", default=None)


@contextmanager
def collecting_times() -> Iterator[dict[str, float]]:
    """Yield a dictionary to which ``piece`` adds seconds by name inside the block."""
    times: dict[str, float] = {}
    token = _times.set(times)
    try:
        yield times
    finally:
        _times.reset(token)


@contextmanager
def piece(name: str) -> Iterator[None]:
    """Add the seconds of the block to those of ``name``, where somebody collects them; the block must end its work."""
    times = _times.get()
    if times is None:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        times[name] = times.get(name, 0.0) + time.perf_counter() - began
