"""This module makes a data set of patches of photographs and of copies with random phases, without a download.

The colour photographs are part of the packages scikit-image and scikit-learn. Both classes have the same
amplitude spectrum, so that they differ only in what phases carry, such as edges and lines. See docs/science.md,
"Photographs".
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prunescope.data.raw_images import Chunk, Pixels, Raw, Split
from prunescope.data.sources.pictures import open_image
from prunescope.errors import InputError
from prunescope.randomness import generator

RECIPE = 2  # to be increased when the same parameters give other images
CLASSES = ("photograph", "scrambled")
PATCH = 64
LARGEST = 64  # ImageNet64's; from 68 on patches would not fit the validation part of every photograph
SCALES = (1.0, 1.5, 2.0, 3.0)
TRAIN_SHARE = 0.8
DULL = 10.0  # least standard deviation of a patch and of its centre, in grey levels

_BLOCK = 4000
_FILES = (
    ("skimage", "data", ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png",
                         "hubble_deep_field.jpg", "retina.jpg", "ihc.png")),
    ("sklearn", "datasets/images", ("china.jpg", "flower.jpg")),
)  # fmt: skip

Image = NDArray[np.float32]


@dataclass(frozen=True)
class PhotographRegion:
    """One part of one photograph at one scale, and the corners at which a patch may be cut."""

    pixels: Image  # [3, H, W], 0..255
    corners: NDArray[np.int64]  # y·W + x of the upper left corner


def files() -> tuple[Path, ...]:
    """Return the photographs' files; raise InputError when a package or file is missing."""
    paths = []
    for package, folder, names in _FILES:
        spec = importlib.util.find_spec(package)  # does not import skimage, which is slow
        if spec is None or spec.origin is None:
            raise InputError(f"data.source=photographs needs the package {package}, which is not installed")
        paths += [Path(spec.origin).parent / folder / name for name in names]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"{missing[0]}: photograph missing: install scikit-image and scikit-learn anew")
    return tuple(paths)


def read(size: int, patches: int, validation: int) -> Raw:
    """Return a source of ``patches`` training and ``validation`` validation images [3, size, size].

    Half of them are scrambled. Training images lie in the left 80 % of each photograph, validation images in the
    rest. Raises InputError for a size above 64 and when a package or photograph is missing.
    """
    if size > LARGEST:
        raise InputError(f"data.size is {size}: centres of photograph patches are at most {LARGEST}")
    paths = files()
    parameters = {"recipe": RECIPE, "size": size, "patches": patches, "validation": validation}
    return Raw(
        source="photographs",
        shape=(3, size, size),
        classes=CLASSES,
        train=Split(partial(_chunks, paths, "train", size, patches), patches),
        validation=Split(partial(_chunks, paths, "validation", size, validation), validation),
        files=paths,
        parameters=parameters,
    )


def patch_size(size: int) -> int:
    """Return the height and width of the patch that is cut and scrambled, of which the centre of ``size`` is kept.

    A scrambled patch is periodic, so that its border would give its class away; at least a sixth of ``size`` is
    removed on each side.
    """
    return max(PATCH, size + 2 * math.ceil(size / 6))


def parts(path: Path, split: str, size: int) -> list[PhotographRegion]:
    """Return the part of a photograph that belongs to ``split``, at every scale at which a patch fits.

    ``split`` is "train" or "validation"; ``size`` is that of the images. The photograph is divided before it is
    scaled, so that no filter mixes pixels of the two parts.
    """
    from PIL.Image import Resampling

    with open_image(path, str(path)) as opened:
        photograph = opened.convert("RGB")
    width, height = photograph.size
    border = int(TRAIN_SHARE * width)
    left, right = (0, border) if split == "train" else (border, width)
    part = photograph.crop((left, 0, right, height))
    found, patch = [], patch_size(size)
    for scale in SCALES:
        w, h = round(part.width / scale), round(part.height / scale)
        if min(w, h) < patch:
            continue
        small = part if scale == 1 else part.resize((w, h), Resampling.LANCZOS)
        pixels = np.asarray(small, dtype=np.float32).transpose(2, 0, 1)
        corners = _lively_corners(pixels, size)
        if corners.size:
            found.append(PhotographRegion(pixels, corners))
    return found


def scramble(patches: Image, rng: np.random.Generator) -> Image:
    """Return patches [n, C, S, S] with random phases and unchanged amplitudes.

    All channels of a patch get the same phase shifts. These are the phases of white noise, which are antisymmetric,
    so that the result is real.
    """
    from scipy import fft  # three times as fast as numpy.fft on many patches

    noise = rng.standard_normal((len(patches), 1, *patches.shape[2:]), dtype=np.float32)
    noise = fft.rfft2(noise, workers=-1)
    noise /= np.maximum(np.abs(noise), np.float32(1e-12))
    noise[..., 0, 0] = 1  # the mean keeps its sign
    spectrum = fft.rfft2(patches, workers=-1)
    spectrum *= noise
    scrambled: Image = fft.irfft2(spectrum, s=patches.shape[2:], workers=-1)
    return scrambled


