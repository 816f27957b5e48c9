"""Threads that share independent pieces of work; NumPy computes without holding the interpreter."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_count: ContextVar[int] = ContextVar("threads of observables", default=1)


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Let ``in_order`` use ``count`` threads inside the block; without it, it uses the caller's alone."""
    token = _count.set(max(1, count))
    try:
        yield
    finally:
        _count.reset(token)


@contextmanager
def using_cores() -> Iterator[None]:
    """Let ``in_order`` use a thread for each core inside the block, and products of matrices only the thread they are in.

    The BLAS of NumPy and SciPy would otherwise use as many threads for each product. Those wait for one another, which
    more than doubles the processor time of a layer of 1024 by 1024.
    """
    from threadpoolctl import threadpool_limits  # slow to import

    with using_threads(os.cpu_count() or 1), threadpool_limits(limits=1, user_api="blas"):
        yield


def in_order(
    compute: Callable[[Item], Result], items: Iterable[Item], most: int | None = None
) -> Iterator[Result]:
    """Yield ``compute(item)`` for each item, in the order of the items, whichever thread computes it.

    ``most``: the largest number of threads, where results are large; no more of them than threads wait at a time.
    ``compute`` must not depend on what it has computed before.
    """
    count = _count.get() if most is None else min(_count.get(), most)
    if count <= 1:
        yield from map(compute, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(compute, item))
                if len(waiting) > count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
