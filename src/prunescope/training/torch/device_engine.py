"""The device engine executes blocks of steps on a GPU, where the images, the parameters and the batches' indices lie."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.data import Batch, Images
from prunescope.errors import first_line
from prunescope.experiment import Experiment
from prunescope.mask import BoolArray
from prunescope.model import Model, Ticket
from prunescope.network.precision import matrix_units
from prunescope.training.engine import Engine, Score, Snapshot
from prunescope.training.levels import UpdateRule
from prunescope.training.state import EngineState
from prunescope.training.torch.block_feed import BlockFeed, ResidentImages
from prunescope.training.torch.captured_step import Capture, CapturedSteps, cuda_capture
from prunescope.training.torch.device import fault, on_device, open_device
from prunescope.training.torch.fused_layer import Feed
from prunescope.training.torch.fused_step import FusedStep, Passes
from prunescope.training.torch.reference_step import ReferenceStep
from prunescope.training.torch.step import Pixels
from prunescope.training.torch.torch_passes import TorchPasses, ranks, scores

EVALUATION_ROWS = 10_000
MOST_ENTRIES = 2**31  # of an array; the kernels count them by 32 bits
log = logging.getLogger(__name__)

Network = Callable[[Tensor], Tensor]


class LevelStep(Protocol):
    """The step of a level on a device: fused_step.FusedStep, or reference_step.ReferenceStep."""

    @property
    def tensors(self) -> list[Tensor]: ...
    def prepare(self, batch: int) -> None: ...
    def update(self, feed: Feed) -> None: ...
    def take_loss(self) -> float: ...
    def network(self, model: Model | None = None) -> Network: ...
    def fields(self) -> list[list[Tensor]]: ...
    def spread(self, fields: list[list[Tensor]]) -> Model: ...
    def ticket(self) -> Ticket: ...
    def state(self) -> EngineState: ...
    def restore(self, state: EngineState) -> None: ...


@dataclass(frozen=True)
class Execution:
    """How steps are executed: ``capture`` records them, ``passes`` are the kernels of the fused step.

    None: one after another; not fused.
    """

    capture: Capture | None
    passes: Passes | None


@dataclass
class DeviceSnapshot(Snapshot):
    """A snapshot whose numbers are on the device until they are asked for."""

    make: Callable[[], Model] | None
    found: Model | None = None

    def model(self) -> Model:
        """Return the parameters and averages, on the host from now on."""
        if self.make is not None:
            self.found, self.make = self.make(), None  # What it held on the device is free then.
        assert self.found is not None
        return self.found


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores a set of images on the device: ``replay`` writes its float64 ``totals`` [3], as torch_passes.scores."""

    images: Images
    totals: Tensor
    replay: CapturedSteps

    def score(self) -> Score:
        """Return the score, for which the host waits."""
        self.replay(1)
        return Score.of_totals(len(self.images), self.totals.tolist())


