"""Measure the steps of all competitors at one point, in turns, and compare them with the device's limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from prunescope.bench.device.clock import Deadline, DeviceClock, Measured
from prunescope.bench.device.competitors import (
    LOSS_TOLERANCES,
    BlockTrainer,
    Competitor,
    EngineTrainer,
    competitors,
)
from prunescope.bench.device.plain import ResidentSet, resident_set
from prunescope.bench.device.sizes import DevicePoint, DeviceSizes
from prunescope.bench.limits import step_work
from prunescope.bench.problem import SEED, Problem, make_problem, random_mask
from prunescope.bench.sizes import Sizes
from prunescope.mask import Mask
from prunescope.model import Ticket, initial

CHECKED_STEPS = 3
COMPILING = 20.0  # seconds that a compiled competitor may take to begin, until one was timed
Row = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Started:
    """A competitor that has begun a level and agrees with the reference."""

    competitor: Competitor
    trainer: BlockTrainer
    start_seconds: float
    loss_error: float


@dataclass
class DeviceBench:
    """The state of one benchmark of a device: what was made, and what was left out and why."""

    sizes: DeviceSizes
    clock: DeviceClock
    deadline: Deadline
    say: Say
    limits: Row = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _trainers: dict[tuple[int, str], BlockTrainer] = field(default_factory=dict)
    _problems: dict[int, Problem] = field(default_factory=dict)
    _data: ResidentSet | None = None
    _compiling: float = COMPILING
    _failed: set[str] = field(default_factory=set)  # compiled competitors
    _turns: dict[tuple[DevicePoint, str], float] = field(
        default_factory=dict
    )  # seconds of all turns at a point

    def problem(self, classes: int) -> Problem:
        """Return the training set with labels of so many classes."""
        if classes not in self._problems:
            sizes = self.sizes
            first = next(iter(self._problems.values()), None)
            self._problems[classes] = first.with_classes(classes) if first else _problem(sizes, classes)
        return self._problems[classes]

    def measure(self, point: DevicePoint, compiled: int = 0) -> list[Row]:
        """Return the rows of a point, one for each competitor that is there and agrees.

        The first ``compiled`` of those that are compiled take part.
        """
        self._say_point(point)
        return self._measured(point, self._started(point, self._chosen(point, compiled)))

    def measure_again(self, point: DevicePoint, compiled: int) -> list[Row]:
        """Return rows of compiled competitors and others of their precisions, at a point that was measured before.

        There are none where nothing that is compiled is new here, or where there is no time to begin and measure it.
        """
        chosen = self._chosen(point, compiled)
        new = [one for one in chosen if one.compiled and (point, one.name) not in self._turns]
        if not new:
            return []
        wanted = {one.precision for one in new}
        beside = [one for one in chosen if one not in new and (one == chosen[0] or one.precision in wanted)]
        if self.deadline.left < self._needed(point, [*beside, new[0]]):
            self._leave_out(f"{', '.join(one.name for one in new)} at {_where(point)}", "no time was left")
            return []
        self._say_point(point)
        # Those that are compiled begin last, so that what they find left is the time of all.
        started = self._started(point, [*beside, *new])
        fresh = {one.name for one in new}
        if not any(one.competitor.name in fresh for one in started):
            return []  # what is known already is better left as it is
        return self._measured(point, started)

    def _measured(self, point: DevicePoint, started: list[Started]) -> list[Row]:
        """Return the rows of those that have begun, which take turns in as many rounds as there is time for."""
        problem = self.problem(point.classes)
        times: dict[str, list[Measured]] = {one.competitor.name: [] for one in started}
        block = self.sizes.block
        for number in range(-1, self.sizes.rounds):  # the first round does not count
            batches = [problem.batch(CHECKED_STEPS + (number + 1) * block + step) for step in range(block)]
            for one in started:
                measured = self.clock.measure(lambda one=one, batches=batches: one.trainer.steps(batches))  # type: ignore[misc]
                if number >= 0:
                    times[one.competitor.name].append(measured)
            if number >= 0 and self.deadline.left < 0:
                break
        for one in started:
            each = median(measured.wall for measured in times[one.competitor.name])
            self._turns[point, one.competitor.name] = (self.sizes.rounds + 1) * each
        least = self._least(problem, point)
        return [self._row(point, one, times[one.competitor.name], least) for one in started]

    def _chosen(self, point: DevicePoint, compiled: int) -> list[Competitor]:
        """Return what competes at a point, with the first ``compiled`` of those that are compiled."""
        problem = self.problem(point.classes)
        if self._data is None:
            self._data = resident_set(problem.pixels, problem.mean, self.clock.device)
        data = self._data.with_labels(problem.labels)
        every = list(competitors(self.sizes, str(self.clock.device), problem, data))
        first = [one for one in every if one.compiled][:compiled]
        return [one for one in every if not one.compiled] + [
            one for one in first if one.name not in self._failed
        ]

    def _needed(self, point: DevicePoint, chosen: Sequence[Competitor]) -> float:
        """Return the seconds that competitors need at a point, for half of the rounds, by what they last took anywhere."""
        latest = {name: seconds for (_, name), seconds in self._turns.items()}
        most = max(latest.values(), default=0.0)
        turns = sum(latest.get(one.name, most) for one in chosen)
        return turns / 2 + self._compiling * sum(self._compiles(point, one) for one in chosen)

    def _compiles(self, point: DevicePoint, competitor: Competitor) -> bool:
        """Return whether a competitor will be compiled when it begins at this point."""
        return competitor.compiled and (point.classes, competitor.name) not in self._trainers

    def _say_point(self, point: DevicePoint) -> None:
        self.say(f"step: {point.classes} classes, u = {point.u:g}, {100 * point.alive:g} % of the units")

    def engines(self, classes: int) -> dict[str, EngineTrainer]:
        """Return the engines that were measured with so many classes, by precision."""
        return {
            name.split()[1]: trainer
            for (count, name), trainer in self._trainers.items()
            if count == classes and isinstance(trainer, EngineTrainer)
        }

    def _started(self, point: DevicePoint, chosen: Sequence[Competitor]) -> list[Started]:
        """Begin a level with every competitor, leaving out those that fail, disagree, or come too late."""
        found: list[Started] = []
        expected: list[float] = []
        problem = self.problem(point.classes)
        begun = initial(problem.layers, "before", SEED), living_ticket(problem.layers, point)
        for competitor in chosen:
            where = f"{competitor.name} at {_where(point)}"
            compiles = self._compiles(point, competitor)
            needed = self._needed(point, [*(one.competitor for one in found), competitor]) if compiles else 0
            if found and self.deadline.left < needed:
                self._leave_out(where, "no time was left")
                continue
            losses: list[float] = []

            def begin(competitor: Competitor = competitor, losses: list[float] = losses) -> None:
                trainer = self._trainer(point.classes, competitor)
                trainer.start(*begun)
                for step in range(CHECKED_STEPS):
                    trainer.steps([problem.batch(step)])
                    losses.append(trainer.take_loss())

            try:
                began = self.clock.measure(begin).wall
            except Exception as error:  # what one competitor lacks must not cost the others' times
                self._leave_out(where, f"{type(error).__name__}: {_line(error)}")
                if competitor.compiled:  # to try once is enough, for it takes long
                    self._failed.add(competitor.name)
                continue
            if compiles:
                self._compiling = began
            expected = expected or losses
            distance = max(abs(a - b) / abs(b) for a, b in zip(losses, expected, strict=True))
            if not distance <= LOSS_TOLERANCES[competitor.precision]:
                self._leave_out(where, f"its losses {losses} are not those of plain float32, {expected}")
                continue
            found.append(Started(competitor, self._trainer(point.classes, competitor), began, distance))
            self.say(f"  {competitor.name}: begun in {began:.1f} s, losses within {distance:.1e}")
        return found

    def _leave_out(self, what: str, why: str) -> None:
        self.notes.append(f"{what} left out: {why}")
        self.say(f"  {self.notes[-1]}")

    def _trainer(self, classes: int, competitor: Competitor) -> BlockTrainer:
        key = (classes, competitor.name)
        if key not in self._trainers:
            self._trainers[key] = competitor.make()
        return self._trainers[key]

    def _least(self, problem: Problem, point: DevicePoint) -> dict[str, float]:
        """Return, by precision, the seconds of a dense step of the living units at the device's limits."""
        first, *hidden, classes = problem.layers
        layers = (first, *(_alive(units, point) for units in hidden), classes)
        work = step_work(Ticket.dense(layers), layers, problem.batch_size)
        copy = 1e9 * self.limits["copy_gb_per_second"]
        return {
            name: work.seconds(1e12 * limit["product_tflops"], copy)
            for name, limit in self.limits["precisions"].items()
        }

    def _row(self, point: DevicePoint, one: Started, times: list[Measured], least: dict[str, float]) -> Row:
        block, precision = self.sizes.block, one.competitor.precision
        device = [measured.device / block for measured in times]
        seconds = median(device)
        row = vars(point) | {
            "competitor": one.competitor.kind,
            "precision": precision,
            "seconds": seconds,
            "wall": median(measured.wall for measured in times) / block,
            "min": min(device),
            "max": max(device),
            "rounds": len(times),
            "start_seconds": one.start_seconds,
            "loss_error": one.loss_error,
        }
        share = least[precision] / seconds if precision in least else None
        return row | {"limit_seconds": least.get(precision), "share": share}