def normalise(centres: Image) -> Pixels:
    """Return centres [n, 3, size, size] as uint8 with each channel's mean at 128 and four standard deviations at 127.

    The standard deviation is that of the whole centre, about the channel means. Values beyond three standard
    deviations are clipped and the result is normalised again: photographs have heavier tails than scrambled copies,
    so that clipping alone would leave them a smaller standard deviation, which would give them away.
    """
    x = _standard(np.clip(_standard(centres), -3, 3))
    return np.rint(128 + 127 * np.clip(x / 4, -1, 1)).astype(np.uint8)


def _standard(values: Image) -> Image:
    """Return values with mean 0 in each channel and standard deviation 1 in each image."""
    x = values - values.mean(axis=(2, 3), keepdims=True)
    x /= np.maximum(x.std(axis=(1, 2, 3), keepdims=True), np.float32(1e-6))
    return x


def _lively_corners(pixels: Image, size: int) -> NDArray[np.int64]:
    """Return the corners of all patches whose standard deviation, and that of their centre, is at least DULL."""
    patch = patch_size(size)
    rows, columns = pixels.shape[1] - patch + 1, pixels.shape[2] - patch + 1
    margin = (patch - size) // 2
    tables = [_integral(plane) for plane in (*pixels, np.square(pixels).sum(axis=0))]
    centre = _window_std(tables, size)[margin : margin + rows, margin : margin + columns]
    y, x = np.nonzero((_window_std(tables, patch) >= DULL) & (centre >= DULL))
    return y * pixels.shape[2] + x


def _integral(plane: Image) -> NDArray[np.float64]:
    """Return the integral image [H+1, W+1]: the sums over all rows above and columns to the left."""
    table = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1))
    np.cumsum(plane, axis=1, out=table[1:, 1:])
    np.cumsum(table, axis=0, out=table)
    return table


def _window_std(tables: list[NDArray[np.float64]], size: int) -> NDArray[np.float64]:
    """Return the standard deviation about the channel means of every window, from integral images.

    ``tables`` are the integral images of the three channels and of the sum of their squares.
    """

    def mean(table: NDArray[np.float64]) -> NDArray[np.float64]:
        across = table[:, size:] - table[:, :-size]
        return (across[size:] - across[:-size]) / size**2

    *channels, squares = tables
    variance = mean(squares) - sum(mean(channel) ** 2 for channel in channels)
    return np.sqrt(np.maximum(variance, 0) / len(channels))


def _chunks(paths: tuple[Path, ...], split: str, size: int, count: int) -> Iterator[Chunk]:
    photographs = [found for found in (parts(path, split, size) for path in paths) if found]
    for block, start in enumerate(range(0, count, _BLOCK)):
        rng = generator(0, f"photographs-{split}", 0, block)
        labels = _balanced(min(_BLOCK, count - start), rng)
        yield _patches(photographs, labels, size, rng), labels


def _balanced(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return labels 0 and 1 in pairs of random order, so that every even prefix is exactly balanced."""
    first = rng.integers(0, 2, (count + 1) // 2)
    return np.stack([first, 1 - first], axis=1).reshape(-1)[:count].astype(np.int64)


def _patches(
    photographs: list[list[PhotographRegion]], labels: NDArray[np.int64], size: int, rng: np.random.Generator
) -> Pixels:
    """Return an image, as a row [3·size·size], for each label."""
    patch = patch_size(size)
    margin = (patch - size) // 2
    out = np.empty((len(labels), 3, size, size), np.uint8)
    which = rng.integers(0, len(photographs), len(labels))
    for index, found in enumerate(photographs):
        scale = rng.integers(0, len(found), len(labels))
        for number, part in enumerate(found):
            rows = np.flatnonzero((which == index) & (scale == number))
            patches = _cut(part, patch, len(rows), rng)
            scrambled = labels[rows] == 1
            patches[scrambled] = scramble(patches[scrambled], rng)
            out[rows] = normalise(patches[..., margin : margin + size, margin : margin + size])
    mirrored = rng.random(len(labels)) < 0.5
    out[mirrored] = out[mirrored, ..., ::-1]
    return out.reshape(len(labels), -1)


def _cut(part: PhotographRegion, patch: int, count: int, rng: np.random.Generator) -> Image:
    """Return ``count`` random patches [count, 3, patch, patch] of a part."""
    y, x = np.divmod(rng.choice(part.corners, count), part.pixels.shape[2])
    windows = np.lib.stride_tricks.sliding_window_view(part.pixels, (patch, patch), axis=(1, 2))
    return np.ascontiguousarray(windows[:, y, x].transpose(1, 0, 2, 3))
