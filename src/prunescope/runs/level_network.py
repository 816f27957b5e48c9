"""The network at a level's end, on the device where its images are, and what is measured of it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope import observables
from prunescope.data import Dataset, Images
from prunescope.experiment import Experiment
from prunescope.network.forward import (
    Statistics,
    TorchLayer,
    batches,
    forward,
    network_inputs,
    torch_averages,
    torch_layers,
)
from prunescope.training.loop import Trained
from prunescope.training.torch.torch_passes import ranks

Nodes = NDArray[np.int64]


@dataclass(frozen=True)
class ComputePlace:
    """Where the measurements of a level are computed: the device, and the number of images in memory at once.

    ``remote``: whether the device is another one than the host's processor, which computes beside it.
    """

    device: torch.device
    rows: int
    remote: bool = False


@dataclass(frozen=True, eq=False)
class LevelNetwork:
    """A trained network on a torch device; it evaluates in float32, with the moving averages.

    ``resident`` returns the images that are on the device already, None where there are none.
    """

    place: ComputePlace
    layers: Sequence[TorchLayer]
    averages: Statistics
    norm: str
    mean: Tensor
    resident: Callable[[NDArray[np.generic]], Tensor | None]

    @classmethod
    def of(
        cls,
        trained: Trained,
        dataset: Dataset,
        experiment: Experiment,
        place: ComputePlace,
        resident: Callable[[NDArray[np.generic]], Tensor | None],
    ) -> LevelNetwork:
        """Return the network of the level's end, under its masks."""
        return cls(
            place,
            torch_layers(trained.model, trained.ticket, dataset.live_pixels, place.device),
            torch_averages(trained.model, place.device),
            experiment.network.norm,
            torch.tensor(dataset.mean, device=place.device),
            resident,
        )

    @torch.no_grad()
    def top_images(
        self, pixels: NDArray[np.generic], nodes: Sequence[Nodes], count: int
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Find the images that activate each node most: indices and activations [K, count] for each layer.

        ``nodes``: those of the first hidden layer, of the second, and so on. A block of images goes through the network
        once for all of them.
        """
        tops = [observables.TopImages(len(some), count) for some in nodes]
        chosen = [torch.from_numpy(some).to(self.place.device) for some in nodes]
        for start, inputs in self._inputs(pixels):
            active = inputs
            for index, (top, some) in enumerate(zip(tops, chosen, strict=True)):
                layers, averages = self.layers[index:], self.averages[index:]
                active, _ = forward(layers, active, self.norm, averages, depth=1)
                of_nodes = active[:, some]
                images = _strongest(of_nodes, count)
                top.update(of_nodes[images].cpu().numpy(), start + images.cpu().numpy())
        return [top.result() for top in tops]

    @torch.no_grad()
    def accuracies_without(self, images: Images, removals: Sequence[Nodes]) -> list[float]:
        """Return the accuracy on a set of images without each of these sets of first-layer nodes.

        Their incoming weights are 0, as in ``remove_first_layer_nodes``, so that they send what a node without inputs
        sends. What the others send is computed once for all sets.
        """
        device = self.place.device
        first, *later = self.layers
        unwired = [replace(first, weight=torch.zeros_like(first.weight)), *later]
        nothing = torch.zeros(1, first.weight.shape[1], device=device)
        constant, _ = forward(unwired, nothing, self.norm, self.averages, depth=1)
        removed = torch.zeros(len(removals), len(first.weight), dtype=torch.bool)
        for row, nodes in zip(removed, removals, strict=True):
            row[torch.from_numpy(nodes)] = True
        removed = removed.to(device)
        labels = torch.from_numpy(np.array(images.labels)).to(device)
        correct = torch.zeros(len(removals), dtype=torch.int64, device=device)
        for start, inputs in self._inputs(images.pixels):
            active, _ = forward(self.layers, inputs, self.norm, self.averages, depth=1)
            wanted = labels[start : start + len(active)]
            for row, without in enumerate(removed):
                sent = torch.where(without, constant, active)
                logits, _ = forward(later, sent, self.norm, self.averages[1:])
                correct[row] += (ranks(logits, wanted) < 1).sum()  # as the engine for devices counts
        return [count / len(images) for count in correct.tolist()]

    def _inputs(self, pixels: NDArray[np.generic]) -> Iterator[tuple[int, Tensor]]:
        """Yield the first row and the network's input of each block of images."""
        size = self.place.rows
        images = self.resident(pixels) if self.place.remote else None
        if images is None:
            for start, rows in batches(pixels, size):
                yield start, network_inputs(rows.to(self.place.device), self.mean)
        else:
            for start in range(0, len(images), size):
                yield start, network_inputs(images[start : start + size], self.mean)


def _strongest(active: Tensor, count: int) -> Tensor:
    """Return the indices of the images that can be among the ``count`` strongest of any node, ascending.

    Images that are as strong as the last of them are there too. active: [images, nodes].
    """
    if len(active) <= count:
        return torch.arange(len(active), device=active.device)
    numbers = active.nan_to_num(nan=-torch.inf)
    least = numbers.topk(count, dim=0).values[-1]
    return (numbers >= least).any(dim=1).nonzero()[:, 0]
