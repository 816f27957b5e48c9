"""A captured step is recorded once as a CUDA graph and then replayed.

Its logic is tested on CPUs; `cuda_capture` itself has not been run on a GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from prunescope.training.torch.device import fault

Step = Callable[[], None]
Capture = Callable[[Step], Step]

WARM_UPS = 3
log = logging.getLogger(__name__)


class CapturedStep:
    """Executes ``step`` by replaying what ``capture`` recorded at the first call.

    ``step`` must work in place, on tensors whose addresses do not change. Recording may run it, so that ``changes``,
    all lasting tensors that it writes, are set back afterwards. Where recording fails, the step runs unrecorded from
    then on, and a warning is logged; errors of a device that has failed are raised.
    """

    def __init__(self, step: Step, changes: Sequence[Tensor], capture: Capture) -> None:
        self._step, self._changes, self._capture = step, changes, capture
        self._replay: Step | None = None

    def __call__(self) -> None:
        """Execute one step; the first call records it."""
        if self._replay is None:
            self._replay = self._recorded()
        self._replay()

    def _recorded(self) -> Step:
        before = [tensor.detach().clone() for tensor in self._changes]
        failed = False
        try:
            return self._capture(self._step)
        except RuntimeError as error:
            failed = fault(error) == "device"
            if failed:
                raise
            reason = str(error).partition("\n")[0]
            log.warning("the step could not be captured as a CUDA graph and runs eagerly: %s", reason)
            return self._step
        finally:
            if not failed:  # Copying on a device that has failed would hide its error behind another.
                with torch.no_grad():
                    for tensor, value in zip(self._changes, before, strict=True):
                        tensor.copy_(value)


def cuda_capture(device: torch.device, step: Step) -> Step:
    """Record ``step`` as a graph on a CUDA device and return the function that replays it.

    Warm-up runs come first, on the recording stream, because libraries initialise themselves at their first call,
    which a capture does not allow. Source: PyTorch's notes on CUDA graphs, "Whole-network capture".
    """
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            step()
    return graph.replay
