"""Compile every Triton kernel for a compute capability, such as 90, on a machine without a card.

Prints the kernels' names and the sizes of their machine code as JSON. Not with TRITON_INTERPRET.
"""

import json
import sys

import numpy as np
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver

from fused_cases import make_case
from prunescope.data import Batch
from prunescope.training.torch import triton_passes
from prunescope.training.torch.device_engine import DeviceEngine, Execution

# Between them: every optimiser, with masks and without, images as bytes and floats, all columns and some.
SETTINGS = {
    80: (("float32", "momentum", "sparse", False), ("bf16", "adam", "dense", True)),
    90: (("bf16", "adam", "sparse", False), ("tf32", "sgd", "dense", True)),
}


class NoCard:
    """Stands in for the driver of a card, of which compilation asks what it is."""

    def __init__(self, capability):
        self.capability = capability

    def get_current_target(self):
        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0

    def get_active_torch_device(self):
        return torch.device("cpu")

    def map_python_to_cpp_type(self, name):
        return "int"


class Compiling:
    """A kernel that is compiled where it would be launched."""

    def __init__(self, kernel, compiled):
        self.kernel, self.compiled = kernel, compiled

    def __getitem__(self, grid):
        def launch(*arguments, **options):
            made = self.kernel.warmup(*arguments, grid=grid, **options)
            self.compiled.append((self.kernel.__name__, len(made.asm["cubin"])))

        return launch


class Kernels:
    """Stands in for the module of kernels."""

    def __init__(self):
        self.compiled = []

    def __getattr__(self, name):
        return Compiling(getattr(triton_kernels, name), self.compiled)


triton_kernels = triton_passes.kernels


def main(capability: int) -> None:
    assert not triton.knobs.runtime.interpret
    driver.set_active(NoCard(capability))
    triton_passes.kernels = Kernels()
    for precision, optimizer, kind, floats in SETTINGS[capability]:
        case = make_case((128, 64, 130), kind, 70)
        passes = triton_passes.TritonPasses(precision == "tf32")
        live = np.ones(128, bool) if floats else case.live
        engine = DeviceEngine(
            case.experiment(optimizer, precision), case.mean, live, execution=Execution(None, passes)
        )
        engine.start(case.model, case.ticket)
        batch = case.batches(1)[0]
        if floats:
            batch = Batch(batch.pixels[batch.indices].astype(np.float32), np.arange(70), batch.labels)
        engine.step(batch)
        passes.score(torch.zeros(70, 130), torch.zeros(70, dtype=torch.int64))
    print(json.dumps(triton_passes.kernels.compiled))


if __name__ == "__main__":
    main(int(sys.argv[1]))
