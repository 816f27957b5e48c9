"""A step that is recorded once and replayed: a CUDA graph. The capture itself was never run: no GPU was at hand."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Step = Callable[[], None]
Capture = Callable[[Step], Step]

WARM_UPS = 3
log = logging.getLogger(__name__)


class CapturedStep:
    """Replays ``step``, which ``capture`` records at the first call.

    ``step`` works in place on tensors that stay where they are. Recording may run it: ``changes``, all the
    tensors it writes that outlive it, are put back afterwards. Where recording fails the
    step is run as it is from then on, and the log says so.
    """

    def __init__(self, step: Step, changes: Sequence[Tensor], capture: Capture) -> None:
        self._step, self._changes, self._capture = step, changes, capture
        self._replay: Step | None = None

    def __call__(self) -> None:
        """One step."""
        if self._replay is None:
            self._replay = self._recorded()
        self._replay()

    def _recorded(self) -> Step:
        before = [tensor.detach().clone() for tensor in self._changes]
        try:
            return self._capture(self._step)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            log.warning("the step could not be captured as a CUDA graph and runs eagerly: %s", reason)
            return self._step
        finally:
            with torch.no_grad():
                for tensor, value in zip(self._changes, before, strict=True):
                    tensor.copy_(value)


def cuda_capture(device: torch.device, step: Step) -> Step:
    """Capture ``step`` on a CUDA device; returns what replays it.

    Warm-up runs come first, on the stream that records: libraries set themselves up at their first call,
    which a capture does not allow. Source: torch.cuda.graph, "whole-network capture".
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
