"""The flow: how the share of each layer in the total weight magnitude changes with pruning (Redman et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.arguments import listed
from prunescope.errors import InputError
from prunescope.observables.arrays import as_array

Floats = NDArray[np.float64]

SUMMABLE = 1e280  # as many weights of this size as memory can hold have a finite sum


@dataclass(frozen=True, eq=False)
class Flow:
    """The shares of the layers in the total magnitude at each level, and their change from level to level.

    share: M_l(n) = Σ|w_l| / Σ|w|, float64 [levels, layers].
    ratio: λ_l(n) = M_l(n+1) / M_l(n), [levels-1, layers].
    exponent: σ_l(n) = ln λ_l / ln(1/(1-p)), [levels-1, layers]. Above 0 the share of the layer grows (relevant), at 0
    it stays as it was (marginal). What is not defined is nan.
    """

    share: Floats
    ratio: Floats
    exponent: Floats


def flow(weights: Sequence[Sequence[Any]], rate: float | Sequence[float] | Floats) -> Flow:
    """Compute the flow of the layers' shares of the total magnitude, level by level.

    weights: for each level the arrays of all hidden layers, with pruned weights 0 (only absolute values count); rate:
    the share p of the kept weights that a pruning removes, one for all or one per pruning. The weights of a level may
    be those at the end of its training, or those after the pruning that follows and before retraining, but must be
    the same at all levels. Raises InputError when levels differ in their layers, weights are not finite, or the rates
    do not fit. docs/science.md, "Flow".
    """
    levels = [
        listed("a level", level, "the weights of its layers, in a list")
        for level in listed("weights", weights, "a list of levels, each a list of the weights of its layers")
    ]
    layers = {len(level) for level in levels}
    if len(layers) != 1 or layers == {0}:
        raise InputError(f"a flow needs levels with the same hidden layers, got {sorted(layers)} of them")
    sums = np.array([_sums(level) for level in levels])
    if not np.isfinite(sums).all():
        raise InputError("weights hold nan or inf; a flow needs finite weights")
    rates = as_array(rate, "rate").astype(np.float64)
    rates = np.full(len(sums) - 1, rates) if rates.ndim == 0 else rates
    if rates.shape != (len(sums) - 1,):
        raise InputError(f"{len(sums)} levels need {len(sums) - 1} rates, one a pruning, got {rates.size}")
    if not (right := (rates >= 0) & (rates < 1)).all():
        raise InputError(f"a pruning rate must lie in [0, 1), got {rates[~right][0]}")
    total = sums.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = sums / total
        ratio = share[1:] / share[:-1]
        exponent = np.log(ratio) / -np.log1p(-rates)[:, np.newaxis]
    return Flow(share, _finite(ratio), _finite(exponent))


def _sums(level: Sequence[Any]) -> list[float]:
    """Return the total magnitude of each layer of a level, in units of a power of two, of which shares do not depend."""
    layers = [as_array(w, "weights", with_complex=True) for w in level]
    layers = [w if w.dtype.kind in "fc" else w.astype(np.float64) for w in layers]
    largest = max((float(np.abs(w).max(initial=0)) for w in layers if w.dtype == np.float64), default=0.0)
    if SUMMABLE < largest < np.inf:
        layers = [np.ldexp(w.astype(np.float64), -100) for w in layers]
    return [float(np.abs(w).sum(dtype=np.float64)) for w in layers]


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)
