"""Dynamics that drop the smallest weights of a mask and grow as many others, of the methods SET and RigL."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Sequence

import numpy as np

from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.mask import BoolArray, Mask
from prunescope.model import Model, Ticket
from prunescope.pruning.at_initialisation import untrained, wanted_densities
from prunescope.pruning.dynamics.magnitudes import magnitudes, sizes
from prunescope.pruning.dynamics.schedule import next_multiple
from prunescope.pruning.layouts import layer_densities, random_ticket
from prunescope.pruning.selection import keep_top
from prunescope.randomness import generator
from prunescope.training.engine import Engine
from prunescope.training.levels import Dynamics, Level, Procedure, Setting
from prunescope.training.mask_changes import change
from prunescope.training.probe import Probe

LAYOUTS = ("uniform", "erk")


def random_start(setting: Setting, dynamics: Callable[[int], Callable[[], Dynamics]]) -> Procedure:
    """Return one level for each entry of ``prune.density``, with random masks and the dynamics ``dynamics(number)``.

    Raises InputError when no density is given, or a layout other than uniform and erk.
    """
    prune = setting.experiment.prune
    check_layout(setting.experiment)
    return _levels(setting, wanted_densities(prune), dynamics)


def check_layout(experiment: Experiment) -> None:
    """Raise InputError for a layout other than uniform and erk."""
    prune = experiment.prune
    if prune.layout not in LAYOUTS:
        raise InputError(
            f"prune.layout is {prune.layout!r}: prune.method={prune.method} takes {' or '.join(LAYOUTS)}"
        )


def _levels(
    setting: Setting, densities: Sequence[float], dynamics: Callable[[int], Callable[[], Dynamics]]
) -> Procedure:
    start, experiment = untrained(setting), setting.experiment
    for number, density in enumerate(densities, 1):
        laid_out = layer_densities(setting.sizes, density, experiment.prune.layout)
        ticket = random_ticket(setting.sizes, laid_out, setting.seed, number)
        steps = experiment.train.steps
        yield Level(number, ticket, start, steps, nominal_density=density, dynamics=dynamics(number))


class Regrowth(Dynamics):
    """Drops a share of the weights of each hidden layer every ``every`` steps and grows as many; biases stay."""

    def __init__(self, every: int, probe: Probe) -> None:
        self._every, self._probe = every, probe

    def after_step(self, step: int, engine: Engine) -> bool:
        """Drop and grow weights if ``step`` is that of an update; never end the level."""
        if step % self._every == 0 and self.share(step) > 0:
            self._update(step, engine)
        return False

    def next_step(self, step: int) -> int | None:
        """Return the step of the next update; None once the share that is dropped is 0, which it stays."""
        update = next_multiple(self._every, step)
        return update if self.share(update) > 0 else None

    @abc.abstractmethod
    def share(self, step: int) -> float:
        """Return the share of each layer's weights that is dropped at ``step``; once it is 0 it must stay so."""

    @abc.abstractmethod
    def grown(
        self, survivors: Sequence[BoolArray], counts: Sequence[int], model: Model, ticket: Ticket, step: int
    ) -> list[BoolArray]:
        """Return the entries that grow, in each layer ``counts`` of those that are not in ``survivors``."""

    def stays(self, before: Ticket, survivors: Ticket) -> Ticket:
        """Return the ticket of the weights that keep their values; weights that grow elsewhere start at 0."""
        return before

    def _update(self, step: int, engine: Engine) -> None:
        model, before = engine.model(), engine.ticket
        kept = [mask.array for mask in before.masks]
        counts = [int(self.share(step) * mask.kept) for mask in before.masks]
        survivors = [
            keep_top([size], [own], int(own.sum()) - count)[0]
            for size, own, count in zip(magnitudes(model, step), kept, counts, strict=True)
        ]
        grown = self.grown(survivors, counts, model, before, step)
        after = [old | new for old, new in zip(survivors, grown, strict=True)]
        ticket = Ticket(tuple(map(Mask, after)), before.biases)
        stays = self.stays(before, Ticket(tuple(map(Mask, survivors)), before.biases))
        change(engine, ticket, self._probe, step, stays)


class RandomRegrowth(Regrowth):
    """Drops the share ζ of smallest |w| and grows as many weights at random empty positions, as in SET.

    The positions just dropped count as empty; a weight that grows there again starts at 0 too.
    Source: Mocanu et al. 2018, algorithm 1.
    """

    def __init__(self, every: int, drop: float, probe: Probe) -> None:
        super().__init__(every, probe)
        self._drop = drop

    def share(self, step: int) -> float:
        """Return ζ, which is the same at every step."""
        return self._drop

    def grown(
        self, survivors: Sequence[BoolArray], counts: Sequence[int], model: Model, ticket: Ticket, step: int
    ) -> list[BoolArray]:
        """Draw ``counts`` empty positions of each layer."""
        found = []
        for number, (kept, count) in enumerate(zip(survivors, counts, strict=True), 1):
            rng = generator(self._probe.setting.seed, f"growth, layer {number}", self._probe.level, step)
            new = np.zeros(kept.size, np.bool_)
            new[rng.choice(np.flatnonzero(~kept), count, replace=False, shuffle=False)] = True
            found.append(new.reshape(kept.shape))
        return found

    def stays(self, before: Ticket, survivors: Ticket) -> Ticket:
        """Return the weights that were not dropped."""
        return survivors


class GradientRegrowth(Regrowth):
    """Drops the weights of smallest |w| and grows those of largest |∂L/∂w|, as in RigL.

    The share dropped is f = (α/2)(1 + cos(πt/T_end)) until step T_end. The gradient is that of all weights, kept or
    not, on the batch of the next step. A weight that was just dropped but has one of the largest gradients keeps its
    value, as in the authors' code; only weights that were not kept before start at 0.
    Source: Evci et al. 2020, algorithm 1.
    """

    def __init__(self, every: int, drop: float, end: int, probe: Probe) -> None:
        super().__init__(every, probe)
        self._drop, self._end = drop, end

    def share(self, step: int) -> float:
        """Return f, which is 0 from step T_end on."""
        if step >= self._end:
            return 0.0
        return self._drop / 2 * (1 + math.cos(math.pi * step / self._end))

    def grown(
        self, survivors: Sequence[BoolArray], counts: Sequence[int], model: Model, ticket: Ticket, step: int
    ) -> list[BoolArray]:
        """Return the entries of largest |∂L/∂w| in each layer."""
        gradients = sizes(self._probe.gradients(model, ticket, step), "gradient", step)
        return [
            keep_top([gradient], [~kept], count)[0] if count else np.zeros_like(kept)
            for gradient, kept, count in zip(gradients, survivors, counts, strict=True)
        ]
