"""Networks, tickets and batches that take the native engine through each of its paths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import tiny
from engine_cases import masked, numbers
from prunescope.data import Batch, Images
from prunescope.mask import Mask
from prunescope.model import Model, Ticket, initial
from prunescope.native import why_not
from prunescope.training.native_engine import NativeEngine
from prunescope.training.torch.engine import TorchEngine
from reference import network as reference

RATE = (
    64.0  # of one step whose gradient is read off the change: rounding of the parameters is small beside it
)
FIELDS = reference.PARAMETERS
DEAD_PIXELS = (0, 5, 40)
needs_kernels = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
ENGINES = ["torch", pytest.param("native", marks=needs_kernels)]


@dataclass(frozen=True)
class Problem:
    """One level: where it starts, and one batch (``images`` rows, all of them in the batch)."""

    experiment: Any
    mean: np.ndarray
    live_pixels: np.ndarray
    model: Model
    ticket: Ticket
    pixels: np.ndarray
    labels: np.ndarray

    def batch(self, step: int = 0, size: int | None = None) -> Batch:
        """Rows in an order of their own for each step; at step 0 all of them as they are."""
        count = len(self.labels)
        rng = np.random.default_rng(step)
        indices = rng.permutation(count)[:size] if step or size else np.arange(count)
        return Batch(self.pixels, indices.astype(np.int64), self.labels[indices])

    @property
    def images(self) -> Images:
        return Images(self.pixels, self.labels)

    def inputs(self, batch: Batch) -> np.ndarray:
        """Network inputs in float64."""
        rows = batch.pixels[batch.indices].astype(np.float64)
        return rows if batch.pixels.dtype == np.float32 else (rows - self.mean.astype(np.float64)) / 255

    def torch(self) -> TorchEngine:
        return self._started(TorchEngine(self.experiment, self.mean, self.live_pixels))

    def native(self, isa: str | None = None) -> NativeEngine:
        return self._started(NativeEngine(self.experiment, self.mean, self.live_pixels, isa))

    def reference(self, model: Model | None = None) -> reference.Network:
        network = reference.Network(numbers(self.ticket.applied_to(model or self.model)), self.live_pixels)
        masked(network, self.ticket)
        return network

    def read_and_live(self) -> list[np.ndarray]:
        """The inputs of each map whose moving averages the native engine keeps: that vary and that a weight reads."""
        read = [mask.array.any(0) for mask in self.ticket.masks]
        live = self.ticket.live_inputs(self.live_pixels)
        return [a & b for a, b in zip(live, [*read, np.ones_like(live[-1])], strict=True)]

    def changed(self, **train: Any) -> Problem:
        """The same with other fields of ``train``."""
        fields = self.experiment.train.model_copy(update=train)
        return replace(self, experiment=self.experiment.model_copy(update={"train": fields}))

    def _started(self, engine: Any) -> Any:
        engine.start(self.model, self.ticket)
        return engine


def varied(model: Model, seed: int) -> Model:
    """Biases and norms away from where they start, some γ negative."""
    rng = np.random.default_rng(seed)

    def normal(like: np.ndarray, size: float) -> np.ndarray:
        return (size * rng.standard_normal(like.shape)).astype(np.float32)

    return Model(
        tuple(
            replace(
                x,
                bias=normal(x.bias, 0.3),
                gamma=np.sign(normal(x.gamma, 1)) * rng.uniform(0.5, 1.5, x.gamma.shape).astype(np.float32),
                beta=normal(x.beta, 0.3),
            )
            for x in model.layers
        )
    )


def random_ticket(sizes: tuple[int, ...], density: float, seed: int) -> Ticket:
    """Masks drawn at random, at least one weight in each; at densities below 1 biases are pruned too.

    ``density`` is the first layer's. Those above are no sparser than 0.1: batch norm takes the
    gradient of a unit with two or three inputs almost to 0, of which rounding leaves few digits.
    """
    rng = np.random.default_rng(seed)
    masks, biases = [], []
    for index, (n_out, n_in) in enumerate(zip(sizes[1:-1], sizes[:-2], strict=True)):
        mask = rng.random((n_out, n_in)) < max(density, 0.1 if index else 0)
        mask[rng.integers(n_out), rng.integers(n_in)] = True
        masks.append(Mask(mask))
        biases.append(rng.random(n_out) < max(density, 0.5))
    return Ticket(tuple(masks), tuple(biases))


def one_kept_weight(sizes: tuple[int, ...]) -> Ticket:
    """A path of single weights from pixel 3 through units 1, 2, …"""
    masks = []
    for number, (n_out, n_in) in enumerate(zip(sizes[1:-1], sizes[:-2], strict=True), 1):
        mask = np.zeros((n_out, n_in), bool)
        mask[number, 3 if number == 1 else number - 1] = True
        masks.append(Mask(mask))
    return Ticket(tuple(masks), tuple(np.ones(n, bool) for n in sizes[1:-1]))


def one_full_row(sizes: tuple[int, ...], density: float) -> Ticket:
    """Rows of few weights, but for one unit of every layer that keeps all of its own."""
    ticket = random_ticket(sizes, density, 0)
    masks = [np.array(mask.array) for mask in ticket.masks]
    for mask in masks:
        mask[len(mask) // 2] = True
    return Ticket(tuple(Mask(mask) for mask in masks), ticket.biases)


def dying(sizes: tuple[int, ...], density: float, seed: int) -> Ticket:
    """Every way of dying, in two hidden layers.

    Layer 1: unit 0 has no weights, unit 1 sees dead pixels only, nothing reads unit 2, unit 3 is
    read by a dead-end alone. Layer 2: unit 0 is fed by the first two, so it is dead through two
    layers; unit 1 is the dead-end in layers of three; unit 2 has no weights.
    """
    ticket = random_ticket(sizes, density, seed)
    first, second, *others = (np.array(mask.array) for mask in ticket.masks)
    first[0] = first[1] = False
    first[1, list(DEAD_PIXELS)] = True
    first[2:, 60:] = True
    second[:, 2:4] = False
    second[:3] = False
    second[0, :2] = True
    second[1, 3] = True
    second[3:, [1, *range(4, 9)]] = True
    for mask in others:
        mask[:, 1] = False
        mask[3:, [0, *range(3, 6)]] = True
    return Ticket(tuple(map(Mask, (first, second, *others))), ticket.biases)


def problem(
    sizes: tuple[int, ...] = (200, 60, 40, 10),
    density: float = 0.3,
    *,
    count: int = 65,
    ticket: Ticket | None = None,
    norm: str = "before",
    floats: bool = False,
    dead_pixels: tuple[int, ...] = (),
    constant: tuple[int, ...] = (),
    seed: int = 0,
) -> Problem:
    """Images of noise with a few factors in common; ``constant`` pixels live, but not in this batch.

    The seed moves on until no hidden unit is at the kink of its ReLU, where float32 and float64
    might take different sides.
    """
    for own in range(seed, seed + 20):
        rng = np.random.default_rng(own)
        factors = rng.standard_normal((count, 4)) @ rng.standard_normal((4, sizes[0]))
        pixels = np.clip(110 + 25 * factors + 20 * rng.standard_normal(factors.shape), 0, 255).astype(
            np.uint8
        )
        pixels[:, list(dead_pixels)] = 7
        pixels[:, list(constant)] = rng.integers(0, 256, len(constant))
        mean = rng.uniform(0, 255, sizes[0]).astype(np.float32)
        if floats:
            pixels = ((pixels - mean) / 60).astype(np.float32)
        made = Problem(
            tiny.experiment(network={"norm": norm}, train={"lr": RATE}),
            mean,
            ~np.isin(np.arange(sizes[0]), dead_pixels),
            varied(initial(sizes, norm, own), own),
            ticket or random_ticket(sizes, density, own),
            pixels,
            rng.integers(0, sizes[-1], count),
        )
        if norm != "before" or clear_of_kinks(made):
            return made
    raise AssertionError("no seed leaves all units clear of their kinks")


def clear_of_kinks(made: Problem, margin: float = 2e-6) -> bool:
    _, seen = made.reference().forward(made.inputs(made.batch()), training=True)
    return all((np.abs(below["a"][:, above["live"]]) > margin).all() for below, above in pairwise(seen))


PROBLEMS: dict[str, dict[str, Any]] = {
    "u=1": {"sizes": (120, 40, 30, 10), "density": 1.0},
    "u=1, batch of whole tiles": {"sizes": (120, 40, 30, 10), "density": 1.0, "count": 128},
    "u=1, several pieces of rows": {"sizes": (90, 300, 280, 70), "density": 1.0, "count": 77},
    # pieces of 300 rows are of one size, of 281 they are not
    "u=1, pieces of rows and samples": {"sizes": (30, 300, 281, 64), "density": 1.0, "count": 1100},
    "u=1, several pieces of samples": {"sizes": (40, 30, 20, 64), "density": 1.0, "count": 1100},
    "u=1, floats": {"sizes": (120, 40, 30, 10), "density": 1.0, "count": 130, "floats": True},
    "u=0.85": {"sizes": (200, 60, 50, 80), "density": 0.85, "count": 130},
    "u=0.85, floats": {"sizes": (70, 60, 50, 80), "density": 0.85, "count": 20, "floats": True},
    "u=0.6, groups of rows": {"sizes": (200, 530, 270, 10), "density": 0.6, "count": 200},
    "u=0.3, blocks": {"sizes": (600, 60, 40, 10), "density": 0.3, "count": 130},
    "u=0.3, wide output": {"sizes": (300, 60, 90, 100), "density": 0.3, "count": 77},
    "u=0.3, floats": {"sizes": (300, 60, 40, 10), "density": 0.3, "floats": True},
    "u=0.05, blocks": {"sizes": (700, 64, 50, 10), "density": 0.06, "count": 64},
    "u=0.02, rows": {"sizes": (800, 90, 60, 12), "density": 0.02, "count": 130},
    "u=0.01, wide blocks": {"sizes": (1300, 300, 280, 10), "density": 0.012, "count": 200},
    "u=0.01, wide blocks, floats": {"sizes": (1100, 270, 30, 10), "density": 0.01, "floats": True},
    "one full row": {"sizes": (1300, 120, 30, 10), "density": 0.004, "count": 77, "ticket": "skewed"},
    "u=0.05, floats": {"sizes": (500, 64, 50, 10), "density": 0.05, "count": 77, "floats": True},
    "one kept weight": {"sizes": (100, 30, 20, 10), "count": 77, "ticket": "one"},
    "dead, sparse": {"sizes": (80, 40, 30, 10), "density": 0.1, "ticket": "dying"},
    "dead, dense": {"sizes": (80, 40, 30, 70), "density": 0.9, "count": 130, "ticket": "dying"},
    "dead, floats": {"sizes": (80, 40, 30, 10), "density": 0.3, "ticket": "dying", "floats": True},
    "dead, three layers": {"sizes": (80, 40, 30, 20, 10), "density": 0.2, "ticket": "dying"},
    "constant in the batch": {"sizes": (300, 40, 30, 10), "constant": (1, 2, 64, 170), "density": 0.3},
    "constant, dense": {"sizes": (120, 40, 30, 10), "constant": (1, 2, 64), "density": 1.0},
    "narrower than a vector": {"sizes": (5, 3, 4, 2), "density": 0.7, "count": 20},
    "one hidden layer": {"sizes": (270, 33, 10), "density": 0.2, "count": 20},
}
UNNORMED = ("u=1", "u=0.85, floats", "u=0.3, blocks", "u=0.02, rows", "u=0.3, wide output", "one kept weight")


def named(name: str, **changes: Any) -> Problem:
    """One of PROBLEMS."""
    about = PROBLEMS[name] | changes
    kind, sizes = about.get("ticket"), about["sizes"]
    if kind == "one":
        about["ticket"] = one_kept_weight(sizes)
    elif kind == "skewed":
        about["ticket"] = one_full_row(sizes, about["density"])
    elif kind == "dying":
        about |= {"ticket": dying(sizes, about["density"], 0), "dead_pixels": DEAD_PIXELS}
    return problem(**about)


def gradients(before: Model, after: Model, rate: float = RATE) -> list[dict[str, np.ndarray]]:
    """What one step of plain SGD descended, in float64."""
    pairs = zip(numbers(before), numbers(after), strict=True)
    return [{f: (a[f].astype(np.float64) - b[f]) / rate for f in FIELDS} for a, b in pairs]


def error(found: list[dict[str, np.ndarray]], expected: list[dict[str, np.ndarray]]) -> float:
    """The largest ‖found - expected‖ of any parameter's gradient, in units of ‖expected‖ plus 5 % of that of all.

    (The second part is for gradients that vanish: batch norm makes a unit with one input blind to its weight.)
    """
    whole = np.sqrt(sum((layer[f] ** 2).sum() for layer in expected for f in FIELDS))
    return max(
        float(np.linalg.norm(a[f] - b[f]) / (np.linalg.norm(b[f]) + 0.05 * whole))
        for a, b in zip(found, expected, strict=True)
        for f in FIELDS
    )
