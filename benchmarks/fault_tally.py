"""Count what rounds of kills result in, on processes and on Ray alike."""

from __future__ import annotations

from dataclasses import dataclass

RETRY = ": retry, "  # part of the line about a run that a sweep tries again


@dataclass
class Tally:
    """The counts of a benchmark with kills.

    ``missed``: kills that found the run ended. ``differences``: names of files that were not the same.
    """

    rounds: int = 0
    runs: int = 0
    kills: int = 0
    missed: int = 0
    retries: int = 0
    seconds: float = 0.0
    differences: tuple[str, ...] = ()

    def __str__(self) -> str:
        same = f"differ: {', '.join(self.differences)}" if self.differences else "all identical"
        return (
            f"{self.rounds} rounds, {self.runs} runs, {self.kills} kills ({self.missed} missed), "
            f"{self.retries} retries, {self.seconds:.0f} s, {same}"
        )
