"""This module holds Model and Ticket: the numbers of a network and which of them are kept, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from prunescope.mask import BoolArray, Mask
from prunescope.randomness import generator

FloatArray = NDArray[np.float32]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Layer:
    """A layer: one linear map and its batch norm, all float32.

    ``weight``: [n_out, n_in]; ``bias``: [n_out]. ``gamma`` and ``beta``, scale and shift of the batch norm, and the
    moving averages ``mean`` and ``variance`` have the size of the normalised side: n_in (norm before the map), n_out
    (after) or 0 (none).
    """

    weight: FloatArray
    bias: FloatArray
    gamma: FloatArray
    beta: FloatArray
    mean: FloatArray
    variance: FloatArray


LAYER_FIELDS = tuple(field.name for field in fields(Layer))
PARAMETERS = ("weight", "bias", "gamma", "beta")  # These are trained; the other fields are averages.

# Ticket.to_arrays gives these names, with the number of the hidden layer in place of {}.
WEIGHT_MASK = "layer{}.weight_mask"
BIAS_MASK = "layer{}.bias_mask"


@dataclass(frozen=True)
class Model:
    """A model: every number of a network. ``layers[0]`` is the map from the pixels to the first hidden layer."""

    layers: tuple[Layer, ...]

    def to_arrays(self) -> Arrays:
        """Return the fields of all layers by name, such as ``layer1.weight`` (layer 1 is the first hidden one)."""
        return {
            f"layer{number}.{field}": getattr(layer, field)
            for number, layer in enumerate(self.layers, 1)
            for field in LAYER_FIELDS
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Model:
        """Return the model whose ``to_arrays`` gave ``arrays``; raises KeyError when a layer lacks a field."""
        count = sum(name.endswith(".weight") for name in arrays)
        numbers = range(1, count + 1)
        return cls(tuple(Layer(*(arrays[f"layer{n}.{f}"] for f in LAYER_FIELDS)) for n in numbers))

    def restarted(self) -> Model:
        """Return a model of the same parameters with the moving averages set to 0, as before the first batch."""
        zero = np.zeros_like
        return Model(tuple(replace(x, mean=zero(x.mean), variance=zero(x.variance)) for x in self.layers))


@dataclass(frozen=True, eq=False)
class Ticket:
    """A ticket: which weights and biases of every hidden layer are kept.

    ``masks``: one Mask a hidden layer. ``biases``: one bool array [n_out] a hidden layer, True for a kept bias. The
    output layer is never pruned and has no entry.
    """

    masks: tuple[Mask, ...]
    biases: tuple[BoolArray, ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ticket) or self.masks != other.masks:
            return False
        return all(np.array_equal(own, its) for own, its in zip(self.biases, other.biases, strict=True))

    def __hash__(self) -> int:
        return hash((self.masks, tuple(bias.tobytes() for bias in self.biases)))

    @classmethod
    def dense(cls, sizes: tuple[int, ...]) -> Ticket:
        """Return the dense ticket, which keeps everything, of a network with layer sizes (n0, …, nL)."""
        hidden = list(zip(sizes[1:-1], sizes[:-2], strict=True))
        return cls(
            tuple(Mask.ones(n_out, n_in) for n_out, n_in in hidden),
            tuple(np.ones(n_out, dtype=np.bool_) for n_out, _ in hidden),
        )

    def to_arrays(self, weights: str = WEIGHT_MASK, biases: str = BIAS_MASK) -> Arrays:
        """Return the packed masks by name, eight entries a byte.

        ``weights``, ``biases``: the names of the two arrays of a hidden layer, with its number (from 1) in place of {}.
        """
        arrays: Arrays = {}
        for number, (mask, bias) in enumerate(zip(self.masks, self.biases, strict=True), 1):
            arrays[weights.format(number)] = mask.pack()
            arrays[biases.format(number)] = np.packbits(bias)
        return arrays

    @classmethod
    def from_arrays(
        cls,
        arrays: Arrays,
        shapes: Sequence[tuple[int, int]],
        weights: str = WEIGHT_MASK,
        biases: str = BIAS_MASK,
    ) -> Ticket:
        """Return the ticket whose ``to_arrays`` gave ``arrays``.

        ``shapes``: (n_out, n_in) of each hidden layer, which packed bits do not tell. ``weights``, ``biases``: names as
        in ``to_arrays``. Raises KeyError when a layer lacks an array, InputError when one has another size.
        """
        return cls(
            tuple(Mask.unpack(arrays[weights.format(n)], *shape) for n, shape in enumerate(shapes, 1)),
            tuple(
                np.unpackbits(arrays[biases.format(n)], count=n_out).astype(np.bool_)
                for n, (n_out, _) in enumerate(shapes, 1)
            ),
        )

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The shape (n_out, n_in) of each hidden layer."""
        return tuple((mask.n_out, mask.n_in) for mask in self.masks)

    @property
    def units_alive(self) -> tuple[int, ...]:
        """The number of units of each hidden layer with at least one incoming kept weight."""
        return tuple(int(np.count_nonzero(mask.fan_in)) for mask in self.masks)

    @property
    def weight_density(self) -> float:
        """The kept share of all hidden weights, without biases."""
        return sum(mask.kept for mask in self.masks) / sum(mask.array.size for mask in self.masks)

    def density(self, layer: int) -> float:
        """Return the kept share of weights and biases together in hidden layer ``layer``, counted from 0."""
        mask, bias = self.masks[layer], self.biases[layer]
        return (mask.kept + int(bias.sum())) / (mask.array.size + bias.size)

    def applied_to(self, model: Model) -> Model:
        """Return ``model`` with the pruned weights and biases set to 0."""
        layers = [
            replace(layer, weight=_pruned(layer.weight, mask.array), bias=_pruned(layer.bias, bias))
            for layer, mask, bias in zip(model.layers, self.masks, self.biases, strict=False)
        ]
        return Model((*layers, model.layers[-1]))

    def live_inputs(self, live_pixels: BoolArray) -> tuple[BoolArray, ...]:
        """Return which inputs of each linear map, the output's included, vary with the image: bool [n_in] each.

        ``live_pixels``: bool [n0], False for pixels that are the same in all training images. A unit without a path of
        kept weights to a live pixel has a constant output. Its normalised value is 0 by definition, in training and
        in evaluation, since computing it would divide rounding noise by sqrt(1e-10).
        """
        live: list[BoolArray] = [np.asarray(live_pixels, dtype=np.bool_)]
        for mask in self.masks:
            live.append(np.asarray(np.any(mask.array & live[-1], axis=1)))
        return tuple(live)