def living_ticket(layers: tuple[int, ...], point: DevicePoint) -> Ticket:
    """Draw a ticket with density ``u`` whose kept weights lie among the first units, ``alive`` of each layer's."""
    dense = Ticket.dense(layers)
    if point.alive >= 1:
        return Ticket(
            tuple(random_mask(mask.n_out, mask.n_in, point.u) for mask in dense.masks), dense.biases
        )
    masks = []
    for index, (n_in, n_out) in enumerate(pairwise(layers[:-1])):
        rows, columns = _alive(n_out, point), n_in if index == 0 else _alive(n_in, point)
        array = np.zeros((n_out, n_in), np.bool_)
        kept = min(1.0, point.u * n_out * n_in / (rows * columns))
        array[:rows, :columns] = random_mask(rows, columns, kept).array
        masks.append(Mask(array))
    return Ticket(tuple(masks), dense.biases)


def _alive(units: int, point: DevicePoint) -> int:
    return max(1, round(point.alive * units))


def _problem(sizes: DeviceSizes, classes: int) -> Problem:
    drawn = Sizes(shape=sizes.shape, hidden=sizes.hidden, batch=sizes.batch, images=sizes.images)
    return make_problem(drawn, classes)


def _where(point: DevicePoint) -> str:
    return f"{point.classes} classes, u = {point.u:g}"


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
