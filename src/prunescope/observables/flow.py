"""How the weights' magnitude shifts between layers as pruning goes on (Redman et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.observables.arrays import as_array

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Flow:
    """``share`` float64 [levels, layers], M_l(n) = Σ|w_l| / Σ|w|; ``ratio`` [levels-1, layers], λ_l(n) = M_l(n+1) / M_l(n);
    ``exponent`` [levels-1, layers], σ_l(n) = ln λ_l / ln(1/(1-p)): above 0 a layer gains magnitude at the
    others' cost (relevant), 0 leaves it as it was (marginal). nan where not defined.
    """

    share: Floats
    ratio: Floats
    exponent: Floats


def flow(weights: Sequence[Sequence[Any]], rate: float | Sequence[float] | Floats) -> Flow:
    """The flow of the layers' shares of the total magnitude, level by level.

    weights: of each level, of each hidden layer, pruned weights 0 (only absolute values count); rate: the share p of
    the kept weights that a pruning removes, one for all or one a pruning. The flow does not say when a level's
    weights are taken: at the end of its training, or after the pruning that follows and before retraining; be
    consistent. Raises InputError when levels differ in their layers, weights are not finite, or the rates do
    not fit. SCIENCE §3.
    """
    layers = {len(level) for level in weights}
    if len(layers) != 1 or layers == {0}:
        raise InputError(f"a flow needs levels with the same hidden layers, got {sorted(layers)} of them")
    sums = np.array([[np.abs(as_array(w)).sum(dtype=np.float64) for w in level] for level in weights])
    if not np.isfinite(sums).all():
        raise InputError("weights hold nan or inf; a flow needs finite weights")
    rates = np.asarray(rate, np.float64)
    rates = np.full(len(sums) - 1, rates) if rates.ndim == 0 else rates
    if rates.shape != (len(sums) - 1,):
        raise InputError(f"{len(sums)} levels need {len(sums) - 1} rates, one a pruning, got {rates.size}")
    if not ((rates >= 0) & (rates < 1)).all():
        raise InputError(f"a pruning rate must lie in [0, 1), got {rates[(rates < 0) | (rates >= 1)][0]}")
    total = sums.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = sums / total
        ratio = share[1:] / share[:-1]
        exponent = np.log(ratio) / -np.log1p(-rates)[:, np.newaxis]
    return Flow(share, _finite(ratio), _finite(exponent))


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)
