"""A CUDA graph for the CPU: records the tensor operations of a step, and replays them without its Python."""

from __future__ import annotations

import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from prunescope.training.torch.captured_step import WARM_UPS
from prunescope.training.torch.device_engine import DeviceEngine, Execution
from prunescope.training.torch.torch_passes import TorchPasses

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
    """A ``capture`` for captured_step.CapturedSteps that warms up, records, and counts what it recorded and replayed."""

    def __init__(self, warm_ups=WARM_UPS):
        self.warm_ups, self.captures, self.replays = warm_ups, 0, 0

    def __call__(self, warm_up, steps):
        for _ in range(self.warm_ups):
            warm_up()
        tape = Tape()
        with tape:
            steps()
        self.captures += 1

        def replay():
            self.replays += 1
            tape.replay()

        return replay


def device_engine(experiment, mean, live_pixels, capture=None, update_rule="kept"):
    """The engine for devices on a CPU, with a ``capture`` and the passes of torch where it fuses the step."""
    fused = experiment.network.norm == "before" and update_rule == "kept"
    passes = TorchPasses(experiment.train.precision == "tf32") if fused else None
    return DeviceEngine(experiment, mean, live_pixels, update_rule, Execution(capture, passes))
