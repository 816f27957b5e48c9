"""Runs as a plan of a sweep has them, which take the time and the memory that a test says."""

from dataclasses import replace

import tiny
from prunescope.sweep import Job, plan
from prunescope.sweep.planning import PlannedRun


def planned(path, *seconds, memory=1, **place):
    """A new run whose levels take so long and that needs so much."""
    cost = plan([Job(tiny.experiment(), 0)], "nowhere").runs[0].estimate
    job = Job(tiny.experiment(run={"threads": 0, **place}), 0)
    cost = replace(
        cost, level_seconds=seconds, memory_bytes=memory, disk_bytes=10**9, levels=len(seconds) - 1
    )
    cost = replace(cost, starting=0.0, preparing=0.0, checkpoint_bytes=0)
    return PlannedRun(job, path, "new", 0, cost.seconds, cost)
