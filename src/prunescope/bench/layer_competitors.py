"""Run one sparse layer forward and backward by each library, in the layout that suits the library.

``plain`` takes activations batch-major [B, n], as torch.nn does; the sparse kernels take them feature-major
[n, B], and transposing is not timed. All compute y, dx and the gradient of the kept weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import torch

Results = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class LayerProblem:
    """A layer and a batch of it.

    ``weight`` and ``mask`` are [n_out, n_in], inputs ``x`` [B, n_in], output gradients ``dy`` [B, n_out]. The arrays
    are float32 but for the bool mask; pruned weights are 0. ``threads`` is for competitors that are told theirs; the
    others take the process's.
    """

    weight: np.ndarray
    mask: np.ndarray
    x: np.ndarray
    dy: np.ndarray
    threads: int = 1


@dataclass(frozen=True)
class LayerPass:
    """A competitor's pass over the layer.

    ``run`` goes forward and backward once; ``results`` does so and returns y [B, n_out], dx [B, n_in] and dw
    [kept].
    """

    run: Callable[[], object]
    results: Callable[[], Results]


def plain(task: LayerProblem) -> LayerPass:
    """Make the dense pass of torch: weight ⊙ mask, then torch's own products."""
    weight, mask = torch.tensor(task.weight, requires_grad=True), torch.tensor(task.mask, dtype=torch.float32)
    x, dy = torch.tensor(task.x, requires_grad=True), torch.tensor(task.dy)

    def run() -> torch.Tensor:
        weight.grad = x.grad = None
        y = torch.nn.functional.linear(x, weight * mask)
        y.backward(dy)
        return y

    def results() -> Results:
        y = run()
        assert x.grad is not None
        assert weight.grad is not None
        return y.detach().numpy(), x.grad.numpy(), weight.grad.numpy()[task.mask]

    return LayerPass(run, results)


def native(task: LayerProblem) -> LayerPass:
    """Make the pass of prunescope's kernels."""
    layer = import_module("prunescope.native.layer").SparseLayer(task.weight, task.mask, task.threads)
    x, dy = np.ascontiguousarray(task.x.T), np.ascontiguousarray(task.dy.T)

    def run() -> Results:
        y = layer.forward(x)
        dx, dw = layer.backward(dy)
        return y, dx, dw

    def results() -> Results:
        y, dx, dw = (np.asarray(array) for array in run())
        return y.T, dx.T, dw

    return LayerPass(run, results)


def sparseprop(task: LayerProblem) -> LayerPass:
    """Make the pass of sparseprop's kernels, without the transposes of its module."""
    kernels = import_module("sparseprop").backend
    (values, (rows, columns)) = import_module("sparseprop.modules.utils").to_csr_2d(torch.tensor(task.weight))
    x, dy = torch.tensor(task.x).T.contiguous(), torch.tensor(task.dy).T.contiguous()

    def run() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        y, dx, dw = torch.zeros_like(dy), torch.zeros_like(x), torch.zeros_like(values)
        kernels.sparse_linear_vectorized_forward(x, rows, columns, values, y)
        kernels.sparse_linear_vectorized_backward(x, rows, columns, values, dy, dx, dw)
        return y, dx, dw

    def results() -> Results:
        y, dx, dw = run()
        return y.T.numpy(), dx.T.numpy(), dw.numpy()

    return LayerPass(run, results)


def sparselab(task: LayerProblem) -> LayerPass:
    """Make the pass of sparselab's autograd function, without the transposes of its SparseLinear."""
    csr = import_module("sparselab").PaddedCSR.from_dense(torch.tensor(task.weight), padding_ratio=0.0)
    function = import_module("sparselab.ops")._SpMMFunction
    values = torch.from_numpy(np.asarray(csr.values)).requires_grad_()
    kept = np.asarray(csr.col_indices) >= 0  # PaddedCSR gives every empty row a slot
    x, dy = torch.tensor(task.x).T.contiguous().requires_grad_(), torch.tensor(task.dy).T.contiguous()

    def run() -> torch.Tensor:
        values.grad = x.grad = None
        y: torch.Tensor = function.apply(values, csr, x, "simd")
        y.backward(dy)
        return y

    def results() -> Results:
        y = run()
        assert x.grad is not None
        assert values.grad is not None
        return y.detach().T.numpy(), x.grad.T.numpy(), values.grad.numpy()[kept]

    return LayerPass(run, results)


COMPETITORS: dict[str, Callable[[LayerProblem], LayerPass]] = {
    "plain": plain,
    "native": native,
    "sparseprop": sparseprop,
    "sparselab": sparselab,
}
