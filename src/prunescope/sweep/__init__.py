"""Many runs: what is to be done, what it costs, and doing it with processes on this machine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.sweep.executing import Results as Results
    from prunescope.sweep.executing import execute as execute
    from prunescope.sweep.jobs import Job as Job
    from prunescope.sweep.planning import Plan as Plan
    from prunescope.sweep.planning import plan as plan

_HOMES = {
    "Job": "jobs",
    "Plan": "planning",
    "Results": "executing",
    "execute": "executing",
    "plan": "planning",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    # on demand: reading a sweep must not load what runs it
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
