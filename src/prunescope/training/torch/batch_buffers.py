"""Buffers bring the images of a batch to the device, and keep whole sets of images there."""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor

from prunescope.data import Batch
from prunescope.network.forward import batches
from prunescope.training.torch.device import fault

UPLOAD_ROWS = 20_000
log = logging.getLogger(__name__)


class BatchBuffers:
    """Buffers on the device, at fixed addresses, that ``load`` fills with a batch.

    The host does not wait for the copies: each takes new pinned memory, which torch reuses only when the copy is
    complete. ``images``, uint8 [M, n0] on the device, is the set that all such batches are drawn from; where it is
    given, only indices and labels are copied.
    """

    def __init__(self, batch: Batch, device: torch.device, images: Tensor | None) -> None:
        self._key, self._device, self._images = _key(batch, images), device, images
        self._pixels, self.labels = (torch.empty_like(x, device=device) for x in self._sources(batch))

    def fits(self, batch: Batch, images: Tensor | None) -> bool:
        """Return whether the buffers have the shape and type of this batch, drawn from the same images."""
        return self._images is images and self._key == _key(batch, images)

    def load(self, batch: Batch) -> None:
        """Start copying a batch into the buffers."""
        for buffer, source in zip((self._pixels, self.labels), self._sources(batch), strict=True):
            pinned = source.pin_memory() if self._device.type == "cuda" else source
            buffer.copy_(pinned, non_blocking=True)

    def rows(self) -> Tensor:
        """Return the images of the batch loaded last, [B, n0]."""
        return self._pixels if self._images is None else self._images.index_select(0, self._pixels)

    def _sources(self, batch: Batch) -> tuple[Tensor, Tensor]:
        chosen = batch.indices if self._images is not None else batch.pixels[batch.indices]
        return torch.from_numpy(chosen), torch.from_numpy(batch.labels)


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
        for known, images in self._sets:
            if known is pixels:
                return images
        images = self._upload(pixels)
        self._sets = [*self._sets, (pixels, images)][-self.KEPT :]
        return images

    def _upload(self, pixels: np.ndarray) -> Tensor | None:
        try:
            images = torch.empty(pixels.shape, dtype=torch.uint8, device=self._device)
        except RuntimeError as error:
            if fault(error) != "memory":
                raise
            log.warning("the images stay on the host: %s", str(error).partition("\n")[0])
            return None
        for start, rows in batches(pixels, UPLOAD_ROWS):
            images[start : start + len(rows)].copy_(rows)
        return images
