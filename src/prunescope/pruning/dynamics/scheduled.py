"""Dynamics that lower the density from dense on a schedule, of gradual pruning and of DPF."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prunescope.mask import Mask
from prunescope.model import Ticket
from prunescope.pruning.at_initialisation import untrained, wanted_densities
from prunescope.pruning.dynamics.magnitudes import magnitudes
from prunescope.pruning.dynamics.schedule import Schedule, next_multiple, schedule
from prunescope.pruning.layouts import kept_count
from prunescope.pruning.selection import keep_top
from prunescope.training.engine import Engine
from prunescope.training.levels import Dynamics, Level, Procedure, Setting
from prunescope.training.mask_changes import change
from prunescope.training.probe import Probe


class GradualPruning(Dynamics):
    """Keeps at every update the largest weights of each hidden layer among those kept so far; biases stay."""

    def __init__(self, schedule: Schedule, density: float, probe: Probe) -> None:
        self._schedule, self._density, self._probe = schedule, density, probe

    def after_step(self, step: int, engine: Engine) -> bool:
        """Prune if ``step`` is that of an update; never end the level."""
        if step % self._schedule.every == 0 and step <= self._schedule.end:
            density = self._schedule.density(step, self._density)
            masks = []
            for size, mask in zip(magnitudes(engine.model(), step), engine.ticket.masks, strict=True):
                count = min(kept_count(density, mask.array.size), mask.kept)
                [kept] = keep_top([size], [mask.array], count)
                masks.append(Mask(kept))
            change(engine, Ticket(tuple(masks), engine.ticket.biases), self._probe, step)
        return False

    def next_step(self, step: int) -> int | None:
        """Return the step of the next update; None after the last one."""
        update = next_multiple(self._schedule.every, step)
        return update if update <= self._schedule.end else None


class FeedbackPruning(Dynamics):
    """Keeps at every update the largest of all weights of each hidden layer, including those pruned so far.

    It needs the torch engine under ``prune.method=dpf``, whose steps update all weights.
    """

    def __init__(self, schedule: Schedule, density: float, sizes: tuple[int, ...]) -> None:
        self._schedule, self._density, self._sizes = schedule, density, sizes

    def after_step(self, step: int, engine: Engine) -> bool:
        """Choose the masks anew if ``step`` is that of an update; never end the level.

        Updates go on after the end of the schedule, at the final density.
        """
        if step % self._schedule.every == 0:
            from prunescope.training.torch.device_engine import DeviceEngine
            from prunescope.training.torch.engine import TorchEngine

            assert isinstance(engine, TorchEngine | DeviceEngine)
            density = self._schedule.density(step, self._density)
            layers = zip(self._sizes[:-2], self._sizes[1:-1], strict=True)
            engine.keep_largest([kept_count(density, n_in * n_out) for n_in, n_out in layers])
        return False

    def next_step(self, step: int) -> int:
        """Return the step of the next update."""
        return next_multiple(self._schedule.every, step)


def dense_start(
    setting: Setting, every: int, dynamics: Callable[[Schedule, float, int], Dynamics]
) -> Procedure:
    """Return one level for each entry of ``prune.density``, dense at first.

    dynamics: a function of the schedule, the density and the number of a level.
    every: steps between updates, unless ``prune.update_every`` is given. Raises InputError when no density is given, or
    no update fits into the level.
    """
    densities = wanted_densities(setting.experiment.prune)
    return _levels(setting, densities, schedule(setting.experiment, every), dynamics)


def _levels(
    setting: Setting,
    densities: tuple[float, ...],
    when: Schedule,
    dynamics: Callable[[Schedule, float, int], Dynamics],
) -> Procedure:
    start, steps = untrained(setting), setting.experiment.train.steps
    for number, density in enumerate(densities, 1):
        yield Level(
            number,
            Ticket.dense(setting.sizes),
            start,
            steps,
            nominal_density=density,
            dynamics=partial(dynamics, when, density, number),
            best_from=when.end + 1,  # the evaluation at step ``end`` precedes the masks of the final density
        )
