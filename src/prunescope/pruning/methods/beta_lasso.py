"""β-LASSO: shrink weights by an L1 term at every step and cut the small ones (Neyshabur 2020).

One level, numbered 1, from the initial parameters: each step pulls the hidden layers' weights towards 0 by
λ (``prune.shrink``, in the gradient) and then sets those below βλ (``prune.shrink_cut`` · ``prune.shrink``) to 0,
from where the gradient may bring them back. Biases and batch norm are left alone. The mask at the
end is that of the weights that are not 0, so the density is an outcome: the level's nominal density is that of all
hidden weights at its end, and its best evaluation is the last one. The method runs on the torch engine, whose steps
cut the weights (training/torch/step_rules.py). See docs/science.md, "Other methods".
"""

from __future__ import annotations

from prunescope.experiment import Prune
from prunescope.model import Ticket
from prunescope.pruning.at_initialisation import untrained
from prunescope.pruning.traits import Expected, Sizes, Traits
from prunescope.training.engine import Engine
from prunescope.training.levels import Dynamics, Level, Procedure, Setting


class MasksMoveInsideSteps(Dynamics):
    """Does nothing between steps, because the masks change within them."""

    def after_step(self, step: int, engine: Engine) -> bool:
        """Return False, which lets the level continue."""
        return False

    def next_step(self, step: int) -> None:
        """Return None: there is nothing to do between steps."""


def _expected(prune: Prune, sizes: Sizes) -> Expected:
    """Return one level, dense at first; its final density is an outcome."""
    del prune, sizes
    return Expected((1.0,), ("the time of dense steps (how soon weights go is an outcome)",))


TRAITS = Traits(
    label="β-LASSO",
    order=12,
    sentence="every step pulls weights towards 0 and prunes those that come near it",
    expected=_expected,
    dense_first=False,
    update_rule="shrinking",
    fields=frozenset({"shrink", "shrink_cut"}),
)


def procedure(setting: Setting) -> Procedure:
    """Train one level, at the end of which the weights that are not 0 are kept."""
    steps = setting.experiment.train.steps
    yield Level(
        1,
        Ticket.dense(setting.sizes),
        untrained(setting),
        steps,
        nominal_density=None,
        dynamics=MasksMoveInsideSteps,
        best_from=steps,
    )
