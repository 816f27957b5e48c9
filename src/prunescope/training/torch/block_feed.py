"""A block feed brings the batches of many steps to the device at once, for recorded steps to read."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from prunescope.data import Batch
from prunescope.training.torch.captured_step import WARM_UPS
from prunescope.training.torch.device import fault
from prunescope.training.torch.fused_layer import Feed

WINDOW_BYTES = 64_000_000  # of the images that are copied at once where they cannot all lie on the device
UPLOAD_ROWS = 20_000
log = logging.getLogger(__name__)


class BlockFeed:
    """The batches of up to ``steps`` steps on the device, at fixed addresses (``at``), which ``load`` fills.

    ``images``, uint8 [M, n0] on the device, is the set that all batches are drawn from; only indices and labels are
    copied then. Where it is None, the images of the batches are copied too, in windows of fewer steps.
    """

    def __init__(self, like: Batch, device: torch.device, images: Tensor | None, steps: int) -> None:
        self._key, self._device, self._images = _key(like, images), device, images
        size, width = len(like.indices), like.pixels.shape[1]
        if images is None:
            steps = max(1, min(steps, WINDOW_BYTES // (size * width * like.pixels.itemsize)))
            dtype = torch.uint8 if like.pixels.dtype == np.uint8 else torch.float32
            images = torch.zeros(steps * size, width, dtype=dtype, device=device)
        # Warm-ups before the recording of the last steps go beyond them.
        rows = steps + WARM_UPS
        indices, labels = (torch.zeros(rows, size, dtype=torch.int64, device=device) for _ in range(2))
        if self._images is None:
            indices[:steps] = torch.arange(steps * size, device=device).view(steps, size)
        self.steps = steps
        self.at = Feed(images, indices, labels, torch.zeros((), dtype=torch.int64, device=device))
        self._pixels = Staging(images[: 0 if self._images is not None else len(images)])
        self._indices, self._labels = Staging(indices), Staging(labels)

    def fits(self, batch: Batch, images: Tensor | None) -> bool:
        """Return whether the buffers have the shape and type of this batch, drawn from the same images."""
        return self._images is images and self._key == _key(batch, images)

    def load(self, batches: Sequence[Batch]) -> None:
        """Start copying batches, at most ``steps``; the first is then at the position."""
        if self._images is not None:
            self._indices.copy([batch.indices for batch in batches])
        else:
            self._pixels.copy([batch.pixels[batch.indices] for batch in batches])
        self._labels.copy([batch.labels for batch in batches])
        self.at.position.zero_()


class Staging:
    """Copies arrays of one shape to the first places of a buffer on a device, while the host goes on.

    Two pieces of pinned memory take turns; one is written again only when the copy out of it is complete.
    """

    def __init__(self, buffer: Tensor) -> None:
        self._buffer, self._cuda, self._turn = buffer, buffer.device.type == "cuda", 0
        self._pinned = [
            torch.empty(buffer.shape, dtype=buffer.dtype, pin_memory=self._cuda) for _ in range(2)
        ]
        self._copied: list[torch.cuda.Event | None] = [None, None]

    def copy(self, arrays: Sequence[np.ndarray]) -> None:
        """Start copying arrays, one after the other."""
        self._turn = 1 - self._turn
        event, pinned = self._copied[self._turn], self._pinned[self._turn]
        if event is not None:
            event.synchronize()
        filled = _fill(pinned.numpy(), arrays)
        self._buffer[:filled].copy_(pinned[:filled], non_blocking=True)
        if self._cuda:
            event = self._copied[self._turn] = torch.cuda.Event()
            event.record(torch.cuda.current_stream(self._buffer.device))


def _fill(pinned: np.ndarray, arrays: Sequence[np.ndarray]) -> int:
    """Write arrays to the first places, one row or, where they have as many dimensions, several rows each."""
    start = 0
    for array in arrays:
        rows = array if array.ndim == pinned.ndim else array[None]
        pinned[start : start + len(rows)] = rows
        start += len(rows)
    return start


def _key(batch: Batch, images: Tensor | None) -> tuple[object, ...]:
    return len(batch.indices), None if images is not None else batch.pixels.dtype


class ResidentImages:
    """The sets of images on the device: the three that were used last."""

    KEPT = 3  # the training, validation and held-out sets

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._sets: list[tuple[np.ndarray, Tensor | None]] = []

    def get(self, pixels: np.ndarray) -> Tensor | None:
        """Return the set on the device, uploaded at the first call; None when its memory is too small."""
        found = [one for one in self._sets if one[0] is pixels]
        self._sets = [one for one in self._sets if one[0] is not pixels]
        if not found:
            self._sets = self._sets[1 - self.KEPT :]  # This frees the oldest first.
            found = [(pixels, self._upload(pixels))]
        self._sets += found
        return found[0][1]

    def drop(self, pixels: np.ndarray) -> bool:
        """Free the memory of a set, which stays on the host from now on; return whether it was on the device."""
        was = any(known is pixels and images is not None for known, images in self._sets)
        self._sets = [(known, None if known is pixels else images) for known, images in self._sets]
        return was

    def _upload(self, pixels: np.ndarray) -> Tensor | None:
        try:
            images = torch.empty(pixels.shape, dtype=torch.uint8, device=self._device)
        except RuntimeError as error:
            if fault(error) != "memory":
                raise
            reason = str(error).partition("\n")[0]
            log.warning(
                "%s images stay on the host and are streamed in windows: %s", f"{len(pixels):,}", reason
            )
            return None
        for start in range(0, len(pixels), UPLOAD_ROWS):
            rows = torch.from_numpy(np.array(pixels[start : start + UPLOAD_ROWS]))
            images[start : start + len(rows)].copy_(rows)
        return images
