"""This module defines the sections of an experiment: their fields with defaults and allowed values."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from prunescope.digits import is_whole
from prunescope.experiment.paths import decoded, encoded, has_surrogates

# Endings of data files, which are no part of a data set's name.
ENDINGS = {".npz", ".npy", ".parquet", ".gz", ".mat", ".csv", ".zip", ".tar"}
NAME = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"  # what an experiment may be called
# No field counts further: products and sums of counts, as steps times levels, then stay within 64 bits.
MOST = 10**12
MOST_LAYERS = 1000
MOST_FURTHER = 10_000  # levels
MOST_THREADS = 1024  # torch and OpenMP end the process where the system gives them no more threads.
Positive = Annotated[int, Field(ge=1, le=MOST)]
Threads = Annotated[int, Field(ge=0, le=MOST_THREADS)]
Share = Annotated[float, Field(gt=0, le=1)]
# Numbers that float32 holds: beyond, they would become 0 or infinite without a word.
Moderate = Annotated[float, Field(ge=1e-38, le=1e38)]
UpToModerate = Annotated[float, Field(ge=0, le=1e38)]

Source = Literal[
    "nlgp", "nlgp-clone", "photographs", "imagenet32", "imagenet64", "parquet",
    "cifar10", "cifar100", "folder", "npz", "idx",
]  # fmt: skip


def _encoded_path(value: object) -> object:
    """Return a path, or the one behind ``map:``, as text that TOML can hold; anything else as it is."""
    if not isinstance(value, str):
        return value
    kind, colon, rest = value.partition(":")
    return f"{kind}:{encoded(rest)}" if kind == "map" and colon else encoded(value)


PathText = Annotated[str, BeforeValidator(_encoded_path)]


def name_of_root(root: str) -> str:
    """Return the name of the data set in the folder or file ``root``: the last part of its path, without its ending.

    Letters lose their accents, and other characters that a name may not have become hyphens. The result is empty for an
    empty root.
    """
    if not root:
        return ""
    path = Path(decoded(root)).expanduser()
    if path.name in ("", ".."):
        path = path.resolve()
    return plain_name(path.stem if path.suffix.lower() in ENDINGS else path.name)


def plain_name(text: str) -> str:
    """Return a text as the fields ``name`` allow it: without accents, with a hyphen in place of other characters."""
    plain = re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", text))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._") or "data"


class Section(BaseModel):
    """A section: fields that belong together. Unknown fields raise a ValidationError."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _texts_are_characters(self) -> Self:
        for name, value in self:
            parts = [part for item in value.items() for part in item] if isinstance(value, dict) else [value]
            texts = (part for part in parts if isinstance(part, str))
            if wrong := next(filter(has_surrogates, texts), None):
                raise ValueError(f"{name} holds {wrong!r}: it is not UTF-8, give characters")
        return self


