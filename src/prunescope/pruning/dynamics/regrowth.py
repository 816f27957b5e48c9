"""Masks that drop their smallest weights and grow as many others: SET and RigL."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Sequence

import numpy as np

from prunescope.errors import InputError
from prunescope.mask import BoolArray, Mask
from prunescope.model import Model, Ticket
from prunescope.pruning.at_initialisation import untrained, wanted_densities
from prunescope.pruning.dynamics.magnitudes import magnitudes, sizes
from prunescope.pruning.layouts import layer_densities, random_ticket
from prunescope.pruning.selection import keep_top
from prunescope.randomness import generator
from prunescope.training.engine import Engine
from prunescope.training.levels import Dynamics, Level, Procedure, Setting
from prunescope.training.mask_changes import change
from prunescope.training.probe import Probe

LAYOUTS = ("uniform", "erk")


def random_start(setting: Setting, dynamics: Callable[[int], Callable[[], Dynamics]]) -> Procedure:
    """One level for each density asked for, under random masks and the ``dynamics`` of its number.

    Raises InputError when no density is given, or a layout without densities of its own.
    """
    prune = setting.experiment.prune
    if prune.layout not in LAYOUTS:
        raise InputError(
            f"prune.layout is {prune.layout!r}: prune.method={prune.method} takes {' or '.join(LAYOUTS)}"
        )
    return _levels(setting, wanted_densities(prune), dynamics)


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
    """Every ``every`` steps each hidden layer drops a share of its weights and grows as many; biases stay."""

    def __init__(self, every: int, probe: Probe) -> None:
        self._every, self._probe = every, probe

    def after_step(self, step: int, engine: Engine) -> bool:
        """Drop and grow, at an update."""
        if step % self._every == 0 and self.share(step) > 0:
            self._update(step, engine)
        return False

    @abc.abstractmethod
    def share(self, step: int) -> float:
        """Of each layer's weights, the share that is dropped at ``step``."""

    @abc.abstractmethod
    def grown(
        self, survivors: Sequence[BoolArray], counts: Sequence[int], model: Model, ticket: Ticket, step: int
    ) -> list[BoolArray]:
        """What grows: of each layer ``counts`` entries that are not in ``survivors``."""

    def stays(self, before: Ticket, survivors: Ticket) -> Ticket:
        """Where weights go on with their values; all that grows elsewhere starts at 0."""
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
    """SET: the share ζ of smallest |w| goes, as many grow at random positions that are then empty.

    A position that was just dropped is as empty as others; where it grows again, it starts at 0 too.
    Source: Mocanu et al. 2018, algorithm 1.
    """

    def __init__(self, every: int, drop: float, probe: Probe) -> None:
        super().__init__(every, probe)
        self._drop = drop

    def share(self, step: int) -> float:
        """ζ, at any step."""
        return self._drop

    def grown(
        self, survivors: Sequence[BoolArray], counts: Sequence[int], model: Model, ticket: Ticket, step: int
    ) -> list[BoolArray]:
        """Random ones."""
        found = []
        for number, (kept, count) in enumerate(zip(survivors, counts, strict=True), 1):
            rng = generator(self._probe.setting.seed, f"growth, layer {number}", self._probe.level, step)
            new = np.zeros(kept.size, np.bool_)
            new[rng.choice(np.flatnonzero(~kept), count, replace=False, shuffle=False)] = True
            found.append(new.reshape(kept.shape))
        return found

    def stays(self, before: Ticket, survivors: Ticket) -> Ticket:
        """What was not dropped."""
        return survivors


class GradientRegrowth(Regrowth):
    """RigL: f = (α/2)(1 + cos(πt/T_end)) of the weights, smallest |w|, go until step T_end; the largest |∂L/∂w| grow.

    The gradient is dense, on the coming step's batch. Where a weight that was just dropped has one of the
    largest, it stays as it was (as in the authors' code): new are those that were not kept before.
    Source: Evci et al. 2020, algorithm 1.
    """

    def __init__(self, every: int, drop: float, end: int, probe: Probe) -> None:
        super().__init__(every, probe)
        self._drop, self._end = drop, end

    def share(self, step: int) -> float:
        """f, 0 from T_end on."""
        if step >= self._end:
            return 0.0
        return self._drop / 2 * (1 + math.cos(math.pi * step / self._end))

    def grown(
        self, survivors: Sequence[BoolArray], counts: Sequence[int], model: Model, ticket: Ticket, step: int
    ) -> list[BoolArray]:
        """Those of the largest gradient."""
        gradients = sizes(self._probe.gradients(model, ticket, step), "gradient", step)
        return [
            keep_top([gradient], [~kept], count)[0] if count else np.zeros_like(kept)
            for gradient, kept, count in zip(gradients, survivors, counts, strict=True)
        ]