class DeviceEngine(Engine):
    """Executes steps on the device ``experiment.run.device``; see Engine.

    The host does nothing within a block: recorded steps are replayed, several at once, which read images, labels and
    indices where they lie. ``mean`` float32 [n0] and ``live_pixels`` bool [n0] are those of the data. ``execution``
    replaces the recorder and the kernels, by which this engine is tested on CPUs.
    """

    name = "torch"
    block = 1000

    def __init__(
        self,
        experiment: Experiment,
        mean: np.ndarray,
        live_pixels: BoolArray,
        update_rule: UpdateRule = "kept",
        execution: Execution | None = None,
    ) -> None:
        self._experiment, self._update_rule = experiment, update_rule
        mean_there = torch.tensor(mean, dtype=torch.float32, device=open_device(experiment.run.device))
        self._device = mean_there.device  # which has a number where run.device has none
        self._execution = execution or _usual(experiment, update_rule, mean_there)
        self._pixels = Pixels(mean_there, live_pixels)
        self._resident = ResidentImages(self._device)
        self._scores = self._execution.passes.score if self._execution.passes else scores
        self._level: LevelStep | None = None
        self._feed: BlockFeed | None = None
        self._replay: CapturedSteps | None = None
        self._scorers: list[Scorer] = []

    def start(self, model: Model, ticket: Ticket) -> None:
        """Begin a level."""
        self._level = self._feed = self._replay = None  # This frees the last level's memory first.
        self._scorers = []
        passes = self._execution.passes
        if passes is None:
            self._level = ReferenceStep(self._experiment, model, ticket, self._pixels, self._update_rule)
        else:
            self._level = FusedStep(self._experiment, model, ticket, self._pixels, passes)

    @property
    def ticket(self) -> Ticket:
        """The masks of the weights and biases that are kept now."""
        return self._started.ticket()

    def keep_largest(self, counts: Sequence[int]) -> None:
        """Keep the ``counts[l]`` largest weights of each hidden layer l; only for the update rule "feedback"."""
        level = self._started
        assert isinstance(level, ReferenceStep)
        level.keep_largest(counts)

    def step(self, batch: Batch) -> None:
        """Update the parameters once."""
        self.steps([batch])

    def steps(self, batches: Sequence[Batch]) -> None:
        """Update the parameters once on each of the batches, which are of one set of images and of one size."""
        start = 0
        with on_device(self._device), self._units():
            while start < len(batches):
                feed, replay = self._fed(batches[start])
                part = batches[start : start + feed.steps]
                feed.load(part)
                try:
                    replay(len(part))
                except Exception as error:
                    if replay.begun or not (
                        self._streams(batches[start], error) or self._without_kernels(error)
                    ):
                        raise
                    del feed, replay  # which keep the images on the device
                    continue  # The same steps once more, with streamed images or other kernels.
                start += len(part)

    def take_loss(self) -> float:
        """Return the mean loss (nats) since the last call."""
        return self._started.take_loss()

    def model(self) -> Model:
        """Return a copy of the parameters and moving averages."""
        level = self._started
        return level.spread(level.fields())

    def snapshot(self) -> Snapshot:
        """Return the parameters and averages as they are now, copied on the device and brought to the host if asked."""
        level = self._started
        return DeviceSnapshot(partial(level.spread, level.fields()))

    def evaluate(self, images: Images, model: Model | None = None) -> Score:
        """Score a set of images, block by block; with the level's own parameters, the scoring too is recorded."""
        try:
            return self._evaluated(images, model)
        except Exception as error:  # No step may have come before that tried the kernels.
            if not self._without_kernels(error):
                raise
        return self._evaluated(images, model)

    @torch.no_grad()
    def _evaluated(self, images: Images, model: Model | None) -> Score:
        with on_device(self._device), self._evaluation_units():
            if model is None and self.resident(images.pixels) is not None:
                return self._scorer(images).score()
            totals = torch.zeros(3, dtype=torch.float64, device=self._device)
            for labels, logits in self._logits(images, model):
                totals += self._scores(logits, labels)
        return Score.of_totals(len(images), totals.tolist())

    @torch.no_grad()
    def right(self, images: Images, model: Model | None = None) -> BoolArray:
        """Return which images are classified right, bool [N]: those that ``evaluate`` counts."""
        with self._evaluation_units():
            found = [ranks(logits, labels) < 1 for labels, logits in self._logits(images, model)]
        return np.asarray(torch.cat(found).cpu().numpy()) if found else np.zeros(0, np.bool_)

    def resident(self, pixels: NDArray[np.generic]) -> Tensor | None:
        """Return a set of images as it lies on the device; None for streams, and where it does not fit."""
        return self._resident.get(pixels) if pixels.dtype == np.uint8 else None

    def state(self) -> EngineState:
        """Return everything that the next step depends on."""
        return self._started.state()

    def restore(self, state: EngineState) -> None:
        """Put back what state() returned, with its masks."""
        self._take_masks(state)
        self._started.restore(state)

    @property
    def _started(self) -> LevelStep:
        if self._level is None:
            raise RuntimeError("the engine has no level yet: start(model, ticket) comes first")
        return self._level

    def _fed(self, batch: Batch) -> tuple[BlockFeed, CapturedSteps]:
        """Return the feed for batches like this one, and the steps that read it.

        Where a device lacks the memory for what a step needs, the images leave it and are streamed.
        """
        try:
            return self._made(batch)
        except RuntimeError as error:
            if not self._streams(batch, error):
                raise
        return self._made(batch)

    def _streams(self, batch: Batch, error: Exception) -> bool:
        """Stream the images from now on where memory is short; return whether that gives any back."""
        if fault(error) != "memory" or not self._resident.drop(batch.pixels):
            return False
        log.warning("the images leave the device, to make space for the step, and are streamed in windows")
        self._feed = self._replay = None
        self._scorers = []
        return True

    def _without_kernels(self, error: Exception) -> bool:
        """Go on with operations of torch where the kernels cannot be compiled; return whether that can be done."""
        passes, level = self._execution.passes, self._started
        if passes is None or isinstance(passes, TorchPasses) or fault(error) != "other":
            return False
        log.warning(
            "the step's kernels cannot be compiled here; operations of torch take their place, which are slower: %s",
            first_line(error),
        )
        state = level.state()
        tf32 = self._experiment.train.precision == "tf32"
        self._execution = Execution(self._execution.capture, TorchPasses(tf32))
        self._scores = scores
        self.start(state.model, level.ticket())
        self._started.restore(state)
        return True

    def _made(self, batch: Batch) -> tuple[BlockFeed, CapturedSteps]:
        level, images = self._started, self._images(batch)
        if self._feed is None or self._replay is None or not self._feed.fits(batch, images):
            self._feed = self._replay = None  # This frees their memory first.
            self._feed = BlockFeed(batch, self._device, images, self.block)
            level.prepare(len(batch.indices))
            changes = [*level.tensors, self._feed.at.position]
            run = partial(level.update, self._feed.at)
            self._replay = CapturedSteps(run, changes, self._execution.capture)
        return self._feed, self._replay

    def _images(self, batch: Batch) -> Tensor | None:
        """Return the whole set that a batch is drawn from, on the device; None where each batch brings its images."""
        if len(batch.pixels) <= len(batch.indices) or batch.pixels.dtype != np.uint8:
            return None
        return self._resident.get(batch.pixels)

    def _scorer(self, images: Images) -> Scorer:
        """Return what scores a resident set with the parameters of the level, made at the first call."""
        for scorer in self._scorers:
            if scorer.images is images:
                return scorer
        level, resident = self._started, self.resident(images.pixels)
        labels = torch.from_numpy(images.labels.copy()).to(self._device)
        totals = torch.zeros(3, dtype=torch.float64, device=self._device)

        score = (
            self._scores
        )  # A scorer that held the engine would keep its memory until garbage is collected.

        def run() -> None:
            assert resident is not None
            totals.zero_()
            network = level.network()
            for start in range(0, len(labels), EVALUATION_ROWS):
                block = slice(start, start + EVALUATION_ROWS)
                totals.add_(score(network(resident[block]), labels[block]))

        found = Scorer(images, totals, CapturedSteps(run, [totals], self._execution.capture))
        self._scorers.append(found)
        return found

    def _units(self) -> AbstractContextManager[None]:
        return matrix_units(self._experiment.train.precision == "tf32")

    def _evaluation_units(self) -> AbstractContextManager[None]:
        # Where training rounds anyway, evaluation is not the place for products that take ten times as long.
        return matrix_units(self._experiment.train.precision != "float32")

    def _logits(self, images: Images, model: Model | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield labels and logits of a set, block by block, of ``model`` where one is given."""
        network = self._started.network(model)
        resident = self.resident(images.pixels)
        for start in range(0, len(images.labels), EVALUATION_ROWS):
            stop = start + EVALUATION_ROWS
            if resident is None:
                rows = torch.from_numpy(np.array(images.pixels[start:stop])).to(self._device)
            else:
                rows = resident[start:stop]
            labels = torch.from_numpy(images.labels[start:stop].copy()).to(self._device)
            yield labels, network(rows)


def _usual(experiment: Experiment, update_rule: UpdateRule, mean: Tensor) -> Execution:
    """Return how steps are best executed on the device of the mean image [n0]."""
    device = mean.device
    capture = partial(cuda_capture, device) if device.type == "cuda" else None
    if experiment.network.norm != "before" or update_rule != "kept":
        return Execution(capture, None)
    widths = (len(mean), *experiment.network.hidden)
    arrays = [experiment.train.batch * max(widths), *(a * b for a, b in pairwise(widths))]
    return Execution(capture, _kernels(experiment.train.precision, device, max(arrays)))


def _kernels(precision: str, device: torch.device, largest: int) -> Passes:
    """Return the passes of a step whose largest array has so many entries."""
    tf32 = precision == "tf32"
    if device.type == "cuda" and largest < MOST_ENTRIES:
        try:
            from prunescope.training.torch.triton_passes import TritonPasses

            return TritonPasses(tf32)
        except ImportError as error:
            log.warning("the step's kernels come from torch, which is slower: Triton is missing (%s)", error)
    return TorchPasses(tf32)
