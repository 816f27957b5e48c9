"""The memory of a device that a run takes, term by term, and whether what the device has is enough."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from prunescope.errors import InputError
from prunescope.experiment import Experiment
from prunescope.runs.resource_checks import weights_of
from prunescope.training.state import MOMENTS

# What CUDA takes of a process: its context, the code of kernels, the workspaces of libraries. An assumption.
CONTEXT_BYTES = 1_000_000_000
BLOCK_STEPS = 1000  # whose indices are on the device
EVALUATED_ROWS = 10_000  # images that are evaluated in one piece, or measured at the end of a level
FLOAT, INDEX = 4, 8


@dataclass(frozen=True)
class DeviceImages:
    """The sets of images that lie on a device as long as they fit: their numbers, and the bytes of an image.

    ``training`` is 0 where the host makes the batches: streams, and images that are shifted or mirrored when drawn.
    """

    training: int
    validation: int
    heldout: int
    image_bytes: int

    @property
    def bytes(self) -> int:
        """The bytes of all sets."""
        return (self.training + self.validation + self.heldout) * self.image_bytes


@dataclass(frozen=True)
class DeviceBytes:
    """The bytes that a run takes on a device at its peak.

    ``images``: the sets of images, as bytes. ``network``: parameters, gradients, the optimiser's moments, masks, and
    copies in another precision. ``snapshots``: the parameters of the best evaluation, those that are rewound to, and those
    of a level's end. ``batch``: what a step has of activations and their gradients, and the indices of a block of steps.
    ``evaluation``: activations of the images that are evaluated or measured at once. ``context``: what CUDA itself takes
    (CONTEXT_BYTES).
    """

    images: int
    network: int
    snapshots: int
    batch: int
    evaluation: int
    context: int = CONTEXT_BYTES

    @property
    def whole(self) -> int:
        """All of it."""
        return self.images + self.least

    @property
    def least(self) -> int:
        """What is left where the images stay on the host."""
        return self.network + self.snapshots + self.batch + self.evaluation + self.context


@dataclass(frozen=True)
class OnDevice:
    """The device of a run: its name as ``run.device`` has it, what it is called, its free bytes, and those that are needed."""

    name: str
    card: str
    free: int
    needed: DeviceBytes

    @property
    def streams_images(self) -> bool:
        """Whether the images do not fit beside the rest, so that they stay on the host."""
        # The context is there already when free bytes are read.
        return self.needed.whole - self.needed.context > self.free


def device_bytes(experiment: Experiment, sizes: tuple[int, ...], images: DeviceImages) -> DeviceBytes:
    """Return what a run with these layer sizes (n0, …, nL) takes on a device.

    With P parameters, m moments of each, H hidden weights, B images of a batch, R evaluated at once and S the sum of the
    layer sizes, at most so many bytes are counted.

    network: 4 P for the parameters, their gradients, and the weights with batch norm folded into them or rounded; 4 P m for
    the moments; 4 P (1 + m) for the copies that are set back after a step was recorded; H for masks. snapshots: 3 times
    4 P. batch: 4 B (2 n0 + 6 (S - n0)), for the inputs and their normalised copy, and for each unit its sum, activation,
    normalised value and their gradients; 16 B for the indices and labels of each step of a block. evaluation:
    4 R (2 n0 + 3 (S - n0)). Nothing is taken off for units that are disconnected.
    """
    train = experiment.train
    weights, units, pixels = weights_of(sizes), sum(sizes[1:]), sizes[0]
    parameters = weights + units + 2 * sum(sizes[:-1])
    hidden = sum(a * b for a, b in pairwise(sizes[:-1]))
    step = train.batch * (2 * pixels + 6 * units)
    each = 2 * pixels + 3 * units  # floats of an image that goes through the network
    moments = MOMENTS[train.optimizer]
    return DeviceBytes(
        images=images.bytes,
        network=FLOAT * (4 + 2 * moments) * parameters + hidden,
        snapshots=3 * FLOAT * parameters,
        batch=FLOAT * step + 2 * INDEX * train.batch * BLOCK_STEPS,
        evaluation=FLOAT * each * min(images.validation, EVALUATED_ROWS),
    )


def check_device_fits(experiment: Experiment, sizes: tuple[int, ...]) -> None:
    """Raise InputError where the device is not there, or has less free memory than a network and its batch take at least."""
    from prunescope.training.torch.device import device_name, free_memory, open_device

    name, train = experiment.run.device, experiment.train
    open_device(name)
    weights = weights_of(sizes)
    # Parameters, gradients and moments; and the inputs and activations of a batch.
    least = FLOAT * (weights * (2 + MOMENTS[train.optimizer]) + train.batch * sum(sizes))
    free = free_memory(name)
    if least > free:
        raise InputError(
            f"{experiment.name}: {weights:.3g} weights and batches of {train.batch:,} images take at least "
            f"{least / 1e9:,.1f} GB of {device_name(name)} ({name}), which has {free / 1e9:,.1f} GB free: use a smaller "
            "network or train.batch, or another device"
        )


def on_device(experiment: Experiment) -> bool:
    """Return whether the experiment runs on a device with a memory of its own."""
    return experiment.run.device.partition(":")[0] != "cpu"


def opened(experiment: Experiment, sizes: tuple[int, ...], images: DeviceImages) -> OnDevice:
    """Return the device of the experiment and what a run takes there; raise InputError where it has too little memory."""
    from prunescope.training.torch.device import device_name, free_memory

    check_device_fits(experiment, sizes)
    name = experiment.run.device
    return OnDevice(name, device_name(name), free_memory(name), device_bytes(experiment, sizes, images))