class Data(Section):
    """The section ``data``: images and task. A source ignores the fields that it does not read."""

    source: Source = Field("photographs", description="where images come from")
    root: PathText = Field("", description="folder or file of the source, raw or prepared")
    name: str = Field(
        "",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$",
        description="what the data set is called in directories, tables and pages; after data.root unless told",
    )
    fraction: Share = Field(1.0, description="share of the training images used")
    task: PathText = Field(
        "classes",
        description="classes, modulo:N, random:N, map:FILE, semantic, semantic-5-random-5 or semantic-partial",
    )
    label_noise: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="share of training labels replaced by random classes"
    )
    rotate: float = Field(0.0, description="degrees counter-clockwise, at load")
    translate: bool = Field(False, description="roll each image anew each time it is drawn")
    flip: bool = Field(False, description="mirror half of the images each time they are drawn")
    class_order: PathText = Field(
        "", description="ImageNet: devkit or sorted (wnids); or a mapping file: label -> wnid or class number"
    )
    geometry: Literal["image", "series", "none"] = Field(
        "image", description="npz: arrays are images, series [N, L] or [N, C, L], or tables [N, n]"
    )
    image_column: str = Field(
        "", description="parquet, npz: column or key of the images; none: found by its name"
    )
    label_column: str = Field(
        "", description="parquet, npz: column or key of the labels; none: found by its name"
    )
    train_split: str = Field("", description="parquet, npz: split of the training images; none: train")
    validation_split: str = Field(
        "", description="parquet, npz: split of the validation images; none: validation, else test"
    )
    validation: Positive = Field(10_000, description="validation images, which choose the best step")
    size: Positive = Field(32, description="height and width (photographs, nlgp, folder)")
    patches: Positive = Field(40_000, description="photographs: training patches")
    heldout: Positive = Field(10_000, description="photographs, nlgp: images held out")
    channels: Positive = Field(1, description="nlgp: colour channels")
    gain: Annotated[float, Field(ge=1e-6, le=1e6)] = Field(3.0, description="nlgp: gain g")
    lengths: tuple[Annotated[float, Field(ge=1e-3, le=1e6)], ...] = Field(
        (1.0, 2.0, 4.0), min_length=2, description="nlgp: correlation length of each class, pixels"
    )

    @property
    def root_path(self) -> Path:
        """The folder or file ``root``, with the home folder in place of ``~``."""
        return Path(decoded(self.root)).expanduser()

    @property
    def set_name(self) -> str:
        """The name of the data set: ``name``, else after the folder or file ``root``; empty where neither is given."""
        return self.name or name_of_root(self.root)

    @model_validator(mode="after")
    def _task_is_known(self) -> Data:
        kind, colon, rest = self.task.partition(":")
        groups = kind in ("modulo", "random") and is_whole(rest) and 2 <= int(rest) <= MOST
        plain = kind in ("classes", "semantic", "semantic-5-random-5", "semantic-partial") and not colon
        if not (plain or groups or (kind == "map" and rest)):
            raise ValueError(
                f"data.task is {self.task[:100]!r}; use classes, modulo:N, random:N, map:FILE, semantic, "
                "semantic-5-random-5 or semantic-partial"
            )
        return self

    @model_validator(mode="after")
    def _columns_fit(self) -> Data:
        for name in ("image_column", "label_column", "train_split", "validation_split"):
            if getattr(self, name) and self.source not in ("parquet", "npz"):
                raise ValueError(
                    f"data.{name} is for data.source=parquet and npz, not {self.source}: leave it out"
                )
        if self.train_split and self.train_split == self.validation_split:
            raise ValueError(f"data.train_split and data.validation_split are both {self.train_split!r}")
        return self

    @model_validator(mode="after")
    def _geometry_fits(self) -> Data:
        if self.geometry != "image" and self.source != "npz":
            raise ValueError(f"data.geometry={self.geometry} is for data.source=npz, not {self.source}")
        unfit = {"image": (), "series": ("rotate",), "none": ("rotate", "translate", "flip")}[self.geometry]
        for name in unfit:
            if getattr(self, name):
                raise ValueError(f"data.{name} means nothing to data.geometry={self.geometry}: leave it out")
        return self


class Network(Section):
    """The section ``network``: the hidden layers and where batch norm stands."""

    hidden: tuple[Positive, ...] = Field((1024, 1024, 1024), min_length=1, max_length=MOST_LAYERS)
    norm: Literal["before", "after", "none"] = Field(
        "before", description="batch norm before every linear map, after the hidden ones, or none"
    )


class Train(Section):
    """The section ``train``: how the network is trained within one level."""

    steps: Positive = 100_000
    batch: Annotated[int, Field(ge=2, le=MOST)] = 1000
    lr: Moderate = 0.1
    optimizer: Literal["sgd", "momentum", "adam"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="momentum only")
    sampling: Literal["replacement", "epochs"] = Field(
        "replacement", description="independent draws, or shuffled epochs"
    )
    eval_every: Positive = 100
    precision: Literal["float32", "tf32", "bf16"] = Field(
        "float32",
        description="of dense matrix products (tf32: on GPUs); statistics and updates are always float32",
    )


