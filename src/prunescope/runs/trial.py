"""Trials measure the pieces of which a run's time is made: steps, evaluations, the end of a level, a method's own work."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.mask import BoolArray, Mask
from prunescope.model import Model, Ticket, initial, layer_sizes
from prunescope.runs import clock
from prunescope.runs.device_memory import on_device
from prunescope.runs.expected import Expected
from prunescope.runs.fits import weights_of
from prunescope.runs.sample_images import SampleImages
from prunescope.training.engine import Engine, Score
from prunescope.training.levels import Dynamics, ExplainedProcedure, Level, Setting, UpdateRule

if TYPE_CHECKING:
    from torch import Tensor

    from prunescope.data import Batch, Dataset, Images
    from prunescope.training.state import EngineState

DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01)
END_DENSITIES = (1.0, 0.3, 0.03)  # shuffles, which a dense mask has none of, are dearest in between
MEASURED_STEPS = 4
LONG_SECONDS = 1.0
SCORED_IMAGES = 1000
END_IMAGES = 2000  # the images that a level's end is measured with; as many as kurtosis takes
END_WEIGHTS = 50_000  # a first layer of more weights is measured by as many units as have so many
# What is timed is at most so large: weights, weights times images of a batch, and pixels of a batch.
TIMED_WEIGHTS, TIMED_WORK, TIMED_PIXELS = 50_000_000, 20_000_000_000, 20_000_000
TIMED_UNITS = 50_000  # of hidden layers
LITTLE = {"score_images": 1000, "rounds": 4}  # how much of a method's own work is measured
DYNAMICS_SECONDS, DYNAMICS_STEPS = 0.3, 20  # measured are multiples of so many steps
CROWDED_DENSITY, CROWDED_SECONDS = 0.1, 0.3
# A device with a memory of its own: how many times more is timed as it is, and how many steps and images in one go.
DEVICE_TIMES, DEVICE_STEPS, DEVICE_IMAGES, DEVICE_REPEATS = 100, 100, 10_000, 3
DEVICE_DRAWN_BYTES = 100_000_000  # of batches that are drawn before they are timed
LONG_END_SECONDS = 5.0  # after a level's end of more seconds no other one is measured


@dataclass(frozen=True)
class MethodFacts:
    """What an estimate needs to know about a method.

    levels_for: returns the expected levels for the layer sizes (n0, …, nL). update_rule: which weights its steps change.
    procedure: its procedure, whose own work is measured. effort: the field of ``prune`` to which the work before training
    is proportional, "" for none. dense_first: whether a dense level comes first, of which the run stores parameters to
    rewind to.
    """

    levels_for: Callable[[tuple[int, ...]], Expected]
    update_rule: UpdateRule = "kept"
    procedure: Callable[[Setting], ExplainedProcedure] | None = None
    effort: Literal["", "score_images", "rounds"] = ""
    dense_first: bool = True

    @property
    def each_level(self) -> bool:
        """Whether the work before training is done for each level anew."""
        return self.effort == "rounds"


@dataclass(frozen=True)
class Pieces:
    """The measured seconds of the pieces of a run.

    ``step`` and ``image`` have one value for each of DENSITIES: an update with its batch, and the evaluation of one
    image. ``end`` has one for each of END_DENSITIES: measuring and writing a level, without evaluations.
    ``scored_validation`` and ``scored_heldout``: how many times a level's end evaluates each set. ``start``: imports, and
    on a device what is compiled once. ``end_images``: the validation images that ``end`` was measured with, and that
    ``end`` beyond them grows with. Measured on devices alone: ``level_start``, what is done before the first step of each
    level, such as capturing a graph; ``saving``, the writing of a checkpoint.
    """

    step: tuple[float, ...]
    image: tuple[float, ...]
    end: tuple[float, ...]
    scored_validation: float
    scored_heldout: float
    start: float
    end_images: int = END_IMAGES
    level_start: float = 0.0
    saving: float = 0.0


@dataclass(frozen=True)
class Timed:
    """An experiment to take times with, and how many times longer a step and an image take in the one that it stands for."""

    experiment: Experiment
    step: float = 1.0
    image: float = 1.0
    assumed: tuple[str, ...] = ()


def timed(experiment: Experiment, n_in: int, classes: int) -> Timed:
    """Return the experiment to take times with: this one, or one of narrower layers and smaller batches where it is huge.

    Without that, the time for a plan would grow with the experiment. Nothing of up to TIMED_WEIGHTS weights and TIMED_WORK
    weights times images is made smaller, DEVICE_TIMES as much on a device.
    """
    hidden, batch = experiment.network.hidden, experiment.train.batch
    times = DEVICE_TIMES if on_device(experiment) else 1
    most_weights, most_work, most_units = times * TIMED_WEIGHTS, times * TIMED_WORK, times * TIMED_UNITS
    weights = narrow = _weights(n_in, hidden, classes)
    while (narrow > most_weights or sum(hidden) > most_units) and max(hidden) > 1:
        share = min(max(most_weights / narrow, 0.5), max(most_units / sum(hidden), 0.5))
        share = min(share, 0.9)
        hidden = tuple(max(int(share * width), 1) for width in hidden)
        narrow = _weights(n_in, hidden, classes)
    few = min(batch, max(most_work // narrow, 2)) if batch * narrow > most_work else batch
    few = min(few, max(times * TIMED_PIXELS // (n_in + sum(hidden)), 2))
    if (narrow, few) == (weights, batch):
        return Timed(experiment)
    changed = {
        "network": experiment.network.model_copy(update={"hidden": hidden}),
        "train": experiment.train.model_copy(update={"batch": few}),
    }
    text = f"times in proportion to those of {narrow:,} weights and batches of {few:,} images"
    factors = weights * batch / (narrow * few), weights / narrow
    return Timed(experiment.model_copy(update=changed), *factors, (text,))


def _weights(n_in: int, hidden: tuple[int, ...], classes: int) -> int:
    return weights_of((n_in, *hidden, classes))


def measured_pieces(
    experiment: Experiment,
    sample: SampleImages,
    update_rule: UpdateRule,
) -> Pieces:
    """Measure the pieces of a run of ``experiment`` on the images of ``sample``, in a few seconds."""
    start = _import_seconds()
    from prunescope.training import make_engine

    dataset = sample.dataset
    sizes = layer_sizes(len(dataset.mean), experiment.network.hidden, len(dataset.classes))
    with _threads(experiment.run.threads):
        engine = make_engine(experiment, dataset.mean, dataset.live_pixels, update_rule)
        setting = Setting(experiment, sizes, 0, dataset)
        if on_device(experiment):
            steps = _device_steps(setting, engine)
            end = _device_ends(setting, update_rule)
        else:
            steps = _Steps(*_steps(setting, engine))
            end = _ends(setting, update_rule)
    return Pieces(
        step=steps.step,
        image=steps.image,
        end=end.seconds,
        scored_validation=end.validation,
        scored_heldout=end.heldout,
        start=start + steps.once,
        end_images=end.images,
        level_start=steps.level_start,
        saving=end.saving,
    )


@contextmanager
def _threads(count: int) -> Generator[None]:
    """Let torch use ``count`` threads, 0 for as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_imports: list[float] = []
