"""The torch engine executes steps as dense products with masked weights, on a CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from prunescope.data import Batch, Images
from prunescope.experiment import Experiment
from prunescope.mask import BoolArray
from prunescope.model import Model, Ticket
from prunescope.network.forward import batches, forward, network_inputs, torch_averages, torch_layer
from prunescope.training.engine import Engine, Score
from prunescope.training.levels import UpdateRule
from prunescope.training.state import EngineState
from prunescope.training.torch.step import Pixels, TorchStep
from prunescope.training.torch.step_rules import FeedbackStep

EVALUATION_ROWS = 2000


class TorchEngine(Engine):
    """Executes steps by torch on a CPU, batch by batch; see Engine.

    ``mean`` float32 [n0] and ``live_pixels`` bool [n0] are those of the data. Its step is the reference of the engines.
    """

    name = "torch"

    def __init__(
        self,
        experiment: Experiment,
        mean: np.ndarray,
        live_pixels: BoolArray,
        update_rule: UpdateRule = "kept",
    ) -> None:
        self._experiment, self._update_rule = experiment, update_rule
        self._norm = experiment.network.norm
        self._pixels = Pixels(torch.tensor(mean, dtype=torch.float32), live_pixels)
        self._level: TorchStep | None = None

    def start(self, model: Model, ticket: Ticket) -> None:
        """Begin a level."""
        self._level = None  # This frees the last level's memory first.
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
        rows, labels = torch.from_numpy(batch.pixels[batch.indices]), torch.from_numpy(batch.labels)
        self._started.update(rows, labels)

    def take_loss(self) -> float:
        """Return the mean loss (nats) since the last call."""
        return self._started.take_loss()

    def model(self) -> Model:
        """Return a copy of the parameters and moving averages."""
        return self._started.model()

    @torch.no_grad()
    def evaluate(self, images: Images, model: Model | None = None) -> Score:
        """Score a set of images, block by block."""
        totals = torch.zeros(3, dtype=torch.float64)
        for labels, logits in self._logits(images, model):
            first = _first_five(logits) == labels[:, None]
            loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
            totals += torch.stack([first[:, 0].sum(), first.sum(), loss]).double()
        return Score.of_totals(len(images), totals.tolist())

    @torch.no_grad()
    def right(self, images: Images, model: Model | None = None) -> BoolArray:
        """Return which images are classified right, bool [N]: those that ``evaluate`` counts."""
        found = [_first_five(logits)[:, 0] == labels for labels, logits in self._logits(images, model)]
        return np.asarray(torch.cat(found).numpy()) if found else np.zeros(0, np.bool_)

    def state(self) -> EngineState:
        """Return everything that the next step depends on."""
        return self._started.state()

    def restore(self, state: EngineState) -> None:
        """Put back what state() returned, with its masks."""
        self._take_masks(state)
        self._started.restore(state)

    @property
    def _started(self) -> TorchStep:
        if self._level is None:
            raise RuntimeError("the engine has no level yet: start(model, ticket) comes first")
        return self._level

    def _logits(self, images: Images, model: Model | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield labels and logits of a set, block by block, of ``model`` where one is given."""
        layers, averages = self._started.layers, self._started.averages
        if model is not None:
            layers = [torch_layer(x, own.live) for x, own in zip(model.layers, layers, strict=True)]
            averages = torch_averages(model, torch.device("cpu"))
        for start, rows in batches(images.pixels, EVALUATION_ROWS):
            labels = torch.from_numpy(images.labels[start : start + len(rows)].copy())
            logits, _ = forward(layers, network_inputs(rows, self._pixels.mean), self._norm, averages)
            yield labels, logits


def _first_five(logits: Tensor) -> Tensor:
    """Return the classes of the five largest logits, [B, at most 5], the largest first."""
    return logits.topk(min(5, logits.shape[1])).indices
