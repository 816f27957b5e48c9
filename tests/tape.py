"""A CUDA graph for the CPU: records the tensor operations of a step, and replays them without its Python."""

from __future__ import annotations

import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

HOST_READS = ("_local_scalar_dense", "nonzero", "equal")


class Tape(TorchDispatchMode):
    """Like a CUDA graph: addresses are those of the recording, and reading on the host is an error."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket.__name__ in HOST_READS:
            raise RuntimeError(f"operation not permitted when stream is capturing: {function}\nmore")
        result = function(*args, **(kwargs or {}))
        self.operations.append((function, args, kwargs or {}, result, _precision()))
        return result

    @torch.no_grad()
    def replay(self):
        for function, args, kwargs, recorded, precision in self.operations:
            with _precision_of(precision):
                result = function(*args, **kwargs)
            for new, old in zip(tree_leaves(result), tree_leaves(recorded), strict=True):
                if isinstance(old, torch.Tensor) and new.data_ptr() != old.data_ptr():
                    old.copy_(new)


def _precision():
    """What oneDNN may do with float32 operands: the process's setting, which no tensor operation carries."""
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    return None if matmul is None else matmul.fp32_precision


@contextlib.contextmanager
def _precision_of(precision):
    before = _precision()
    if precision == before:
        yield
        return
    torch.backends.mkldnn.matmul.fp32_precision = precision
    try:
        yield
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = before


class TapeCapture:
    """A ``capture`` for TorchEngine that warms up, records, and counts what it recorded and replayed."""

    def __init__(self, warm_ups=3):
        self.warm_ups, self.captures, self.replays = warm_ups, 0, 0

    def __call__(self, step):
        for _ in range(self.warm_ups):
            step()
        tape = Tape()
        with tape:
            step()
        self.captures += 1

        def replay():
            self.replays += 1
            tape.replay()

        return replay
