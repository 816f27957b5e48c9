"""The passes of a fused step in operations of torch, for devices without Triton and as the kernels' reference."""

from __future__ import annotations

import torch
from torch import Tensor

from prunescope.network.forward import EPSILON
from prunescope.network.precision import rounded_to_tf32
from prunescope.training.torch.constants import ADAM_BETAS, AVERAGE_DECAY, FLAT
from prunescope.training.torch.fused_layer import Feed, FusedLayer, Rule, Tiles


class TorchPasses:
    """The passes of a step beside its products of matrices, each a few operations; see fused_step for the order.

    ``tf32``: whether operands are rounded to TF32, where they are stored as float32.
    """

    tiles = Tiles(None, None)

    def __init__(self, tf32: bool) -> None:
        self._tf32 = tf32

    def loss_tiles(self, batch: int, classes: int) -> int:
        """Return the number of partial sums that ``loss`` writes."""
        return 1

    def gather(self, feed: Feed, mean: Tensor, columns: Tensor, layer: FusedLayer, counts: Tensor) -> None:
        """Gather the batch at the feed's position as the inputs of the first layer, and count the step."""
        index = feed.indices.index_select(0, feed.position.view(1))[0]
        rows = feed.images.index_select(0, index)
        x = rows.index_select(1, columns.clamp(min=0).long()).float()
        if rows.dtype == torch.uint8:
            x = (x - mean) * (1 / 255)
        self._store(x * (columns >= 0), layer)
        counts[0] += 1

    def normalise(self, layer: FusedLayer, counts: Tensor, position: Tensor | None) -> None:
        """Compute the batch's moments, and what follows; ``position`` is moved on in the first layer."""
        n = layer.varying
        mean, variance = layer.means[0], layer.squares[0] / len(layer.inputs)
        layer.centre[:n].copy_(mean)
        full = torch.zeros_like(layer.gamma)
        full[:n] = variance
        layer.inverse.copy_(layer.live * (full + EPSILON).rsqrt())
        layer.inverse.masked_fill_(full <= FLAT * layer.centre.square(), 0.0)
        layer.scale.copy_(layer.gamma * layer.inverse)
        share = torch.where(counts[0] == 1, 1.0, 1 - AVERAGE_DECAY).float()
        layer.average[:n].lerp_(mean + layer.shift[:n], share)
        layer.variances[:n].lerp_(variance, share)
        if position is not None:
            position += 1
            return
        layer.floor.copy_(self._operand(0 - layer.shift))
        layer.shift[:n].copy_(layer.average[:n])

    def fold(self, layer: FusedLayer) -> None:
        """Fold the norm into the weights and the bias."""
        n = layer.varying
        layer.folded.copy_(self._operand(layer.weight[:, :n] * layer.scale[:n]))
        # The rounded weights are those that the products have: what they make of the mean is taken off again exactly.
        by_mean = layer.folded.float() @ layer.centre[:n]
        layer.total.copy_(torch.addmv(layer.bias, layer.weight, layer.beta) - by_mean)

    def activate(self, products: Tensor, layer: FusedLayer, above: FusedLayer) -> None:
        """Turn the products [B, m] of a layer into the inputs of the layer above."""
        n = above.varying
        self._store((products + layer.total).relu_() - above.shift[:n], above)

    def loss(self, products: Tensor, feed: Feed, layer: FusedLayer, classes: int, losses: Tensor) -> None:
        """Compute the loss and its gradient by the products [B, m] of the output layer."""
        labels = feed.labels.index_select(0, (feed.position - 1).view(1))[0]
        logits = (products + layer.total)[:, :classes]
        logs = torch.log_softmax(logits, 1)
        losses[0] = -logs.gather(1, labels[:, None]).sum()
        slope = logs.exp_().scatter_add_(1, labels[:, None], torch.full_like(logits[:, :1], -1)) / len(labels)
        layer.gradient[:, :classes].copy_(self._operand(slope))
        layer.sums[0] = layer.gradient.float().sum(0)

    def update(self, raw: Tensor, layer: FusedLayer, rule: Rule, corrections: Tensor) -> None:
        """Update weights and biases by the products [m, varying] of gradients and inputs."""
        n, by_bias = layer.varying, layer.sums.sum(0)
        whole = torch.zeros_like(layer.weight)
        whole[:, :n] = (raw - torch.outer(by_bias, layer.centre[:n])) * layer.inverse[:n]
        layer.by_gamma[0] = (layer.weight * whole).sum(0)
        layer.by_beta[0] = layer.weight.T @ by_bias
        slope = (whole * layer.gamma).addr_(by_bias, layer.beta)
        if layer.mask is not None:
            slope = torch.where(layer.mask != 0, slope, 0.0)
        self._descend(layer, 0, slope, rule, corrections)
        self._descend(layer, 1, by_bias * layer.kept, rule, corrections)

    def back(
        self, products: Tensor, layer: FusedLayer, below: FusedLayer, rule: Rule, corrections: Tensor
    ) -> None:
        """Carry the gradient, products [B, varying], back to the layer below; update γ and β."""
        n = layer.varying
        by_gamma, by_beta = layer.by_gamma.sum(0), layer.by_beta.sum(0)
        x = layer.inputs.float()
        normal = (x - layer.centre[:n]) * layer.inverse[:n]
        share = layer.scale[:n] / len(x)
        slope = products - share * (by_beta[:n] + normal * by_gamma[:n])
        slope = torch.where(layer.inputs > layer.floor[:n], slope, 0.0)
        below.gradient.copy_(self._operand(slope))
        below.sums[0] = below.gradient.float().sum(0)
        self._descend(layer, 2, by_gamma, rule, corrections)
        self._descend(layer, 3, by_beta, rule, corrections)

    def finish(
        self, layer: FusedLayer, rule: Rule, corrections: Tensor, losses: Tensor, counts: Tensor
    ) -> None:
        """Update γ and β of the first layer, and count the loss."""
        self._descend(layer, 2, layer.by_gamma.sum(0), rule, corrections)
        self._descend(layer, 3, layer.by_beta.sum(0), rule, corrections)
        counts[1] += losses.sum() / len(layer.inputs)
        counts[2] += 1

    def score(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return float64 [3]: the numbers of rows whose class is first and among the first five, the summed loss."""
        return scores(logits, labels)

    def _store(self, x: Tensor, layer: FusedLayer) -> None:
        layer.inputs.copy_(self._operand(x))
        stored = layer.inputs.float()
        layer.means[0] = stored.mean(0)
        layer.squares[0] = (stored - layer.means[0]).square().sum(0)

    def _operand(self, x: Tensor) -> Tensor:
        return rounded_to_tf32(x) if self._tf32 else x

    def _descend(self, layer: FusedLayer, field: int, slope: Tensor, rule: Rule, corrections: Tensor) -> None:
        parameter = layer.parameters[field]
        if rule.number == 0:
            parameter.sub_(slope, alpha=rule.rate)
            return
        first = layer.moments[0][field]
        if rule.number == 1:
            first.mul_(rule.momentum).add_(slope)
            parameter.sub_(first, alpha=rule.rate)
            return
        second = layer.moments[1][field]
        first.lerp_(slope, 1 - ADAM_BETAS[0])
        second.mul_(ADAM_BETAS[1]).addcmul_(slope, slope, value=1 - ADAM_BETAS[1])
        parameter.sub_(first / ((second * corrections[0]).sqrt_() + corrections[1]))


def scores(logits: Tensor, labels: Tensor) -> Tensor:
    """Return float64 [3] of logits [B, classes]: how many are right, right among the first five, and the summed loss."""
    rank = ranks(logits, labels)
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    return torch.stack([(rank < 1).sum().double(), (rank < 5).sum().double(), loss.double()])


def ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many classes come before the right one, int64 [B]: larger logits, and equal ones of lower index."""
    own = logits.gather(1, labels[:, None])
    lower = torch.arange(logits.shape[1], device=logits.device) < labels[:, None]
    before = ((logits > own) | ((logits == own) & lower)).sum(1)
    return torch.where((own == own)[:, 0], before, logits.shape[1])
