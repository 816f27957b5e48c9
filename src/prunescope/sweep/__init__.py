"""Many runs: which there are to do, what they cost, and running them in processes of this machine or on a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope import _lazy

if TYPE_CHECKING:
    from prunescope.sweep.planning import ExecutionOptions as ExecutionOptions
    from prunescope.sweep.planning import Job as Job
    from prunescope.sweep.planning import Plan as Plan
    from prunescope.sweep.planning import plan as plan
    from prunescope.sweep.scheduler import Results as Results
    from prunescope.sweep.scheduler import execute as execute

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    {
        "ExecutionOptions": "planning",
        "Job": "planning",
        "Plan": "planning",
        "Results": "scheduler",
        "execute": "scheduler",
        "plan": "planning",
    },
)