_warm: list[
    bool
] = []  # True once a level's end was measured, because the first one does work that is done once


def _import_seconds() -> float:
    """Return the seconds that a new process takes for imports: as measured here, else the processor time so far.

    In a process that imported everything before, what it took cannot be known, and ASSUMED_IMPORTS stands for it.
    """
    if not _imports:
        fresh = "torch" not in sys.modules
        began = clock.now()
        import polars  # noqa: F401
        import torch  # noqa: F401

        import prunescope.runs.measurements  # noqa: F401

        _imports.append(clock.now() - began + OTHER_IMPORTS if fresh else ASSUMED_IMPORTS)
    return _imports[0]


OTHER_IMPORTS = 0.5  # Python itself and the command line
ASSUMED_IMPORTS = 2.0


def _steps(setting: Setting, engine: Engine) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure the seconds of an update with its batch, and of the evaluation of an image, at each of DENSITIES."""
    dataset, train = setting.dataset, setting.experiment.train
    assert dataset is not None
    model = initial(setting.sizes, setting.experiment.network.norm, 0)
    weights = sum(a * b for a, b in pairwise(setting.sizes))
    images = first(dataset.validation, min(SCORED_IMAGES, max(TIMED_WORK // weights, 1)))
    steps, scores = [], []
    for density in DENSITIES:
        engine.start(model, random_ticket(setting.sizes, density))

        def update(step: int) -> None:
            engine.step(dataset.draw(0, 0, step, train.batch, train.sampling))
            engine.take_loss()  # This waits for devices that work asynchronously.

        steps.append(_shortest(update, MEASURED_STEPS))
        scores.append(_shortest(lambda step: engine.evaluate(images), 1) / max(len(images), 1))
    return tuple(steps), tuple(scores)


@dataclass(frozen=True)
class _Steps:
    """What steps take: seconds of an update and of an evaluated image at each of DENSITIES, and before the first update.

    ``once``: those before the first update of the first level, beyond the ``level_start`` of every level.
    """

    step: tuple[float, ...]
    image: tuple[float, ...]
    once: float = 0.0
    level_start: float = 0.0


def _device_steps(setting: Setting, engine: Engine) -> _Steps:
    """Measure steps on a device, which takes them in blocks and works while the host draws the batches that come next."""
    dataset, train = setting.dataset, setting.experiment.train
    assert dataset is not None
    model = initial(setting.sizes, setting.experiment.network.norm, 0)
    images = first(dataset.validation, DEVICE_IMAGES)
    block = max(min(engine.block, train.eval_every), 1)
    steps, scores, begins = [], [], []
    for density in DENSITIES:
        began = clock.now()
        engine.start(model, random_ticket(setting.sizes, density))
        started = clock.now() - began
        batches, drawing = _drawn(setting, max(block, DEVICE_STEPS))

        def update(repeat: int, batches: Sequence[Batch] = batches) -> None:
            for begin in range(0, len(batches), block):
                engine.steps(batches[begin : begin + block])
            engine.take_loss()  # This waits for the device.

        began = clock.now()
        update(0)
        whole = clock.now() - began
        each = _shortest(update, DEVICE_REPEATS) / len(batches)
        begins.append(started + max(whole - each * len(batches), 0.0))
        # Engines that take blocks are drawn for by a thread.
        steps.append(max(each, drawing) if engine.block > 1 else each + drawing)
        scores.append(_shortest(lambda repeat: engine.evaluate(images), DEVICE_REPEATS) / max(len(images), 1))
    level_start = float(np.median(begins[1:]))
    return _Steps(tuple(steps), tuple(scores), max(begins[0] - level_start, 0.0), level_start)


def _drawn(setting: Setting, count: int) -> tuple[list[Batch], float]:
    """Return batches of ``count`` steps, or of as many as DEVICE_DRAWN_BYTES hold, and the seconds that one takes."""
    dataset, train = setting.dataset, setting.experiment.train
    assert dataset is not None
    batch = dataset.draw(0, 0, 0, train.batch, train.sampling)
    if len(batch.pixels) == len(batch.indices):  # The batch has its own images.
        count = max(min(count, DEVICE_DRAWN_BYTES // max(batch.pixels.nbytes, 1)), 1)
    began = clock.now()
    batches = [dataset.draw(0, 0, step, train.batch, train.sampling) for step in range(1, count + 1)]
    return batches, (clock.now() - began) / count


def _shortest(act: Callable[[int], object], repeats: int) -> float:
    """Return the shortest of ``repeats`` times of ``act`` after one that is not counted.

    The shortest time is the least disturbed by other processes. No more is measured after LONG_SECONDS.
    """
    times: list[float] = []
    for number in range(1 + repeats):
        began = clock.now()
        act(number)
        times.append(clock.now() - began)
        if sum(times) > LONG_SECONDS:
            break
    return min(times[1:] or times)


def first(images: Images, count: int) -> Images:
    """Return the first ``count`` of ``images``, or all."""
    return replace(images, pixels=images.pixels[:count], labels=images.labels[:count])


def random_ticket(sizes: tuple[int, ...], density: float) -> Ticket:
    """Return random masks of a density, all biases and output weights kept."""
    dense = Ticket.dense(sizes)
    if density == 1:
        return dense
    rng = np.random.Generator(np.random.Philox(key=0))
    masks = []
    for mask in dense.masks:
        kept = rng.random(mask.array.shape) < density
        kept[0, 0] = True  # Small layers must not end up empty.
        masks.append(Mask(kept))
    return Ticket(tuple(masks), dense.biases)


def crowding(experiment: Experiment, sample: SampleImages, at_once: int, update_rule: UpdateRule) -> float:
    """Measure how many times longer a step takes while ``at_once`` runs go at a time, at least 1.

    The other runs are threads that do the same steps; both are measured at CROWDED_DENSITY.
    """
    import torch

    from prunescope.training import make_engine

    dataset, train = sample.dataset, experiment.train
    sizes = layer_sizes(len(dataset.mean), experiment.network.hidden, len(dataset.classes))
    model = initial(sizes, experiment.network.norm, 0)
    ticket = random_ticket(sizes, CROWDED_DENSITY)
    batch = dataset.draw(0, 0, 0, train.batch, train.sampling)

    def an_engine() -> Engine:
        engine = make_engine(experiment, dataset.mean, dataset.live_pixels, update_rule)
        engine.start(model, ticket)
        engine.step(batch)
        return engine

    over = threading.Event()

    def other() -> None:
        torch.set_num_threads(
            experiment.run.threads or torch.get_num_threads()
        )  # Each thread has its own number.
        engine = an_engine()
        while not over.is_set():
            engine.step(batch)

    with _threads(experiment.run.threads):
        engine = an_engine()
        alone = _median(lambda: engine.step(batch))
        others = [threading.Thread(target=other, daemon=True) for _ in range(at_once - 1)]
        for thread in others:
            thread.start()
        crowded = _median(lambda: engine.step(batch))
        over.set()
        for thread in others:
            thread.join()
    return max(crowded / alone, 1.0)


def _median(act: Callable[[], object]) -> float:
    """Return the median time of ``act`` over CROWDED_SECONDS, or over three times where they are longer."""
    times: list[float] = []
    until = clock.now() + CROWDED_SECONDS
    while len(times) < 3 or clock.now() < until:
        began = clock.now()
        act()
        times.append(clock.now() - began)
    return float(np.median(times))


class _Counting(Engine):
    """An engine that counts how many images it is to evaluate, in place of evaluating them."""

    name = "counting"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.counted: list[Images] = []

    @property
    def ticket(self) -> Ticket:
        return self._engine.ticket

    def start(self, model: Model, ticket: Ticket) -> None:
        self._engine.start(model, ticket)

    def step(self, batch: Batch) -> None:
        self._engine.step(batch)

    def take_loss(self) -> float:
        return self._engine.take_loss()

    def model(self) -> Model:
        return self._engine.model()

    def evaluate(self, images: Images, model: Model | None = None) -> Score:
        self.counted.append(images)
        return Score(len(images), 0, 0, 0.0)

    def right(self, images: Images, model: Model | None = None) -> BoolArray:
        self.counted.append(images)
        return np.zeros(len(images), np.bool_)

    def resident(self, pixels: NDArray[np.generic]) -> Tensor | None:
        return self._engine.resident(pixels)

    def state(self) -> EngineState:
        return self._engine.state()

    def restore(self, state: EngineState) -> None:
        self._engine.restore(state)


@dataclass(frozen=True)
class _Ends:
    """What the ends of levels take: seconds at each of END_DENSITIES with so many ``images``, evaluations of each set.

    ``saving``: the seconds of writing a checkpoint, 0.0 where that was not measured.
    """

    seconds: tuple[float, ...]
    validation: float
    heldout: float
    images: int = END_IMAGES
    saving: float = 0.0


def _ends(setting: Setting, update_rule: UpdateRule) -> _Ends:
    """Measure what happens at the end of a level, on few images and, of a wide network, few units."""
    whole = setting.dataset
    assert whole is not None
    dataset = replace(
        whole, validation=first(whole.validation, END_IMAGES), heldout=first(whole.heldout, END_IMAGES)
    )
    most = max(END_WEIGHTS // setting.sizes[0], 16)
    warm_up = () if _warm else (END_DENSITIES[-1],)
    _warm.append(True)
    times, counted = _end_times(
        replace(setting, dataset=dataset), most, (*warm_up, *END_DENSITIES), update_rule
    )
    seconds = np.array(times[len(warm_up) :])
    whole_weights, weights = hidden_weights(setting.sizes), hidden_weights(_narrow(setting, most).sizes)
    if whole_weights > weights:
        # What images take does not grow with the units; twice the units tell how much that is.
        twice, _ = _end_times(replace(setting, dataset=dataset), 2 * most, END_DENSITIES[1:2], update_rule)
        grown = hidden_weights(_narrow(setting, 2 * most).sizes) / weights
        each = min(max((twice[0] - seconds[1]) / (grown - 1), 0.0), seconds[1])  # what ``weights`` take
        fixed = np.minimum(seconds[1] - each, seconds)
        seconds = fixed + (seconds - fixed) * whole_weights / weights
    return _Ends(tuple(seconds.tolist()), *_evaluations(counted, dataset))


def _evaluations(counted: list[Images], dataset: Dataset) -> tuple[int, int]:
    """Return how many of the evaluations ``counted`` were of the validation and of the held-out images."""
    validation, heldout = (
        sum(images is every for images in counted) for every in (dataset.validation, dataset.heldout)
    )
    return validation, heldout


def _device_ends(setting: Setting, update_rule: UpdateRule) -> _Ends:
    """Measure what happens at the end of a level on a device, on all units: there, times do not grow with these."""
    from prunescope.runs.stored_bytes import checkpoint_bytes
    from prunescope.training import make_engine

    whole = setting.dataset
    assert whole is not None
    # What is evaluated is counted, and what is measured takes ROWS of validation images at a time.
    dataset = replace(
        whole, validation=first(whole.validation, DEVICE_IMAGES), heldout=first(whole.heldout, DEVICE_IMAGES)
    )
    setting = replace(setting, dataset=dataset)
    engine = _Counting(make_engine(setting.experiment, dataset.mean, dataset.live_pixels, update_rule))
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, density in enumerate((END_DENSITIES[-1], *END_DENSITIES)):  # The first one warms up.
            engine.counted.clear()
            began = clock.now()
            _one_end(setting, engine, density, Path(folder) / str(number))
            times.append(clock.now() - began)
            if number and times[-1] > LONG_END_SECONDS:
                break
        # The checkpoint at a level's end has the state alone; inside a level there are up to two more models.
        more = checkpoint_bytes(setting.experiment, setting.sizes)
        began = clock.now()
        written = _write_checkpoint(engine, Path(folder) / "checkpoint.safetensors")
        saving = (clock.now() - began) * max(more / written, 1.0)
    measured = times[1:]
    seconds = (*measured, *[measured[-1]] * (len(END_DENSITIES) - len(measured)))
    return _Ends(seconds, *_evaluations(engine.counted, dataset), len(dataset.validation), saving)


def _write_checkpoint(engine: Engine, path: Path) -> int:
    """Write the state of an engine as a checkpoint does; return its bytes."""
    from prunescope.runs.arrays import write_arrays
    from prunescope.runs.checkpoint import Checkpoint
    from prunescope.training.loop import Progress

    write_arrays(path, Checkpoint(Progress(), engine.state(), 0.0).to_arrays())
    return path.stat().st_size


def _narrow(setting: Setting, most: int) -> Setting:
    """Return the setting with at most so many units a hidden layer."""
    hidden = tuple(min(width, most) for width in setting.experiment.network.hidden)
    network = setting.experiment.network.model_copy(update={"hidden": hidden})
    experiment = setting.experiment.model_copy(update={"network": network})
    return replace(
        setting, experiment=experiment, sizes=layer_sizes(setting.sizes[0], hidden, setting.sizes[-1])
    )


def _end_times(
    setting: Setting, most: int, densities: tuple[float, ...], update_rule: UpdateRule
) -> tuple[list[float], list[Images]]:
    """Measure the ends of levels of these densities with at most so many units: seconds, evaluations."""
    from prunescope.training import make_engine

    narrow, dataset = _narrow(setting, most), setting.dataset
    assert dataset is not None
    engine = _Counting(make_engine(narrow.experiment, dataset.mean, dataset.live_pixels, update_rule))
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for number, density in enumerate(densities):
            engine.counted.clear()
            began = clock.now()
            _one_end(narrow, engine, density, Path(folder) / str(number))
            times.append(clock.now() - began)
    return times, engine.counted


def hidden_weights(sizes: tuple[int, ...]) -> int:
    """Return the number of weights of the hidden layers."""
    return sum(a * b for a, b in pairwise(sizes[:-1]))


def _one_end(setting: Setting, engine: Engine, density: float, folder: Path) -> None:
    """Do what the driver does at the end of a level of this density, on random weights."""
    from prunescope.runs.arrays import write_arrays
    from prunescope.runs.columns import LevelEnd
    from prunescope.runs.measurements import level_observations, level_rows
    from prunescope.runs.packed_weights import is_packed, packed
    from prunescope.training.loop import Evaluation, Trained

    dataset, steps = setting.dataset, setting.experiment.train.steps
    assert dataset is not None
    ticket = random_ticket(setting.sizes, density)
    model = initial(setting.sizes, setting.experiment.network.norm, 0)
    engine.start(model, ticket)
    model = engine.model()  # Its pruned weights are 0.
    last = Evaluation(1, steps, 0.0, Score(len(dataset.validation), 0, 0, 0.0))
    trained = Trained(model, model, 0.0, steps - 1, model, last, ticket, ticket)
    level = Level(1, ticket, model, steps, density)
    observed = level_observations(level, trained, setting, engine)
    end = LevelEnd(
        level=level, trained=trained, dataset=dataset, observed=observed, seconds=0.0, engine=engine.name
    )
    folder.mkdir()
    _write_checkpoint(engine, folder / "checkpoint.safetensors")
    packs = is_packed(setting.experiment.run.weights, weights_of(setting.sizes))

    def write() -> None:
        weights = packed(model.to_arrays())[0] if packs else model.to_arrays()
        write_arrays(folder / "masks.safetensors", ticket.to_arrays())
        write_arrays(folder / "weights.safetensors", weights)
        write_arrays(folder / "observations.safetensors", observed)

    with ThreadPoolExecutor(1) as beside:
        written = beside.submit(write)
        level_rows(end)
        written.result()


def methods_work(experiment: Experiment, sample: SampleImages, method: MethodFacts) -> tuple[float, float]:
    """Measure the seconds that a method takes before its first level, and inside a level for each step.

    Work that is proportional to a field of ``prune`` is measured with little of it, and scaled.
    """
    from prunescope.training import make_engine

    if method.procedure is None:
        return 0.0, 0.0
    prune, share = experiment.prune, 1.0
    if method.effort:
        whole = getattr(prune, method.effort)
        few = min(whole, LITTLE[method.effort])
        prune, share = prune.model_copy(update={method.effort: few}), few / whole
    dataset = sample.dataset
    sizes = layer_sizes(len(dataset.mean), experiment.network.hidden, len(dataset.classes))
    setting = Setting(experiment.model_copy(update={"prune": prune}), sizes, 0, dataset)
    with _threads(experiment.run.threads):
        began = clock.now()
        try:
            level = next(method.procedure(setting))
        except (
            InputError,
            StopIteration,
        ):  # What is missing, such as the run that prune.like names, may come.
            return 0.0, 0.0
        before = (clock.now() - began) / share
        if level.dynamics is None:
            return before, 0.0
        engine = make_engine(experiment, dataset.mean, dataset.live_pixels, method.update_rule)
        return before, _dynamics_seconds(level, level.dynamics(), engine)


def _dynamics_seconds(level: Level, dynamics: Dynamics, engine: Engine) -> float:
    """Measure the seconds that a level's dynamics add to a step, on average over the first ones.

    The longest time counts as the second longest, because the first update of masks does work that is done once.
    """
    engine.start(level.model, level.ticket)
    times = [0.0, 0.0]
    for step in range(1, level.steps):
        began = clock.now()
        dynamics.after_step(step, engine)
        times.append(clock.now() - began)
        if sum(times) > DYNAMICS_SECONDS and step % DYNAMICS_STEPS == 0:
            break
    *usual, second, _ = sorted(times)
    return (sum(usual) + 2 * second) / max(len(times) - 2, 1)
