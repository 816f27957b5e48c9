"""The estimate of an experiment's cost adds up measured pieces of a run; memory and disk follow from its sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from prunescope.data.prepared.preparation import find_prepared
from prunescope.experiment import Data, Experiment, Network
from prunescope.model import layer_sizes
from prunescope.runs.device_memory import DeviceImages, OnDevice, on_device, opened
from prunescope.runs.expected_levels import Expected
from prunescope.runs.resource_checks import check_fits
from prunescope.runs.sample_images import SampleImages, sample_images
from prunescope.runs.stored_bytes import StoredImages, StoredLevels, stored_bytes
from prunescope.runs.trials.crowding import crowding
from prunescope.runs.trials.level_ends import END_DENSITIES, END_IMAGES
from prunescope.runs.trials.method_work import MethodFacts, methods_work
from prunescope.runs.trials.pieces import Pieces, measured_pieces
from prunescope.runs.trials.scaled_down import Timed, timed
from prunescope.runs.trials.steps import DENSITIES, DEVICE_STEPS
from prunescope.training import engine_note
from prunescope.training.state import MOMENTS

__all__ = ["Estimate", "Expected", "MethodFacts", "estimate"]

BASE_BYTES = 400_000_000  # of a process that has imported torch and the rest
DEVICE_BASE_BYTES = 2_500_000_000  # of one that computes on a device: CUDA's libraries too. An assumption.


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a run, in seconds and bytes; ``assumed`` names what was not known and had to be assumed.

    ``level_seconds``: of each level, with its evaluations and what is measured and written at its end. ``starting``: the
    seconds before the first level of every start, ``preparing``: those for preparing the images once. ``ends``: what may
    end the run before all levels. ``checkpoint_bytes``: what is on the disk beside ``disk_bytes`` while a level is trained.
    ``device``: what the run takes on a device with a memory of its own, None for a CPU. ``validation`` and ``heldout``:
    how many images choose the best step, and how many are held out.
    """

    levels: int
    steps: int
    parameters: int
    seconds_per_step: float  # of the dense network
    engine: str
    level_seconds: tuple[float, ...]
    memory_bytes: int
    disk_bytes: int
    assumed: tuple[str, ...]
    starting: float = 0.0
    preparing: float = 0.0
    prepared_bytes: int = 0
    ends: str = ""
    learned: bool = False  # level_seconds are those of a finished run
    checkpoint_bytes: int = 0
    device: OnDevice | None = None
    validation: int = 0
    heldout: int = 0

    @property
    def seconds(self) -> float:
        """The time of a whole run in seconds, without preparing images."""
        return self.starting + sum(self.level_seconds)

    def seconds_after(self, finished: int, inside: float = 0.0) -> float:
        """Return the seconds of the levels after ``finished`` ones and the share ``inside`` of the next, 0 to 1."""
        left = self.level_seconds[finished:]
        return sum(left) - inside * left[0] if left else 0.0


_samples: dict[Data, SampleImages] = {}
_pieces: dict[str, Pieces] = {}
_crowding: dict[tuple[Network, int, int, int], float] = {}


def estimate(experiment: Experiment, method: MethodFacts) -> Estimate:
    """Estimate what ``experiment`` will cost on this machine, by timing pieces of its run and counting bytes.

    ``method``: what there is to know of the experiment's method; ``pruning.running.estimate`` gives it. The pieces are
    timed under random masks of a few densities, on the experiment's images where they can be read at once, else on
    random ones, and the time of a level is interpolated at its nominal density.
    """
    check_fits(experiment)
    if on_device(experiment):
        from prunescope.training.torch.device import open_device

        open_device(experiment.run.device)  # before images are read
    sample = _sample(experiment.data)
    dataset = sample.dataset
    sizes = layer_sizes(len(dataset.mean), experiment.network.hidden, len(dataset.classes))
    check_fits(experiment, sizes)
    device = None
    if on_device(experiment):
        device = opened(experiment, sizes, _device_images(sample, sizes[0]))
    expected = method.levels_for(sizes)
    small = timed(experiment, sizes[0], sizes[-1])
    pieces = _measured(small, sample, method)
    before, inside = (small.image * seconds for seconds in methods_work(small.experiment, sample, method))
    prune, steps = experiment.prune, experiment.train.steps
    later = steps - (prune.rewind_step if prune.retrain == "remaining" else 0)
    counts = np.array([steps] + [later] * (len(expected.densities) - 1))
    level_seconds = _level_seconds(experiment, sample, pieces, expected.densities, counts)
    levels = StoredLevels(
        expected.densities, tuple(counts.tolist()), rewinds=prune.rewind and method.dense_first
    )
    stored = stored_bytes(experiment, sizes, levels, StoredImages(sample.validation, sample.heldout))
    level_seconds += inside * counts + (before if method.each_level else 0.0)
    return Estimate(
        levels=len(expected.densities) - 1,
        steps=int(counts.sum()),
        parameters=sum(a * b + b for a, b in pairwise(sizes)),
        seconds_per_step=pieces.step[0],
        engine=engine_note(experiment, method.update_rule),
        level_seconds=tuple(level_seconds.tolist()),
        memory_bytes=_memory(experiment, sample, method, sizes),
        disk_bytes=stored.whole,
        assumed=(*sample.assumed, *expected.assumed, *small.assumed),
        starting=pieces.start + sample.opening + (0.0 if method.each_level else before),
        preparing=sample.preparing,
        prepared_bytes=sample.prepared_bytes,
        ends=expected.ends,
        checkpoint_bytes=stored.checkpoint,
        device=device,
        validation=sample.validation,
        heldout=sample.heldout,
    )


