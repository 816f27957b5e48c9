"""What a method does besides training: before levels, and inside them where it moves masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.model import layer_sizes
from prunescope.runs import clock
from prunescope.runs.expected_levels import Expected
from prunescope.runs.sample_images import SampleImages
from prunescope.training.engine import Engine
from prunescope.training.levels import Dynamics, ExplainedProcedure, Level, Setting, UpdateRule

LITTLE = {"score_images": 1000, "rounds": 4}  # how much of a method's own work is measured
DYNAMICS_SECONDS, DYNAMICS_STEPS = 0.3, 20  # measured are multiples of so many steps


@dataclass(frozen=True)
class MethodFacts:
    """What an estimate needs to know about a method.

    levels_for: returns the expected levels for the layer sizes (n0, …, nL). update_rule: which weights its steps change.
    procedure: its procedure, whose own work is measured. effort: the field of ``prune`` to which the work before training
    is proportional, "" for none. dense_first: whether a dense level comes first, of which the run stores parameters to
    rewind to.
    """

    levels_for: Callable[[tuple[int, ...]], Expected]
    update_rule: UpdateRule = "kept"
    procedure: Callable[[Setting], ExplainedProcedure] | None = None
    effort: Literal["", "score_images", "rounds"] = ""
    dense_first: bool = True

    @property
    def each_level(self) -> bool:
        """Whether the work before training is done for each level anew."""
        return self.effort == "rounds"


def methods_work(experiment: Experiment, sample: SampleImages, method: MethodFacts) -> tuple[float, float]:
    """Measure the seconds that a method takes before its first level, and inside a level for each step.

    Work that is proportional to a field of ``prune`` is measured with little of it, and scaled.
    """
    from prunescope.training import make_engine
    from prunescope.training.torch.threads import torch_threads

    if method.procedure is None:
        return 0.0, 0.0
    prune, share = experiment.prune, 1.0
    if method.effort:
        whole = getattr(prune, method.effort)
        few = min(whole, LITTLE[method.effort])
        prune, share = prune.model_copy(update={method.effort: few}), few / whole
    dataset = sample.dataset
    sizes = layer_sizes(len(dataset.mean), experiment.network.hidden, len(dataset.classes))
    setting = Setting(experiment.model_copy(update={"prune": prune}), sizes, 0, dataset)
    with torch_threads(experiment.run.threads):
        began = clock.now()
        try:
            level = next(method.procedure(setting))
        except (InputError, StopIteration):
            # What is missing, such as the run that prune.like names, may come.
            return 0.0, 0.0
        before = (clock.now() - began) / share
        if level.dynamics is None:
            return before, 0.0
        engine = make_engine(experiment, dataset.mean, dataset.live_pixels, method.update_rule)
        return before, _dynamics_seconds(level, level.dynamics(), engine)


def _dynamics_seconds(level: Level, dynamics: Dynamics, engine: Engine) -> float:
    """Measure the seconds that a level's dynamics add to a step, on average over the first ones.

    The longest time counts as the second longest, because the first update of masks does work that is done once.
    """
    engine.start(level.model, level.ticket)
    times = [0.0, 0.0]
    for step in range(1, level.steps):
        began = clock.now()
        dynamics.after_step(step, engine)
        times.append(clock.now() - began)
        if sum(times) > DYNAMICS_SECONDS and step % DYNAMICS_STEPS == 0:
            break
    *usual, second, _ = sorted(times)
    return (sum(usual) + 2 * second) / max(len(times) - 2, 1)
