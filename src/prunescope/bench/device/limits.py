"""Measure a device's limits: large products and the network's own, in each precision, and a copy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch

from prunescope.bench.device.clock import DeviceClock
from prunescope.bench.device.precisions import float32_products, operand_type
from prunescope.bench.device.sizes import DeviceSizes

Work = Callable[[], object]
CALLS = 5  # of a product or copy within one measurement


def product_shapes(layers: tuple[int, ...], batch: int) -> list[tuple[int, int, int]]:
    """Return (m, k, n) of each product [m, k] x [k, n] of a step: forward, weight gradient, input gradient.

    ``layers`` is (n0, …, nL); the first layer has no input gradient.
    """
    found = []
    for index, (n_in, n_out) in enumerate(pairwise(layers)):
        found += [(batch, n_in, n_out), (n_out, batch, n_in)]
        if index:
            found.append((batch, n_out, n_in))
    return found


def measure_device_limits(sizes: DeviceSizes, layers: tuple[int, ...], clock: DeviceClock) -> dict[str, Any]:
    """Return {copy_gb_per_second, precisions: {name: {product_tflops, products_seconds, products_tflops}}}.

    The network's products are recorded as one graph where the device is CUDA, so that launches do not count.
    """
    seconds = clock.median(_repeated(_copy(sizes.copied, clock.device)), sizes.rounds) / CALLS
    names = [name for name in ("tf32", "bf16", "float32") if name != "tf32" or clock.device.type == "cuda"]
    precisions = {name: _products(name, sizes, layers, clock) for name in names}
    return {"copy_gb_per_second": 2 * sizes.copied / seconds / 1e9, "precisions": precisions}


def _products(
    precision: str, sizes: DeviceSizes, layers: tuple[int, ...], clock: DeviceClock
) -> dict[str, float]:
    kind = operand_type(precision)
    shapes = product_shapes(layers, sizes.batch)
    flops = sum(2 * m * k * n for m, k, n in shapes)
    with float32_products(precision):
        big = _product((sizes.large,) * 3, kind, clock.device)
        large = clock.median(_repeated(big), sizes.rounds) / CALLS
        own = [_product(shape, kind, clock.device) for shape in shapes]
        network = clock.median(_repeated(_recorded(own, clock)), sizes.rounds) / CALLS
    return {
        "product_tflops": 2 * sizes.large**3 / large / 1e12,
        "products_seconds": network,
        "products_tflops": flops / network / 1e12,
    }


def _copy(count: int, device: torch.device) -> Work:
    source = torch.ones(count, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return lambda: target.copy_(source)


def _product(shape: tuple[int, int, int], kind: torch.dtype, device: torch.device) -> Work:
    m, k, n = shape
    left, right = (torch.randn(size, device=device).to(kind) for size in ((m, k), (k, n)))
    out = torch.empty(m, n, dtype=kind, device=device)
    return lambda: torch.mm(left, right, out=out)


def _repeated(work: Work) -> Work:
    def several() -> None:
        for _ in range(CALLS):
            work()

    return several


def _recorded(works: list[Work], clock: DeviceClock) -> Work:
    """Return what does all the work in turn, recorded as a graph on CUDA."""

    def together() -> None:
        for work in works:
            work()

    if clock.device.type != "cuda":
        return together
    stream = torch.cuda.Stream(clock.device)
    stream.wait_stream(torch.cuda.current_stream(clock.device))
    with torch.cuda.stream(stream):
        together()
    torch.cuda.current_stream(clock.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        together()
    return graph.replay
