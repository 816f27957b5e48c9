"""The torch engine: dense products with masked weights, on any torch device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prunescope.data import Batch, Images
from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.mask import BoolArray
from prunescope.model import Arrays, Layer, Model, Ticket
from prunescope.network import (
    Statistics,
    TorchLayer,
    batches,
    forward,
    network_inputs,
    torch_averages,
    torch_layer,
    torch_layers,
)
from prunescope.training.engine import Engine, Score

AVERAGE_DECAY = 0.99
ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8
EVALUATION_ROWS = 2000


class TorchEngine(Engine):
    """Masked dense training; see Engine. ``experiment.run.device`` is any torch device."""

    name = "torch"

    def __init__(self, experiment: Experiment, mean: np.ndarray, live_pixels: BoolArray) -> None:
        self._train = experiment.train
        self._norm = experiment.network.norm
        self._device = _device(experiment.run.device)
        self._mean = torch.tensor(mean, dtype=torch.float32, device=self._device)
        self._live_pixels = live_pixels
        self._resident: tuple[np.ndarray, Tensor] | None = None
        self._layers: list[TorchLayer] = []
        self._parameters: list[Tensor] = []
        self._masks: list[tuple[int, Tensor]] = []
        self._averages: Statistics = []
        self._moments: list[Tensor] = []
        self._steps = 0  # of this level
        self._loss_steps = 0  # in the loss sum
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=self._device)

    def start(self, model: Model, ticket: Ticket) -> None:
        """Begin a level."""
        self._layers = torch_layers(model, ticket, self._live_pixels, self._device)
        self._parameters = [p for layer in self._layers for p in layer.parameters]
        self._masks = self._pruned_parameters(ticket)
        for parameter in self._parameters:
            parameter.requires_grad_()
        self._averages = torch_averages(model, self._device)
        per_parameter = {"sgd": 0, "momentum": 1, "adam": 2}[self._train.optimizer]
        self._moments = [torch.zeros_like(p) for _ in range(per_parameter) for p in self._parameters]
        self._steps = self._loss_steps = 0
        self._loss_sum.zero_()

    def step(self, batch: Batch) -> None:
        """One update."""
        rows, labels = self._gather(batch)
        logits, statistics = forward(self._layers, network_inputs(rows, self._mean), self._norm, None)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        gradients = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        with torch.no_grad():
            self._update_averages(statistics)
            self._steps += 1
            for index, mask in self._masks:
                gradients[index].mul_(mask)
            self._descend(gradients)
            self._loss_sum += loss.double()
            self._loss_steps += 1

    def take_loss(self) -> float:
        """Mean loss since the last call."""
        steps = self._loss_steps
        mean = float(self._loss_sum) / steps if steps else float("nan")
        self._loss_sum.zero_()
        self._loss_steps = 0
        return mean

    def model(self) -> Model:
        """A copy of the parameters and averages."""
        return _model(self._layers, self._averages)

    @torch.no_grad()
    def evaluate(self, images: Images, model: Model | None = None) -> Score:
        """Score a set of images in blocks."""
        layers, averages = self._layers, self._averages
        if model is not None:
            layers = [torch_layer(x, own.live) for x, own in zip(model.layers, layers, strict=True)]
            averages = torch_averages(model, self._device)
        totals = torch.zeros(3, dtype=torch.float64, device=self._device)
        for start, rows in batches(images.pixels, EVALUATION_ROWS):
            inputs = network_inputs(rows.to(self._device), self._mean)
            labels = torch.from_numpy(images.labels[start : start + len(rows)].copy()).to(self._device)
            logits, _ = forward(layers, inputs, self._norm, averages)
            first = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
            loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
            totals += torch.stack([first[:, 0].sum(), first.sum(), loss]).double()
        correct, correct5, loss_sum = totals.tolist()
        return Score(len(images.labels), int(correct), int(correct5), loss_sum)

    def state(self) -> Arrays:
        """Parameters, averages, optimiser moments, counters."""
        arrays = self.model().to_arrays()
        for index, moment in enumerate(self._moments):
            arrays[f"moment{index}"] = _copy(moment)
        arrays["counts"] = np.array([self._steps, float(self._loss_sum), self._loss_steps], np.float64)
        return arrays

    def restore(self, state: Arrays) -> None:
        """Put back what state() gave."""
        model = Model.from_arrays({k: v for k, v in state.items() if k.startswith("layer")})
        with torch.no_grad():
            for layer, source in zip(self._layers, model.layers, strict=True):
                for own, given in zip(
                    layer.parameters, torch_layer(source, layer.live).parameters, strict=True
                ):
                    own.copy_(given)
            self._averages = torch_averages(model, self._device)
            for index, moment in enumerate(self._moments):
                moment.copy_(torch.from_numpy(state[f"moment{index}"]))
            steps, loss_sum, loss_steps = state["counts"].tolist()
            self._steps, self._loss_steps = int(steps), int(loss_steps)
            self._loss_sum.fill_(loss_sum)

    def _pruned_parameters(self, ticket: Ticket) -> list[tuple[int, Tensor]]:
        """The masks that are not all ones, with the index of their parameter."""
        pairs = zip(ticket.masks, ticket.biases, strict=True)
        arrays = [array for mask, bias in pairs for array in (mask.array, bias)]
        places = [4 * layer + field for layer in range(len(ticket.masks)) for field in (0, 1)]
        return [
            (place, torch.tensor(array, dtype=torch.float32, device=self._device))
            for place, array in zip(places, arrays, strict=True)
            if not array.all()
        ]

    def _gather(self, batch: Batch) -> tuple[Tensor, Tensor]:
        labels = torch.from_numpy(batch.labels)
        if self._device.type == "cpu":
            return torch.from_numpy(batch.pixels[batch.indices]), labels
        if batch.pixels.dtype != np.uint8 or len(batch.pixels) == len(batch.indices):
            return torch.from_numpy(batch.pixels[batch.indices]).to(self._device), labels.to(self._device)
        if self._resident is None or self._resident[0] is not batch.pixels:
            self._resident = (batch.pixels, torch.from_numpy(np.array(batch.pixels)).to(self._device))
        indices = torch.from_numpy(batch.indices).to(self._device, non_blocking=True)
        return self._resident[1].index_select(0, indices), labels.to(self._device, non_blocking=True)

    def _update_averages(self, statistics: Statistics) -> None:
        if self._steps == 0:
            self._averages = [(mean.clone(), variance.clone()) for mean, variance in statistics]
            return
        averages = [tensor for pair in self._averages for tensor in pair]
        batch = [tensor for pair in statistics for tensor in pair]
        if averages:
            torch._foreach_lerp_(averages, batch, 1 - AVERAGE_DECAY)

    def _descend(self, gradients: tuple[Tensor, ...]) -> None:
        parameters, moments, count = self._parameters, self._moments, len(self._parameters)
        if self._train.optimizer == "sgd":
            torch._foreach_add_(parameters, gradients, alpha=-self._train.lr)
        elif self._train.optimizer == "momentum":
            torch._foreach_mul_(moments, self._train.momentum)
            torch._foreach_add_(moments, gradients)
            torch._foreach_add_(parameters, moments, alpha=-self._train.lr)
        else:
            first, second = moments[:count], moments[count:]
            step = self._steps
            torch._foreach_lerp_(first, gradients, 1 - ADAM_BETAS[0])
            torch._foreach_mul_(second, ADAM_BETAS[1])
            torch._foreach_addcmul_(second, gradients, gradients, 1 - ADAM_BETAS[1])
            scale = torch._foreach_div(second, 1 - ADAM_BETAS[1] ** step)
            torch._foreach_sqrt_(scale)
            torch._foreach_add_(scale, ADAM_EPSILON)
            rate = -self._train.lr / (1 - ADAM_BETAS[0] ** step)
            torch._foreach_addcdiv_(parameters, first, scale, rate)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # "meta" makes tensors that hold nothing
    except (RuntimeError, AssertionError, ImportError):
        raise InputError(f"run.device is {name!r}: torch has no such device here; use cpu") from None
    return device


def _copy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()


def _model(layers: list[TorchLayer], averages: Statistics) -> Model:
    empty = np.zeros(0, np.float32)
    found = iter(averages)
    numbers = []
    for layer in layers:
        pair = tuple(_copy(x) for x in next(found)) if layer.gamma.numel() else (empty, empty)
        numbers.append(Layer(*(_copy(p) for p in layer.parameters), *pair))
    return Model(tuple(numbers))
