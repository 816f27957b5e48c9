"""The passes of a fused step by Triton kernels, and the sizes of their tiles, which were measured on an H200."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from prunescope.network.forward import EPSILON
from prunescope.training.torch import triton_kernels as kernels
from prunescope.training.torch.constants import AVERAGE_DECAY, FLAT
from prunescope.training.torch.fused_layer import Feed, FusedLayer, Rule, Tiles
from prunescope.training.torch.torch_passes import TorchPasses

ROWS = 64  # of a tile of activations
GATHER_COLUMNS, GATHER_WARPS = 64, 2
NORM_COLUMNS, NORM_WARPS = 32, 1
TILE_COLUMNS, TILE_WARPS = 32, 2  # of activations and of their gradients
FOLD_ROWS, FOLD_COLUMNS, FOLD_WARPS = 4, 1024, 8
WEIGHT_ROWS, WEIGHT_COLUMNS, WEIGHT_WARPS = 64, 64, 4
LOSS_NUMBERS = 4096  # that one program of the loss has at a time
MOST_CLASSES = 16_384  # with which a row of logits fits into the registers of one program
PARTS = 16  # partial sums that are added up at a time


def _options(warps: int) -> dict[str, Any]:
    """Return how a kernel is compiled: products and sums are fused, whatever a version of Triton does unless told."""
    return {"num_warps": warps, "enable_fp_fusion": True}


class TritonPasses:
    """The passes of a step beside its products of matrices, one kernel each; the same as TorchPasses."""

    tiles = Tiles(ROWS, WEIGHT_ROWS)

    def __init__(self, tf32: bool) -> None:
        self._tf32 = tf32
        self._wide = TorchPasses(tf32)  # for more classes than MOST_CLASSES

    def loss_tiles(self, batch: int, classes: int) -> int:
        """Return the number of partial sums that ``loss`` writes."""
        return 1 if classes > MOST_CLASSES else triton.cdiv(batch, self._loss_rows(classes))

    def gather(self, feed: Feed, mean: Tensor, columns: Tensor, layer: FusedLayer, counts: Tensor) -> None:
        """Gather the batch at the feed's position as the inputs of the first layer, and count the step."""
        batch = len(layer.inputs)
        kernels.gather[triton.cdiv(batch, ROWS), layer.varying // GATHER_COLUMNS](
            feed.images, feed.indices, feed.position, columns, mean, layer.inputs, layer.means, layer.squares, counts,
            batch, feed.images.shape[1], layer.varying,
            BYTES=feed.images.dtype == torch.uint8, ALL=layer.place.whole, TF32=self._tf32, BR=ROWS, BC=GATHER_COLUMNS, **_options(GATHER_WARPS),
        )  # fmt: skip

    def normalise(self, layer: FusedLayer, counts: Tensor, position: Tensor | None) -> None:
        """Compute the batch's moments, and what follows; ``position`` is moved on in the first layer."""
        kernels.normalise[(layer.width // NORM_COLUMNS,)](
            layer.means, layer.squares, layer.gamma, layer.live, layer.average, layer.variances,
            layer.shift, layer.scale, layer.inverse, layer.centre, layer.floor,
            counts, counts if position is None else position, len(layer.inputs), len(layer.means), layer.varying,
            EPSILON, FLAT, 1 - AVERAGE_DECAY,
            PIXELS=position is not None, TF32=self._tf32, PARTS=PARTS, BR=ROWS, BC=NORM_COLUMNS, **_options(NORM_WARPS),
        )  # fmt: skip

    def fold(self, layer: FusedLayer) -> None:
        """Fold the norm into the weights and the bias."""
        kernels.fold[(layer.height // FOLD_ROWS,)](
            layer.weight, layer.bias, layer.scale, layer.beta, layer.centre, layer.folded, layer.total,
            layer.width, layer.varying, TF32=self._tf32, BR=FOLD_ROWS, BC=FOLD_COLUMNS, **_options(FOLD_WARPS),
        )  # fmt: skip

    def activate(self, products: Tensor, layer: FusedLayer, above: FusedLayer) -> None:
        """Turn the products [B, m] of a layer into the inputs of the layer above."""
        batch = len(products)
        kernels.activate[triton.cdiv(batch, ROWS), layer.height // TILE_COLUMNS](
            products, layer.total, above.shift, above.inputs, above.means, above.squares, batch, layer.height,
            TF32=self._tf32, BR=ROWS, BC=TILE_COLUMNS, **_options(TILE_WARPS),
        )  # fmt: skip

    def loss(self, products: Tensor, feed: Feed, layer: FusedLayer, classes: int, losses: Tensor) -> None:
        """Compute the loss and its gradient by the products [B, m] of the output layer."""
        if layer.height > MOST_CLASSES:
            self._wide.loss(products, feed, layer, classes, losses)
            return
        batch, rows = len(products), self._loss_rows(layer.height)
        kernels.loss[(triton.cdiv(batch, rows),)](
            products, layer.total, feed.labels, feed.position, layer.gradient, layer.sums, losses,
            batch, classes, layer.height,
            TF32=self._tf32, BR=rows, BC=triton.next_power_of_2(layer.height), **_options(self._loss_warps(layer.height)),
        )  # fmt: skip

    def update(self, raw: Tensor, layer: FusedLayer, rule: Rule, corrections: Tensor) -> None:
        """Update weights and biases by the products [m, varying] of gradients and inputs."""
        mask = layer.weight if layer.mask is None else layer.mask
        moments = [self._moments(layer, field) for field in (0, 1)]
        kernels.update[layer.height // WEIGHT_ROWS, layer.width // WEIGHT_COLUMNS](
            raw, layer.sums, layer.weight, layer.bias, mask, layer.kept, layer.gamma, layer.beta,
            layer.inverse, layer.centre, layer.by_gamma, layer.by_beta, *moments[0], *moments[1], corrections,
            len(layer.sums), layer.height, layer.width, layer.varying, rule.rate, rule.momentum,
            MASKED=layer.mask is not None, RULE=rule.number, PARTS=PARTS if len(layer.sums) <= PARTS else 4 * PARTS, BR=WEIGHT_ROWS, BC=WEIGHT_COLUMNS, **_options(WEIGHT_WARPS),
        )  # fmt: skip

    def back(
        self, products: Tensor, layer: FusedLayer, below: FusedLayer, rule: Rule, corrections: Tensor
    ) -> None:
        """Carry the gradient, products [B, varying], back to the layer below; update γ and β."""
        batch = len(products)
        kernels.back[triton.cdiv(batch, ROWS), layer.width // TILE_COLUMNS](
            products, layer.inputs, layer.by_gamma, layer.by_beta, layer.scale, layer.inverse, layer.centre, layer.floor,
            below.gradient, below.sums, layer.gamma, layer.beta, *self._moments(layer, 2), *self._moments(layer, 3),
            corrections, len(layer.by_gamma), layer.width, layer.varying, batch, rule.rate, rule.momentum,
            RULE=rule.number, TF32=self._tf32, PARTS=PARTS, BR=ROWS, BC=TILE_COLUMNS, **_options(TILE_WARPS),
        )  # fmt: skip

    def finish(
        self, layer: FusedLayer, rule: Rule, corrections: Tensor, losses: Tensor, counts: Tensor
    ) -> None:
        """Update γ and β of the first layer, and count the loss."""
        kernels.update_norm[(layer.width // NORM_COLUMNS,)](
            layer.by_gamma, layer.by_beta, layer.gamma, layer.beta, *self._moments(layer, 2), *self._moments(layer, 3),
            corrections, losses, counts, len(layer.by_gamma), len(losses), layer.width, len(layer.inputs),
            rule.rate, rule.momentum, RULE=rule.number, PARTS=PARTS, BC=NORM_COLUMNS, **_options(NORM_WARPS),
        )  # fmt: skip

    def score(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return float64 [3]: the numbers of rows whose class is first and among the first five, the summed loss."""
        batch, classes = logits.shape
        if classes > MOST_CLASSES:
            return self._wide.score(logits, labels)
        rows = self._loss_rows(classes)
        parts = torch.empty(triton.cdiv(batch, rows), 3, device=logits.device)
        kernels.score[(len(parts),)](
            logits, labels, parts, batch, classes, logits.stride(0),
            BR=rows, BC=triton.next_power_of_2(classes), **_options(self._loss_warps(classes)),
        )  # fmt: skip
        return parts.double().sum(0)

    def _loss_rows(self, classes: int) -> int:
        return max(1, min(16, LOSS_NUMBERS // triton.next_power_of_2(classes)))

    def _loss_warps(self, classes: int) -> int:
        return max(4, triton.next_power_of_2(classes) // 1024)

    def _moments(self, layer: FusedLayer, field: int) -> tuple[Tensor, Tensor]:
        """Return both moments of a parameter; where the optimiser has none, the kernel does not read them."""
        found = [slot[field] for slot in layer.moments] + [layer.parameters[field]] * 2
        return found[0], found[1]
