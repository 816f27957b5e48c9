"""This module draws NLGP and its Gaussian clone, unlimited images with local structure (Ingrosso & Goldt 2022).

z is a stationary periodic Gaussian field with covariance exp(-r²/ξ²), one ξ per class;
x = erf(g z/√2)/Z with Z² = (2/π) asin(g²/(1+g²)). The clone is a Gaussian field with x's
covariance (2/π)/Z² asin(g² C/(1+g²)) and no higher moments.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope import experiment
from prunescope.data.dataset import Batch, Dataset, Images, with_noise
from prunescope.data.raw_images import Labels
from prunescope.data.source_checks import check_no_root
from prunescope.errors import InputError
from prunescope.mask import ImageShape
from prunescope.memory import check_memory
from prunescope.randomness import generator

_BLOCK = 1000
_MAP_BYTES = 48  # of memory for each value of a covariance, while its spectrum is computed
_DRAWN_BYTES = 24  # of memory for each value of an image, while it is drawn

Floats = NDArray[np.float32]
Map = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stream:
    """Draws images of a Gaussian field, squashed unless ``gain`` is None.

    ``shape``: (C, H, W). ``spectra``: float32 [classes, H, W], the square roots of the eigenvalues of each class's
    covariance. ``label_noise``: the share of labels replaced at random.
    """

    shape: ImageShape
    spectra: Floats
    gain: float | None
    label_noise: float = 0.0

    def draw(self, seed: int, level: int, step: int, size: int, sampling: str) -> Batch:
        """Return the batch of one step, as ``Dataset.draw`` says; ``sampling`` has no effect."""
        pixels, labels = self.sample(generator(seed, "stream", level, step), size)
        noise = generator(seed, "label noise", level, step)
        labels = with_noise(labels, len(self.spectra), self.label_noise, noise)
        return Batch(pixels, np.arange(size), labels)

    def sample(self, rng: np.random.Generator, count: int) -> tuple[Floats, Labels]:
        """Return ``count`` images, float32 [count, n0], and their labels; classes' counts differ by at most one."""
        classes = len(self.spectra)
        labels = rng.permutation((np.arange(count) + rng.integers(classes)) % classes)
        fields = self._fields(rng, labels)
        if self.gain is not None:
            fields = squash(fields, self.gain)
        return fields.reshape(count, -1), labels

    def _fields(self, rng: np.random.Generator, labels: Labels) -> Floats:
        from scipy import fft

        noise = fft.rfft2(rng.standard_normal((len(labels), *self.shape), dtype=np.float32))
        noise *= self.spectra[labels, None, :, : noise.shape[-1]]
        fields: Floats = fft.irfft2(noise, s=self.shape[1:])
        return fields


def covariance(size: int, length: float) -> Map:
    """Return the covariance exp(-r²/ξ²) at periodic distance r, [size, size], with ξ = ``length`` in pixels.

    Negative eigenvalues are set to 0, and the result is scaled to 1 at distance 0.
    """
    distance = np.minimum(np.arange(size), size - np.arange(size)).astype(np.float64)
    squared = distance[:, None] ** 2 + distance[None, :] ** 2
    eigenvalues = np.maximum(np.fft.fft2(np.exp(-squared / length**2)).real, 0)
    return np.fft.ifft2(eigenvalues / eigenvalues.mean()).real


def squashed_covariance(field: Map, gain: float) -> Map:
    """Return the covariance [size, size] of x = erf(g z/√2)/Z when z has covariance ``field`` and g = ``gain``."""
    share = gain**2 / (1 + gain**2)
    return np.arcsin(np.clip(share * field, -1, 1)) / np.arcsin(share)


def squash(fields: Floats, gain: float) -> Floats:
    """Return x = erf(g z/√2)/Z, of unit variance, for fields z of unit variance and g = ``gain``."""
    from scipy.special import erf

    scale = np.sqrt(2 / np.pi * np.arcsin(gain**2 / (1 + gain**2)))
    values: Floats = erf(fields * np.float32(gain / np.sqrt(2))) / np.float32(scale)
    return values


def open_stream(data: experiment.Data) -> Dataset:
    """Return the Dataset of the source ``nlgp`` or ``nlgp-clone``.

    Its validation and held-out images are the same for every seed. Raises InputError for options that have no meaning
    for a stream, such as ``data.fraction``.
    """
    _check(data)
    shape = (data.channels, data.size, data.size)
    gain = data.gain if data.source == "nlgp" else None
    stream = Stream(shape, _spectra(data), gain, data.label_noise)
    pixels, labels = _fixed(stream, data.validation + data.heldout)
    return Dataset(
        shape=shape,
        classes=tuple(f"ξ = {length:g}" for length in data.lengths),
        mean=np.zeros(pixels.shape[1], np.float32),
        live_pixels=np.ones(pixels.shape[1], np.bool_),
        train_size=None,
        validation=Images(pixels[: data.validation], labels[: data.validation]),
        heldout=Images(pixels[data.validation :], labels[data.validation :]),
        fingerprint=_fingerprint(data),
        sampler=stream,
    )


def _check(data: experiment.Data) -> None:
    check_no_root(data)
    for name in ("fraction", "task", "rotate", "translate", "flip", "class_order"):
        value = getattr(data, name)
        if value != experiment.Data.model_fields[name].default:
            raise InputError(f"data.{name}={value} means nothing to data.source={data.source}: leave it out")
    check_stream_memory(data)


def check_stream_memory(data: experiment.Data) -> None:
    """Raise InputError where the images that a stream holds, or the covariances of its pixels, take too much memory."""
    area, count = data.size**2, data.validation + data.heldout
    check_memory(
        _MAP_BYTES * area * len(data.lengths),
        f"the covariances of {len(data.lengths)} classes of images of data.size={data.size:,}",
    )
    check_memory(
        (4 * count + _DRAWN_BYTES * min(count, _BLOCK)) * data.channels * area,
        f"data.validation={data.validation:,} and data.heldout={data.heldout:,} images of "
        f"data.size={data.size:,} and data.channels={data.channels:,}",
    )


def _spectra(data: experiment.Data) -> Floats:
    maps = [covariance(data.size, length) for length in data.lengths]
    if data.source == "nlgp-clone":
        maps = [squashed_covariance(field, data.gain) for field in maps]
    eigenvalues = np.fft.fft2(np.stack(maps)).real
    return np.sqrt(np.maximum(eigenvalues, 0)).astype(np.float32)


def _fixed(stream: Stream, count: int) -> tuple[Floats, Labels]:
    """Return ``count`` images and their labels that depend on no seed."""
    pixels = np.empty((count, int(np.prod(stream.shape))), np.float32)
    labels = np.empty(count, np.int64)
    for block, start in enumerate(range(0, count, _BLOCK)):
        rows = slice(start, min(start + _BLOCK, count))
        rng = generator(0, "stream-validation", 0, block)
        pixels[rows], labels[rows] = stream.sample(rng, rows.stop - rows.start)
    return pixels, labels


def _fingerprint(data: experiment.Data) -> str:
    names = ("source", "size", "channels", "gain", "lengths", "validation", "heldout")
    text = json.dumps({name: getattr(data, name) for name in names}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
