"""`python -m fuzz` changes valid inputs for some minutes, and exits with 1 where reading one went wrong.

The inputs are a fixed sequence for each target and seed, which the clock cuts off. Each target gets the same time.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from fuzz import corpus
from fuzz.checks import Outcome
from fuzz.processes import Recipe, Worker
from fuzz.targets import all_targets

_SLICE = 3.0  # seconds for which a process stays with a target


@dataclass
class Tally:
    """What came of the inputs of one target, and the time that they took."""

    target: str
    inputs: int = 0
    refused: int = 0
    accepted: int = 0
    faults: int = 0
    slowest: float = 0.0
    peak: int = 0
    seconds: float = 0.0
    busy: bool = False
    kinds: dict[str, tuple[Outcome, Recipe]] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> None:
        """Add an outcome."""
        self.inputs += 1
        self.refused += outcome.result == "refused"
        self.accepted += outcome.result == "accepted"
        self.faults += outcome.is_fault
        self.slowest, self.peak = max(self.slowest, outcome.seconds), max(self.peak, outcome.peak)


@dataclass
class Fuzzing:
    """Shares the time between targets, on several processes."""

    tallies: list[Tally]
    seed: int
    ends: float
    count: int
    keep: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    errors: list[BaseException] = field(default_factory=list)

    def run(self) -> None:
        """Read inputs in a process until the time is over."""
        try:
            with Worker() as worker:
                while (tally := self._next()) is not None:
                    self._slice(worker, tally)
        except BaseException as error:
            self.errors.append(error)

    def _next(self) -> Tally | None:
        """Return the target that has had the least time, now busy; None when the time is over."""
        with self.lock:
            free = [tally for tally in self.tallies if not tally.busy and tally.inputs < self.count]
            if time.monotonic() > self.ends or not free:
                return None
            tally = min(free, key=lambda one: one.seconds)
            tally.busy = True
            return tally

    def _slice(self, worker: Worker, tally: Tally) -> None:
        began, target = time.monotonic(), all_targets()[tally.target]
        request = {"target": tally.target, "first": tally.inputs, "seed": self.seed}
        limits = {"seconds": min(_SLICE, max(self.ends - began, 0.1)), "count": self.count - tally.inputs}
        new: list[tuple[Recipe, Outcome]] = []
        for recipe, outcome in worker.read({**request, **limits}):
            tally.count(outcome)
            if not recipe["changes"] and outcome.result == "refused" and not target.may_refuse:
                outcome = Outcome("fault", "a valid input is refused", "", outcome.message)
            if outcome.is_fault and corpus.key(tally.target, outcome) not in tally.kinds:
                tally.kinds[corpus.key(tally.target, outcome)] = (outcome, recipe)
                new.append((recipe, outcome))
        for recipe, outcome in new:
            print(
                f"{corpus.key(tally.target, outcome)}: {outcome.message[:160]}", file=sys.stderr, flush=True
            )
            corpus.store(
                tally.target, corpus.smaller(worker, tally.target, recipe, outcome), outcome, self.keep
            )
        tally.seconds += time.monotonic() - began
        tally.busy = False


def table(tallies: list[Tally]) -> str:
    """Return the counts of all targets as a table of text."""
    lines = [
        f"{'target':12} {'inputs':>8} {'refused':>8} {'accepted':>8} {'faults':>7} {'kinds':>6} {'slowest s':>10} {'peak MB':>8}"
    ]
    total = Tally("all")
    for tally in tallies:
        lines.append(_row(tally, len(tally.kinds)))
        for name in ("inputs", "refused", "accepted", "faults"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
        total.slowest, total.peak = max(total.slowest, tally.slowest), max(total.peak, tally.peak)
    return "\n".join([*lines, _row(total, sum(len(tally.kinds) for tally in tallies))])


def _row(tally: Tally, kinds: int) -> str:
    return (
        f"{tally.target:12} {tally.inputs:8,} {tally.refused:8,} {tally.accepted:8,} {tally.faults:7,} {kinds:6,} "
        f"{tally.slowest:10.2f} {tally.peak / 1e6:8.0f}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Fuzz, print the table, and return 1 where there were faults."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("targets", nargs="*", help="all, unless told")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10**9, help="at most so many inputs for each target")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--keep", type=Path, default=corpus.FOLDER, help="folder for recipes of what is found"
    )
    parser.add_argument("--log", type=Path, help="file for the table and the finds")
    given = parser.parse_args(arguments)
    known = all_targets()
    if unknown := set(given.targets) - known.keys():
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    tallies = [Tally(name) for name in given.targets or known]
    fuzzing = Fuzzing(tallies, given.seed, time.monotonic() + 60 * given.minutes, given.count, given.keep)
    threads = [threading.Thread(target=fuzzing.run, daemon=True) for _ in range(given.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if fuzzing.errors:
        raise fuzzing.errors[0]
    found = [f"{kind}: {outcome.message}" for tally in tallies for kind, (outcome, _) in tally.kinds.items()]
    text = "\n".join(
        [f"seed {given.seed}, {given.minutes:g} minutes", "", table(tallies), "", *found]
    ).strip()
    print(text)
    if given.log:
        given.log.write_text(text + "\n", "utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
