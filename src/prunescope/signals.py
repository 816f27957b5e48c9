"""This module says which signals ask a process to stop, and lets them be received."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


class Stopped(KeyboardInterrupt):
    """Raised when SIGTERM or SIGHUP asks the process to stop where nothing waits for it; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def stop_signals() -> list[signal.Signals]:
    """Return the signals that ask this process to stop: SIGINT, SIGTERM and SIGHUP.

    SIGHUP, which comes when the terminal is closed, is left out where it is ignored, as under nohup.
    """
    found = [signal.SIGINT, signal.SIGTERM]
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none.
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:
        found.append(hang_up)
    return found


@contextlib.contextmanager
def receiving(
    handler: Callable[[int, FrameType | None], None], numbers: list[signal.Signals] | None = None
) -> Iterator[None]:
    """Let ``handler`` receive the signals ``numbers``, by default ``stop_signals()``, while the block runs.

    Outside the main thread, as in a notebook's worker, signals keep their handlers.
    """
    before: dict[signal.Signals, Any] = {}
    try:
        with contextlib.suppress(ValueError):
            for number in stop_signals() if numbers is None else numbers:
                before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)


def raise_stopped(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt for SIGINT, and Stopped for another signal: the handler of what stops at once."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Stopped(number)
