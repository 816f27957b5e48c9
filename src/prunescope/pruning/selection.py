"""Selection of the entries of highest score from one pool, with exact counts and ties by index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prunescope.errors import InputError
from prunescope.mask import BoolArray


def select(
    scores: Sequence[np.ndarray], kept: Sequence[BoolArray], remove: int, *, exact: bool = False
) -> list[BoolArray]:
    """Return bool arrays that keep the highest scores of one pool.

    ``scores`` and ``kept`` are matching arrays of any shapes, together one pool of N entries;
    scores are non-negative and entries that are not kept count as 0. The threshold is entry
    ``remove`` (0-based) of the sorted pool and entries at or above it survive, unless they
    were not kept before. With ``exact`` the ``remove`` lowest are removed and no more: first those pruned
    already, then by score, ties by index. The arrays returned have the given shapes.
    Raises ValueError when ``remove`` is not in 0 … N-1, and InputError when a kept score is not finite.
    Source: paper, Section 3, "Pruning".
    """
    before = np.concatenate([np.ravel(k) for k in kept])
    pool = np.concatenate([np.ravel(s) for s in scores])
    if not 0 <= remove < pool.size:
        raise ValueError(f"cannot remove {remove} of {pool.size} entries")
    if not np.isfinite(pool[before]).all():
        raise InputError("the scores of kept weights are not finite: training has diverged; lower train.lr")
    pool = np.where(before, pool, 0)
    if exact:
        after = before.copy()
        after[np.argsort(np.where(before, pool, -1), kind="stable")[:remove]] = False
    else:
        after = before & (pool >= np.partition(pool, remove)[remove])
    ends = np.cumsum([k.size for k in kept])[:-1]
    return [part.reshape(k.shape) for part, k in zip(np.split(after, ends), kept, strict=True)]


def keep_top(
    scores: Sequence[np.ndarray],
    kept: Sequence[BoolArray],
    keep: int,
    *,
    never_empty: Sequence[int] = (),
) -> list[BoolArray]:
    """Return bool arrays that keep exactly the ``keep`` highest scores of one pool, among the entries kept before.

    ``scores`` and ``kept`` are matching arrays of any shapes, together one pool; scores may have any
    sign. Of equal scores those of higher index stay. The arrays whose indices are in ``never_empty``
    keep at least their best entry, in place of the lowest of the others. Raises ValueError when ``keep`` is more than
    was kept or less than the arrays that must not be emptied, and InputError when a kept score is not finite.
    """
    before = np.concatenate([np.ravel(k) for k in kept])
    pool = np.concatenate([np.ravel(s) for s in scores])
    if not np.isfinite(pool[before]).all():
        raise InputError(
            "the scores of kept weights are not finite: lower train.lr, or use a prune.temperature nearer to its default"
        )
    pool = np.where(before, pool, -np.inf)
    ends = np.cumsum([k.size for k in kept])
    for index in never_empty:
        # This is a view, so that the assignment below changes the pool.
        own = pool[ends[index] - kept[index].size : ends[index]]
        if own.max() > -np.inf:
            own[own.size - 1 - np.argmax(own[::-1])] = np.inf
    if not max(1, len(never_empty)) <= keep <= np.count_nonzero(before):
        raise ValueError(f"cannot keep {keep} of {np.count_nonzero(before)} entries")
    threshold = np.partition(pool, pool.size - keep)[pool.size - keep]
    after = pool > threshold
    missing = keep - int(np.count_nonzero(after))
    after[np.flatnonzero(pool == threshold)[-missing:]] = True
    return [part.reshape(k.shape) for part, k in zip(np.split(after, ends[:-1]), kept, strict=True)]
