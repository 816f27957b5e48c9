"""This module writes a trained network as affine maps, norms and rectifiers that any other program can compute.

What evaluation does beside them is written into their numbers: the mean image, the scale of the pixels, and inputs
that do not vary. The arrays are NumPy's; ``plain_module`` makes a torch module of them. The equations are those of
docs/science.md, "Network".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError
from prunescope.mask import BoolArray
from prunescope.model import FloatArray, Layer, Model, Ticket
from prunescope.network.forward import EPSILON
from prunescope.network.network_input import NetworkInput

NormForm = Literal["folded", "layers"]
MaskForm = Literal["baked", "prune"]
Doubles = NDArray[np.float64]

BYTE_RANGE = 255.0  # The input of a network is (pixel - mean) / 255 where pixels are bytes.
LOST = 10.0  # Pixels are centred first where the terms of a sum exceed what varies in them by more than this.
BLOCK_ENTRIES = 1 << 22  # of a matrix that are float64 at a time


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The map W x + b: ``weight`` [n_out, n_in] and ``bias`` [n_out], float32.

    ``kept_weights`` bool [n_out, n_in] and ``kept_biases`` bool [n_out] are the masks of a hidden layer. They are None
    for the output, and that of the biases also where something is folded into them.
    """

    weight: FloatArray
    bias: FloatArray
    kept_weights: BoolArray | None
    kept_biases: BoolArray | None


@dataclass(frozen=True, eq=False)
class NormLayer:
    """The norm (x - mean)/sqrt(variance + epsilon) · gain + shift of evaluation; all arrays are float32 [n].

    ``live``: bool [n], False for inputs that do not vary with the image, whose gain is 0.
    """

    gain: FloatArray
    shift: FloatArray
    mean: FloatArray
    variance: FloatArray
    epsilon: float
    live: BoolArray


@dataclass(frozen=True, eq=False)
class Centre:
    """The difference x - mean, where ``mean`` is float32 [n0], in front of pixels that hardly vary."""

    mean: FloatArray


@dataclass(frozen=True)
class Rectifier:
    """The function max(x, 0)."""


Part = AffineMap | NormLayer | Centre | Rectifier


@dataclass(frozen=True, eq=False)
class PlainNetwork:
    """The parts of a network by name, in the order in which they are applied to flattened pixels [B, n0].

    They are ``layer1``, ``relu1``, ``layer2``, … and, unless folded, ``norm1``, ``norm2``, …; before them is ``centre``
    where sums would lose digits without it.
    """

    parts: dict[str, Part]

    @property
    def maps(self) -> list[AffineMap]:
        """The affine maps, that of the pixels first."""
        return [part for part in self.parts.values() if isinstance(part, AffineMap)]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The layer sizes (n0, …, nL)."""
        maps = self.maps
        return (maps[0].weight.shape[1], *(len(one.bias) for one in maps))


def plain_network(
    model: Model, ticket: Ticket, pixels: NetworkInput, place: str, form: NormForm
) -> PlainNetwork:
    """Return the network that evaluates ``model`` under ``ticket`` with its moving averages, on pixels.

    ``place``: where its norm stands, "before", "after" or "none". ``form``: "folded" makes every norm a part of an
    affine map; "layers" keeps norms beside the maps. In both, the mean image and the scale of the pixels are in the
    first part. Sums are float64, and each number is rounded once. Raises InputError for another ``form``.
    """
    check_choice("norm", form, get_args(NormForm))
    layers = ticket.applied_to(model).layers
    live = ticket.live_inputs(pixels.live)
    parts: dict[str, Part] = {}
    for index, layer in enumerate(layers):
        number, last = index + 1, index == len(layers) - 1
        scale, centre = _of_pixels(pixels) if index == 0 else (1.0, np.zeros(()))
        kept = None if last else ticket.masks[index].array
        source = _Source(layer, kept, None if last else ticket.biases[index])
        if place == "before":
            norm = _Norm.of(layer, live[index]).behind(scale, centre)
            if index == 0 and _lost_digits(layer.weight, norm) > LOST:
                middle = norm.mean.astype(np.float32)
                parts["centre"] = Centre(middle)
                norm = norm.behind(1.0, -middle.astype(np.float64))
            if form == "folded":
                parts[f"layer{number}"] = source.after_norm(norm)
            else:
                parts[f"norm{number}"] = norm.part(live[index])
                parts[f"layer{number}"] = source.alone()
        elif place == "after" and not last:
            norm = _Norm.of(layer, live[index + 1])
            if form == "folded":
                parts[f"layer{number}"] = source.before_norm(norm, scale, centre)
            else:
                parts[f"layer{number}"] = source.behind(scale, centre) if index == 0 else source.alone()
                parts[f"norm{number}"] = norm.part(live[index + 1])
        else:
            parts[f"layer{number}"] = source.behind(scale, centre) if index == 0 else source.alone()
        if not last:
            parts[f"relu{number}"] = Rectifier()
    return PlainNetwork(parts)


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise InputError for a value of an argument that is not one of those known."""
    if value not in known:
        raise InputError(f"{name} is {value!r}: use {', '.join(known[:-1])} or {known[-1]}")