def _pruned(values: FloatArray, kept: BoolArray) -> FloatArray:
    """Return the values with those that are not kept set to 0, those that are not finite too."""
    with np.errstate(invalid="ignore"):
        result = values * kept
    # A product keeps the sign of a zero, as trained runs have it, but makes inf nan.
    return result if np.isfinite(result).all() else np.where(kept, values, np.float32(0))


def layer_sizes(n_in: int, hidden: Sequence[int], classes: int) -> tuple[int, ...]:
    """Return the layer sizes (n0, …, nL): inputs, hidden layers, classes."""
    return (n_in, *hidden, classes)


def initial(sizes: tuple[int, ...], norm: str, seed: int, *, common: bool = False) -> Model:
    """Draw the initial model: W ~ N(0, 2/(n_in+n_out)) untruncated, b = 0, γ = 1, β = 0 (paper, Section 3).

    ``sizes``: (n0, …, nL). ``norm``: where batch norm stands, "before", "after" or "none". With ``common`` all hidden
    weights are drawn from one distribution, that of the widest pair of layers, since global pruning compares their
    magnitudes.
    """
    rng = generator(seed, "initial weights")
    pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
    hidden_sum = max(n_out + n_in for n_out, n_in in pairs[:-1])
    layers = []
    for index, (n_out, n_in) in enumerate(pairs):
        last = index == len(pairs) - 1
        fan_sum = hidden_sum if common and not last else n_out + n_in
        weight = rng.standard_normal((n_out, n_in), dtype=np.float32) * np.float32(np.sqrt(2 / fan_sum))
        width = {"before": n_in, "after": 0 if last else n_out, "none": 0}[norm]
        ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
        layers.append(Layer(weight, np.zeros(n_out, np.float32), ones, zeros, zeros, zeros))
    return Model(tuple(layers))