class Prune(Section):
    """The section ``prune``: how masks are made. A method ignores the defaults of fields that it does not read."""

    method: str = Field("imp", description="imp, oneshot, snip, …: prunescope list --methods")
    rate: Annotated[float, Field(gt=0, lt=1)] = Field(0.3, description="p, pruned a level")
    density: Share | tuple[Share, ...] | None = Field(
        None,
        description="what is to be kept, of methods that do not go level by level; of several, each is a level",
    )
    levels: Annotated[int, Field(ge=0, le=MOST)] | None = Field(
        None, description="at most so many levels after level 0; none: until the stop rule"
    )
    rewind_step: Annotated[int, Field(ge=0, le=MOST)] = 1000
    rewind: bool = Field(True, description="false: go on from the trained weights (fine-tuning)")
    retrain: Literal["full", "remaining"] = Field(
        "full", description="steps of a level after rewinding: all, or steps - rewind_step"
    )
    scope: Literal["layer", "global"] = "layer"
    biases: bool = Field(True, description="biases are pruned in the pool of their layer")
    exact: bool = Field(False, description="prune exactly k, ties broken by index")
    stop_units: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2, description="stop when a hidden layer's share of connected units is not above this"
    )
    tolerance: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="progressive: a layer ends below the dense network's accuracy less this, 0.01 a point",
    )
    layer_rates: tuple[Annotated[float, Field(ge=0, lt=1)], ...] | None = Field(
        None, description="imp: p of each hidden layer in place of rate; 0 leaves it alone"
    )
    layer_densities: tuple[Share, ...] | None = Field(
        None, description="oneshot, random: what each hidden layer keeps, in place of density"
    )
    early_bird: Share | None = Field(
        None, description="imp: end a level when the next mask moves by no more than this share of itself"
    )
    layout: Literal["uniform", "erk", "shuffle"] = Field(
        "uniform",
        description="random, set, rigl: densities of the layers; shuffle: those and fan-ins of prune.like",
    )
    like: PathText = Field(
        "", description="random with layout=shuffle: a run directory; {seed} stands for the seed"
    )
    masks: PathText = Field(
        "",
        description="given: a file of masks, RUN@LEVEL, or the folder of a level; {seed} stands for the seed",
    )
    start: Literal["rewind", "initial"] = Field(
        "rewind", description="given: weights that the masks' run rewinds to, or the initial ones of the seed"
    )
    further: Annotated[int, Field(ge=0, le=MOST_FURTHER)] = Field(
        0, description="given: levels that are pruned on from the given masks, by rate"
    )
    score_images: Positive = Field(10_000, description="snip, grasp: images of the scoring batch")
    score_pool: Literal["hidden", "all"] = Field(
        "hidden", description="snip, synflow, grasp: hidden weights; all: output layer and biases too"
    )
    rounds: Positive = Field(100, description="synflow: rounds of the exponential schedule")
    temperature: Moderate = Field(200.0, description="grasp: logits are divided by it")
    update_every: Positive | None = Field(
        None, description="steps between mask updates: set an epoch, rigl and gradual 100, dpf 16 unless told"
    )
    drop: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="set: ζ, rigl: α, the share that moves"
    )
    shrink: UpToModerate = Field(1e-6, description="beta-lasso: λ")
    shrink_cut: UpToModerate = Field(50.0, description="beta-lasso: β, |w| < βλ becomes 0")
    options: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="what a method from elsewhere reads"
    )

    @property
    def densities(self) -> tuple[float, ...]:
        """The value of ``density`` as a tuple, empty when it is not given."""
        if self.density is None:
            return ()
        return self.density if isinstance(self.density, tuple) else (self.density,)


class Place(Section):
    """The section ``run``: speed and place, which are no part of the identity."""

    engine: Literal["auto", "torch", "native"] = Field(
        "auto", description="native: sparse kernels on a CPU; torch: masked dense on any device"
    )
    device: str = Field("cpu", description="cpu, cuda, or one of several cards, as cuda:1")
    threads: Threads = Field(0, description="0: all cores")
    cpus: Threads = Field(0, description="cores that a sweep keeps for a run; 0: one for each thread")
    gpus: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        description="share of a CUDA device that a sweep keeps for a run; 1 with device=cuda unless told",
    )
    checkpoint_seconds: Annotated[float, Field(gt=0)] = 60.0
    weights: Literal["auto", "whole", "packed"] = Field(
        "auto", description="of stored levels; packed: without their zeros; auto: packed from 5 million on"
    )
