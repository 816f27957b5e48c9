"""This module names and describes the methods of runs, from run.json or else from the installed method's traits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from prunescope.analysis.formats import percent
from prunescope.experiment import Prune
from prunescope.pruning import known_traits
from prunescope.runs.directory import Run


def stored_labels(runs: Iterable[Run]) -> dict[str, str]:
    """Return the labels of methods that runs stored, by the method's name."""
    found = {}
    for run in runs:
        label = _stored(run, "label")
        if label:
            found[run.experiment.prune.method] = label
    return found


def sentence(run: Run) -> str:
    """Return what the run's method does, as a part of a sentence with the values of the experiment."""
    prune = run.experiment.prune
    text = _stored(run, "sentence") or known_traits(prune.method).sentence
    return re.sub(r"\{(\w+)\}", lambda found: _value(prune, found[1]), text)


def _stored(run: Run, key: str) -> str | None:
    stored: Any = run.about.get("method")
    value = stored.get(key) if isinstance(stored, dict) else None
    return value if isinstance(value, str) else None


def _onward(prune: Prune) -> str:
    """Return how a run goes on from given masks, as a part of a sentence; empty where it does not."""
    if not prune.further:
        return ""
    levels = "1 level" if prune.further == 1 else f"{prune.further} levels"
    rewound = _value(prune, "rewound")
    return f"; after it, for {levels}, the smallest {percent(prune.rate)} of the weights left are pruned{rewound}"


def _value(prune: Prune, name: str) -> str:
    """Return the text for a name in braces, or the name in its braces where it is not known."""
    if name == "rewound":
        return f" and the rest rewound to step {prune.rewind_step:,}" if prune.rewind else ""
    if name == "onward":
        return _onward(prune)
    if name == "density":
        densities = prune.layer_densities or prune.densities
        return " and ".join(
            filter(None, [", ".join(map(percent, densities[:-1])), *map(percent, densities[-1:])])
        )
    value = getattr(prune, name, None) if name in type(prune).model_fields else prune.options.get(name)
    if value is None:
        return f"{{{name}}}"
    return percent(prune.rate) if name == "rate" else str(value)
