"""The torch engine executes steps as dense products with masked weights, on any torch device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.data import Batch, Images
from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.mask import BoolArray
from prunescope.model import Model, Ticket
from prunescope.network.forward import batches, forward, network_inputs, torch_averages, torch_layer
from prunescope.training.engine import Engine, Score
from prunescope.training.levels import UpdateRule
from prunescope.training.state import EngineState
from prunescope.training.torch.batch_buffers import BatchBuffers, ResidentImages
from prunescope.training.torch.captured_step import Capture, CapturedStep, Step, cuda_capture
from prunescope.training.torch.step import Pixels, TorchStep
from prunescope.training.torch.step_rules import FeedbackStep

EVALUATION_ROWS = 2000


class TorchEngine(Engine):
    """Executes steps by torch on ``experiment.run.device``; see Engine.

    On a CPU each batch is gathered and then trained on. Other devices keep the images and parameters, receive only
    indices and labels, and the host does not wait for them inside a step; on CUDA one recorded step is replayed.
    ``capture`` replaces the recorder, which is how this path is tested on CPUs. ``mean`` float32 [n0] and
    ``live_pixels`` bool [n0] are those of the data. Raises InputError for a device that torch does not have here.
    """

    name = "torch"

    def __init__(
        self,
        experiment: Experiment,
        mean: np.ndarray,
        live_pixels: BoolArray,
        capture: Capture | None = None,
        update_rule: UpdateRule = "kept",
    ) -> None:
        self._experiment, self._update_rule = experiment, update_rule
        self._norm = experiment.network.norm
        self._device = _device(experiment.run.device)
        self._pixels = Pixels(torch.tensor(mean, dtype=torch.float32, device=self._device), live_pixels)
        self._capture = capture
        if capture is None and self._device.type == "cuda":
            self._capture = partial(cuda_capture, self._device)
        self._remote = self._device.type != "cpu" or capture is not None
        self._resident = ResidentImages(self._device)
        self._level: TorchStep | None = None
        self._feed: BatchBuffers | None = None
        self._run: Step | None = None

    def start(self, model: Model, ticket: Ticket) -> None:
        """Begin a level."""
        self._level = self._feed = self._run = None  # This frees the last level's memory first.
        self._level = TorchStep(self._experiment, model, ticket, self._pixels, self._update_rule)

    @property
    def ticket(self) -> Ticket:
        """The masks of the weights and biases that are kept now."""
        return self._started.rule.ticket()

    def keep_largest(self, counts: Sequence[int]) -> None:
        """Keep the ``counts[l]`` largest weights of each hidden layer l; only for the update rule "feedback"."""
        rule = self._started.rule
        assert isinstance(rule, FeedbackStep)
        rule.keep_largest(counts)

    def step(self, batch: Batch) -> None:
        """Update the parameters once."""
        if not self._remote:
            rows, labels = torch.from_numpy(batch.pixels[batch.indices]), torch.from_numpy(batch.labels)
            self._started.update(rows, labels)
            return
        whole_set = len(batch.pixels) > len(batch.indices)
        images = self._images(batch.pixels) if whole_set else None
        if self._feed is None or self._run is None or not self._feed.fits(batch, images):
            self._feed = BatchBuffers(batch, self._device, images)
            self._run = self._step_on(self._feed)
        self._feed.load(batch)
        self._run()

    def take_loss(self) -> float:
        """Return the mean loss (nats) since the last call."""
        return self._started.take_loss()

    def model(self) -> Model:
        """Return a copy of the parameters and moving averages."""
        return self._started.model()

    @torch.no_grad()
    def evaluate(self, images: Images, model: Model | None = None) -> Score:
        """Score a set of images, block by block."""
        totals = torch.zeros(3, dtype=torch.float64, device=self._device)
        for labels, logits in self._logits(images, model):
            first = _first_five(logits) == labels[:, None]
            loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
            totals += torch.stack([first[:, 0].sum(), first.sum(), loss]).double()
        correct, correct5, loss_sum = totals.tolist()
        return Score(len(images.labels), int(correct), int(correct5), loss_sum)

    @torch.no_grad()
    def right(self, images: Images, model: Model | None = None) -> BoolArray:
        """Return which images are classified right, bool [N]: those that ``evaluate`` counts."""
        found = [_first_five(logits)[:, 0] == labels for labels, logits in self._logits(images, model)]
        return np.asarray(torch.cat(found).cpu().numpy()) if found else np.zeros(0, np.bool_)

    def resident(self, pixels: NDArray[np.generic]) -> Tensor | None:
        """Return a set of images as it lies on the device; None for streams, on a CPU, and where it does not fit."""
        return self._images(pixels)

    def state(self) -> EngineState:
        """Return everything that the next step depends on."""
        return self._started.state()

    def restore(self, state: EngineState) -> None:
        """Put back what state() returned, with its masks."""
        ticket = state.fitting_ticket(self.ticket)
        if ticket is not None and ticket != self.ticket:
            self.start(state.model, ticket)
        self._started.restore(state)

    @property
    def _started(self) -> TorchStep:
        if self._level is None:
            raise RuntimeError("the engine has no level yet: start(model, ticket) comes first")
        return self._level

    def _step_on(self, feed: BatchBuffers) -> Step:
        level = self._started

        def run() -> None:
            level.update(feed.rows(), feed.labels)

        return run if self._capture is None else CapturedStep(run, level.tensors, self._capture)

    def _images(self, pixels: np.ndarray) -> Tensor | None:
        """Return a fixed set of images on a device with its own memory; None for streams, and on the CPU."""
        return self._resident.get(pixels) if self._remote and pixels.dtype == np.uint8 else None

    def _logits(self, images: Images, model: Model | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield labels and logits of a set, block by block, of ``model`` where one is given."""
        layers, averages = self._started.layers, self._started.averages
        if model is not None:
            layers = [torch_layer(x, own.live) for x, own in zip(model.layers, layers, strict=True)]
            averages = torch_averages(model, self._device)
        for start, rows in self._blocks(images.pixels):
            labels = torch.from_numpy(images.labels[start : start + len(rows)].copy()).to(self._device)
            logits, _ = forward(layers, network_inputs(rows, self._pixels.mean), self._norm, averages)
            yield labels, logits

    def _blocks(self, pixels: np.ndarray) -> Iterator[tuple[int, Tensor]]:
        images = self._images(pixels)
        if images is None:
            for start, rows in batches(pixels, EVALUATION_ROWS):
                yield start, rows.to(self._device)
        else:
            for start in range(0, len(images), EVALUATION_ROWS):
                yield start, images[start : start + EVALUATION_ROWS]


def _first_five(logits: Tensor) -> Tensor:
    """Return the classes of the five largest logits, [B, at most 5], the largest first."""
    return logits.topk(min(5, logits.shape[1])).indices


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # This fails on "meta", whose tensors hold no values.
    except (RuntimeError, AssertionError, ImportError):
        raise InputError(f"run.device is {name!r}: torch has no such device here; use cpu") from None
    return device
