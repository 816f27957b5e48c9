"""Many runs: which there are to do, what they cost, and running them in processes of this machine or on a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope import _lazy

if TYPE_CHECKING:
    from prunescope.sweep.execution import Results as Results
    from prunescope.sweep.execution import execute as execute
    from prunescope.sweep.job import Job as Job
    from prunescope.sweep.options import ExecutionOptions as ExecutionOptions
    from prunescope.sweep.planning import Plan as Plan
    from prunescope.sweep.planning import plan as plan

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    {
        "ExecutionOptions": "options",
        "Job": "job",
        "Plan": "planning",
        "Results": "execution",
        "execute": "execution",
        "plan": "planning",
    },
)