def _device_images(sample: SampleImages, pixels: int) -> DeviceImages:
    """Return the sets of images that lie on a device; those that are floats stay on the host."""
    if sample.dataset.validation.pixels.dtype != np.uint8:
        return DeviceImages(0, 0, 0, pixels)
    return DeviceImages(sample.training, sample.validation, sample.heldout, pixels)


def crowded(experiment: Experiment, method: MethodFacts, at_once: int) -> float:
    """Return how many times longer a run takes on this machine while ``at_once`` like it go at a time, measured once."""
    if at_once < 2 or on_device(experiment):
        return 1.0
    sample = _sample(experiment.data)
    small = timed(experiment, len(sample.dataset.mean), len(sample.dataset.classes)).experiment
    key = (experiment.network, experiment.train.batch, experiment.run.threads, at_once)
    if key not in _crowding:
        _crowding[key] = crowding(small, sample, at_once, method.update_rule)
    return _crowding[key]


def _level_seconds(
    experiment: Experiment,
    sample: SampleImages,
    pieces: Pieces,
    densities: tuple[float, ...],
    counts: np.ndarray,
) -> np.ndarray:
    """Return the seconds of levels of these nominal densities and numbers of steps."""
    step = _at(densities, DENSITIES, pieces.step)
    image = _at(densities, DENSITIES, pieces.image)
    evaluations = np.ceil(counts / experiment.train.eval_every)
    at_end = pieces.scored_validation * sample.validation + pieces.scored_heldout * sample.heldout
    end = _at(densities, END_DENSITIES, pieces.end) + image * at_end
    # The end was measured on some images; all validation images go densely through the first two layers.
    end = end + max(sample.validation - pieces.end_images, 0) * 1.5 * pieces.image[0]
    training = step * counts + image * sample.validation * evaluations
    saved = np.floor(training / experiment.run.checkpoint_seconds)
    return np.asarray(pieces.level_start + training + pieces.saving * saved + end)


def _at(densities: tuple[float, ...], known: tuple[float, ...], values: tuple[float, ...]) -> np.ndarray:
    """Return values that are known at some densities, in falling order, at others: linear in the logarithm."""
    return np.interp(np.log(densities), np.log(known[::-1]), values[::-1])


def _sample(data: Data) -> SampleImages:
    """Return the images of ``data``, found once; those that had to be prepared are sought again once they are."""
    found = _samples.get(data)
    if found is None or (found.preparing and find_prepared(data) is not None):
        _samples[data] = sample_images(data)
    return _samples[data]


def _measured(small: Timed, sample: SampleImages, method: MethodFacts) -> Pieces:
    """Return the pieces of a run, which experiments share that differ in nothing that a piece depends on."""
    experiment = small.experiment
    # On a device, steps come in blocks that end at evaluations.
    every = min(experiment.train.eval_every, DEVICE_STEPS) if on_device(experiment) else 1
    alike = experiment.train.model_copy(update={"steps": 1, "eval_every": every, "lr": 0.1})
    place = experiment.run.model_copy(update={"checkpoint_seconds": 60.0, "gpus": None, "cpus": 0})
    # Images matter by their form and by what is done to them; which ones they are does not.
    given = {"validation": experiment.data.validation, "label_noise": 0.0, "fraction": 1.0, "task": "classes"}
    data = experiment.data.model_copy(update=given)
    sections = (data, experiment.network, alike, place)
    form = (len(sample.dataset.classes), sample.dataset.shape, method.update_rule)
    key = "".join(section.model_dump_json() for section in sections) + repr(form)
    if key not in _pieces:
        _pieces[key] = measured_pieces(experiment, sample, method.update_rule)
    found = _pieces[key]
    if small.image == 1 and small.step == 1:
        return found
    return replace(
        found,
        step=tuple(small.step * seconds for seconds in found.step),
        image=tuple(small.image * seconds for seconds in found.image),
        end=tuple(small.image * seconds for seconds in found.end),
    )


def _memory(experiment: Experiment, sample: SampleImages, method: MethodFacts, sizes: tuple[int, ...]) -> int:
    """Return the bytes that a run will take at its peak, beside memory-mapped images."""
    parameters = sum(a * b for a, b in pairwise(sizes))
    copies = 6 + MOMENTS[experiment.train.optimizer]
    activations = 0 if on_device(experiment) else 3 * experiment.train.batch * sum(sizes)
    streams = 0
    if sample.dataset.train_size is None:
        streams = (sample.validation + sample.heldout) * sizes[0]
    # The end of a level has END_IMAGES as floats several times, and masks of the first layer with their shuffles.
    end = 4 * min(sample.validation, END_IMAGES) * sizes[0]
    # Scores come from one batch in one piece, whose inputs and activations are there several times.
    scored = experiment.prune.score_images if method.effort == "score_images" else 0
    end = max(end, scored * (3 * sizes[0] + 6 * sum(sizes[1:])))
    training = 4 * (copies * parameters + activations + streams + end)
    # The reader of npz files has all images in memory, and copies of those that it splits.
    loading = sample.prepared_bytes * 3 // 2 if experiment.data.source == "npz" else 0
    return (DEVICE_BASE_BYTES if on_device(experiment) else BASE_BYTES) + max(training, loading)
