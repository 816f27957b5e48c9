"""Shares of units, groups or blocks, which chance may make rarer than one of them."""

from __future__ import annotations

from prunescope.observables.measure import Scalar
from prunescope.observables.null_moments import Moments


def share_against(value: float, null: Moments, count: int) -> Scalar:
    """Return the scalar of a share of ``count`` things, whose sd is at least that of one of them.

    A single thing that chance makes once in a million masks would else lie a thousand sds from its null, and a few such
    would be all that is seen of a network. With the floor z is at most the number of things in excess.
    docs/science.md, "Rare events".
    """
    fixed = null.sd == 0 and abs(value - null.mean) < 1e-12
    return Scalar.exactly(value, null if fixed else Moments(null.mean, max(null.sd, 1 / count)))
