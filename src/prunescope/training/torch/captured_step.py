"""Captured steps are recorded once as CUDA graphs and then replayed."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from prunescope.training.torch.device import fault

Step = Callable[[], None]
Capture = Callable[[Step, Step], Step]  # of one step, to warm up with, and of what is recorded

WARM_UPS = 3
log = logging.getLogger(__name__)


class CapturedSteps:
    """Executes ``step`` many times by replaying what ``capture`` recorded: runs of LENGTHS steps, the longest first.

    ``step`` must work in place, on tensors whose addresses do not change. Recording may run it, so that ``changes``,
    all lasting tensors that it writes, are set back afterwards. Where recording fails, the steps run unrecorded from
    then on, and a warning is logged; errors of a device that has failed are raised, and those of the step. Without ``capture`` they are not
    recorded.
    """

    LENGTHS = (20, 1)

    def __init__(self, step: Step, changes: Sequence[Tensor], capture: Capture | None) -> None:
        self._step, self._changes, self._capture = step, changes, capture
        self._recorded: dict[int, Step] = {}

    def __call__(self, count: int) -> None:
        """Execute ``count`` steps."""
        for length in self.LENGTHS:
            while count >= length:
                self._run(length)
                count -= length

    @property
    def begun(self) -> bool:
        """Whether any step was executed; until then, an error has left everything as it was."""
        return bool(self._recorded) or self._capture is None

    def _run(self, length: int) -> None:
        if self._capture is None:
            for _ in range(length):
                self._step()
            return
        if length not in self._recorded:
            self._recorded[length] = self._record(length, self._capture)
        self._recorded[length]()

    def _record(self, length: int, capture: Capture) -> Step:
        def steps() -> None:
            for _ in range(length):
                self._step()

        failed, works = False, True

        def warm_up() -> None:
            nonlocal works
            works = False
            self._step()
            works = True

        before = [tensor.detach().clone() for tensor in self._changes]
        try:
            return capture(warm_up, steps)
        except RuntimeError as error:
            failed = fault(error) == "device"
            if failed or not works:  # What fails before it is recorded would fail unrecorded too.
                raise
            reason = str(error).partition("\n")[0]
            log.warning("the step could not be captured as a CUDA graph and runs eagerly: %s", reason)
            self._capture = None
            return steps
        finally:
            if not failed:  # Copying on a device that has failed would hide its error behind another.
                with torch.no_grad():
                    for tensor, value in zip(self._changes, before, strict=True):
                        tensor.copy_(value)


def cuda_capture(device: torch.device, warm_up: Step, steps: Step) -> Step:
    """Record ``steps`` as a graph on a CUDA device and return the function that replays it.

    Warm-up runs come first, on the recording stream, because libraries initialise themselves and kernels are compiled
    at their first call, which a capture does not allow. Source: PyTorch's notes on CUDA graphs, "Whole-network capture".
    Whatever fails, the stream from before is the current one afterwards, and waits for the warm-ups.
    """
    with torch.cuda.device(device):
        before, stream = torch.cuda.current_stream(), _recording_stream(torch.cuda.current_device())
        stream.wait_stream(before)
        # This context is needed beside that of the graph, which does not leave its stream when the recording failed.
        with torch.cuda.stream(stream):
            try:
                for _ in range(WARM_UPS):
                    warm_up()
            finally:
                before.wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads may pin memory or wait for events meanwhile, which the default mode forbids to all.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                steps()
    return graph.replay


@functools.cache
def _recording_stream(index: int) -> torch.cuda.Stream:
    """Return the stream of a device on which all is recorded: cuBLAS keeps memory for each stream that it ever saw."""
    return torch.cuda.Stream(index)