def _of_pixels(pixels: NetworkInput) -> tuple[float, Doubles]:
    """Return scale and centre of the network's input, which is (pixel - centre) · scale."""
    if pixels.are_bytes:
        return 1 / BYTE_RANGE, pixels.mean.astype(np.float64)
    return 1.0, np.zeros(len(pixels.mean))


@dataclass(frozen=True, eq=False)
class _Norm:
    """The norm of an evaluation, in float64: x · scale + (shift - scale · mean)."""

    gain: Doubles
    shift: Doubles
    mean: Doubles
    variance: Doubles
    epsilon: float

    @classmethod
    def of(cls, layer: Layer, live: BoolArray) -> _Norm:
        """Return the norm of a layer, in which inputs that do not vary are sent as β alone."""
        gain, shift, mean, variance = (
            np.asarray(array, np.float64) for array in (layer.gamma, layer.beta, layer.mean, layer.variance)
        )
        return cls(gain * live, shift, mean, variance, EPSILON)

    def behind(self, scale: float, centre: Doubles) -> _Norm:
        """Return the norm of x for the one of (x - centre) · scale."""
        return _Norm(
            self.gain,
            self.shift,
            centre + self.mean / scale,
            self.variance / scale**2,
            self.epsilon / scale**2,
        )

    @property
    def scale(self) -> Doubles:
        return self.gain / np.sqrt(self.variance + self.epsilon)

    def part(self, live: BoolArray) -> NormLayer:
        """Return the norm as a part of a network."""
        gain, shift, mean, variance = (
            array.astype(np.float32) for array in (self.gain, self.shift, self.mean, self.variance)
        )
        return NormLayer(gain, shift, mean, variance, self.epsilon, live)


@dataclass(frozen=True, eq=False)
class _Source:
    """A layer with its masks applied, of which affine maps are made."""

    layer: Layer
    kept_weights: BoolArray | None
    kept_biases: BoolArray | None

    def alone(self) -> AffineMap:
        """Return W x + b as it stands."""
        weight, bias = self.layer.weight.copy(), self.layer.bias.copy()
        return AffineMap(weight, bias, self.kept_weights, self.kept_biases)

    def behind(self, scale: float, centre: Doubles) -> AffineMap:
        """Return the map W (x - centre) · scale + b."""
        return self._map(scale, centre, 1.0, self._bias)

    def after_norm(self, norm: _Norm) -> AffineMap:
        """Return the map of the norm's output."""
        return self._map(norm.scale, norm.mean, 1.0, self._bias + _times(self.layer.weight, norm.shift))

    def before_norm(self, norm: _Norm, scale: float, centre: Doubles) -> AffineMap:
        """Return the norm of the map of (x - centre) · scale."""
        return self._map(scale, centre, norm.scale, norm.scale * (self._bias - norm.mean) + norm.shift)

    @property
    def _bias(self) -> Doubles:
        return self.layer.bias.astype(np.float64)

    def _map(
        self, columns: Doubles | float, centre: Doubles, rows: Doubles | float, constant: Doubles
    ) -> AffineMap:
        """Return the map rows ⊙ W (columns ⊙ (x - centre)) + constant.

        The bias takes off what the rounded weights make of the centre, so that their rounding does not grow with it.
        """
        source = self.layer.weight
        weight = np.empty_like(source)
        by_row = np.broadcast_to(np.asarray(rows, np.float64), len(source))
        for some in _blocks(source.shape):
            weight[some] = source[some].astype(np.float64) * by_row[some, None] * columns
        bias = constant - _times(weight, np.broadcast_to(centre, source.shape[1]))
        return AffineMap(weight, bias.astype(np.float32), self.kept_weights, None)


def _lost_digits(weight: FloatArray, norm: _Norm) -> float:
    """Return by how much the terms of a unit's sum exceed what varies in them, as a ratio of root mean squares.

    It is the largest over units; that of photographs is about 2. Rounding a term takes as many digits off the sum.
    """
    terms, varying = np.square(norm.scale * norm.mean), np.square(norm.gain)
    found = 0.0
    for some in _blocks(weight.shape):
        squares = np.square(weight[some], dtype=np.float64)
        means, spreads = squares @ terms, squares @ varying
        alive = spreads > 0
        found = max(found, float(np.max(means[alive] / spreads[alive], initial=0.0)))
    return float(np.sqrt(found))


def _times(weight: FloatArray, vector: Doubles) -> Doubles:
    """Return the product of a matrix and a vector in float64, a few rows at a time."""
    return np.concatenate([weight[some].astype(np.float64) @ vector for some in _blocks(weight.shape)])


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    height = max(1, BLOCK_ENTRIES // max(1, shape[1]))
    return [slice(top, top + height) for top in range(0, shape[0], height)]
