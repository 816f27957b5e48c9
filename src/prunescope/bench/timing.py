"""Time competitors in turns, once a round each, so that a change of the machine's speed affects all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Turn = Callable[[int], float]


@dataclass(frozen=True)
class Timing:
    """The seconds of one competitor, one entry for each round."""

    rounds: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """The median over the rounds."""
        return median(self.rounds)

    def to_dict(self) -> dict[str, float | int]:
        """Return the median as ``seconds``, with ``min``, ``max`` and the number of ``rounds``."""
        return {
            "seconds": self.seconds,
            "min": min(self.rounds),
            "max": max(self.rounds),
            "rounds": len(self.rounds),
        }


def alternate(turns: Mapping[str, Turn], rounds: int) -> dict[str, Timing]:
    """Give every competitor a turn a round, in the order given: A B C A B C …

    A turn takes the round's number and returns the seconds it measured, so that it may leave out what is not
    to be timed.
    """
    found: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds):
        for name, turn in turns.items():
            found[name].append(turn(number))
    return {name: Timing(tuple(seconds)) for name, seconds in found.items()}


def turn_of(timed: Callable[[], float], least: float) -> Turn:
    """Make a turn that repeats ``timed`` until it has measured ``least`` seconds, and returns the median.

    Repeating makes the first call, for which no array is in a cache, count little.
    """

    def turn(_: int) -> float:
        measured = [timed()]
        while sum(measured) < least:
            measured.append(timed())
        return median(measured)

    return turn


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that ``work`` takes by the wall clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
