"""When masks are updated, and how many weights a layer keeps then."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.errors import InputError
from prunescope.experiment import Experiment

# Share of a level's steps after which masks stay (Evci et al. 2020, Section 4; gradual pruning and DPF take it
# over, whose authors give epochs of their own schedules).
UPDATES_END = 0.75


@dataclass(frozen=True)
class Schedule:
    """Updates every ``every`` steps; masks are at their final density from step ``end`` on."""

    every: int
    end: int

    def density(self, step: int, final: float) -> float:
        """What is kept after the update at ``step``: 1 - s_t, s_t = s_f - s_f (1 - t/end)³.

        Source: Zhu & Gupta 2017, equation 1, with s_i = 0 and t_0 = 0.
        """
        left = 1 - min(step, self.end) / self.end
        return 1 - (1 - final) * (1 - left**3)


def schedule(experiment: Experiment, default: int) -> Schedule:
    """Updates every ``prune.update_every`` (or ``default``) steps, the last within UPDATES_END of the level.

    Raises InputError when there is no time for one.
    """
    every = experiment.prune.update_every or default
    last = int(UPDATES_END * experiment.train.steps)
    if every > last:
        raise InputError(
            f"prune.update_every is {every} (default {default}): with train.steps = {experiment.train.steps} "
            f"it must be at most {last}, or the masks would never be updated"
        )
    return Schedule(every, last // every * every)
