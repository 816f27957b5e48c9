"""The schedule of mask updates inside a level: their steps, and the density after each."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.errors import InputError
from prunescope.experiment import Experiment

# Share of a level's steps after which masks stay (Evci et al. 2020, Section 4). Gradual pruning and DPF use it too,
# because their authors state only the epochs of their own schedules.
UPDATES_END = 0.75


@dataclass(frozen=True)
class Schedule:
    """A schedule of updates every ``every`` steps; masks have their final density from step ``end`` on."""

    every: int
    end: int

    def density(self, step: int, final: float) -> float:
        """Return the density after the update at ``step``, 1 - s_t.

        The sparsity is s_t = s_f - s_f (1 - t/end)³ with s_f = 1 - final.
        Source: Zhu & Gupta 2017, equation 1, with s_i = 0 and t_0 = 0.
        """
        left = 1 - min(step, self.end) / self.end
        return 1 - (1 - final) * (1 - left**3)


def next_multiple(every: int, step: int) -> int:
    """Return the smallest multiple of ``every`` that is greater than ``step``."""
    return step - step % every + every


def schedule(experiment: Experiment, default: int) -> Schedule:
    """Return the schedule of updates every ``prune.update_every`` (or ``default``) steps.

    The last update is within the share UPDATES_END of the level. Raises InputError when not one update fits.
    """
    every = experiment.prune.update_every or default
    last = int(UPDATES_END * experiment.train.steps)
    if every > last:
        raise InputError(
            f"prune.update_every is {every} (default {default}): with train.steps = {experiment.train.steps} "
            f"it must be at most {last}, or the masks would never be updated"
        )
    return Schedule(every, last // every * every)
