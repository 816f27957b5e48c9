"""prunescope.tensors.zeros: run with `pytest tests/tensors/test_zeros.py`."""

import numpy as np
import pytest
import torch

from prunescope.errors import InputError
from prunescope.tensors import ReadingOptions, named_masks
from prunescope.tensors.zeros import ZeroCensus, zeros_by_rounding

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(0, 0.02, (128, 256)).astype(np.float32)


def verdict(weights, parts=1, **words):
    """What the zeros of weights are, counted in so many parts."""
    census = ZeroCensus(weights.size)
    for part in np.array_split(weights, parts):
        census.add(part, part != 0)
    return census.verdict(**words)


def by_magnitude(weights, share):
    """Weights of which a share, the smallest, are 0."""
    return np.where(np.abs(weights) > np.quantile(np.abs(weights), share), weights, 0)


def two_of_four(weights):
    """Weights of which the two smallest in each group of four are 0."""
    groups = weights.reshape(-1, 4)
    order = np.argsort(np.abs(groups), axis=1)
    return np.where(np.argsort(order, axis=1) >= 2, groups, 0).reshape(weights.shape)


def to_type(weights, dtype):
    """Weights rounded to a type of torch."""
    return torch.tensor(weights).to(dtype).float().numpy()


def to_levels(weights, levels, groups):
    """Weights rounded to whole multiples of a step, which each group of entries has of its own."""
    rows = weights.reshape(groups, -1)
    step = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-9) / levels
    return (np.round(rows / step) * step).reshape(weights.shape).astype(np.float32)


ROUNDED = {
    "float32": lambda w: w,
    "bfloat16": lambda w: to_type(w, torch.bfloat16),
    "float16": lambda w: to_type(w, torch.float16),
    "float8_e4m3fn": lambda w: to_type(w, torch.float8_e4m3fn),
    "float8_e4m3fn, scaled": lambda w: to_type(w / np.abs(w).max() * 448, torch.float8_e4m3fn),
    "float8_e5m2": lambda w: to_type(w, torch.float8_e5m2),
    "8 bits a tensor": lambda w: to_levels(w, 127, 1),
    "8 bits a row": lambda w: to_levels(w, 127, len(w)),
    "8 bits a block": lambda w: to_levels(w, 127, w.size // 32),
    "4 bits a row": lambda w: to_levels(w, 7, len(w)),
    "4 bits a block": lambda w: to_type(to_levels(w, 7, w.size // 64), torch.bfloat16),
}


@pytest.mark.parametrize("kind", ROUNDED)
@pytest.mark.parametrize("parts", [1, 5])
def test_zeros_of_rounding_are_not_pruned_and_those_of_pruning_are(kind, parts):
    dense = ROUNDED[kind](WEIGHTS)
    assert verdict(dense, parts) in ("dense", "rounding")
    few = RNG.random(WEIGHTS.shape) < 0.8
    for share in (0.5, 0.9):
        assert verdict(by_magnitude(dense, share), parts) == "pruned"
        assert verdict(ROUNDED[kind](by_magnitude(WEIGHTS, share)), parts) == "pruned"
    assert verdict(two_of_four(dense), parts) == "pruned"
    if "4 bits" not in kind:
        assert verdict(dense * few, parts) == "pruned"


def test_heavy_tails_and_weights_of_three_values_are_rounding():
    outliers = WEIGHTS.copy()
    outliers[0, 0] = 2.5  # the step of 8 bits is then as wide as the spread of the weights
    assert verdict(to_levels(outliers, 127, 1)) == "rounding"
    ternary = np.sign(WEIGHTS) * (np.abs(WEIGHTS) > 0.4 * np.std(WEIGHTS))
    assert verdict(ternary) == "rounding"
    assert verdict(ternary * RNG.random((128, 1))) == "rounding"
    laplace = to_levels(RNG.laplace(size=(128, 256)), 7, 1)
    assert verdict(laplace) == "rounding"


def test_few_zeros_are_not_pruned():
    weights = WEIGHTS.copy()
    weights[0, :20] = 0
    assert verdict(weights) == "dense"
    weights[0] = weights[1] = 0
    assert verdict(weights) == "pruned"
    small = RNG.normal(size=(3, 5))
    small[0, 0] = 0
    assert verdict(small) == "dense"  # one zero may be chance
    small[1, 1] = 0
    assert verdict(small) == "pruned"


def test_a_tensor_of_zeros_and_a_row_of_padding_are_not_pruned():
    assert verdict(np.zeros((4, 6), np.float32)) == "empty"
    embedding = WEIGHTS.copy()
    embedding[0] = 0
    assert verdict(embedding, is_embedding=True) == "padding"
    assert verdict(embedding) == "pruned"
    embedding[1] = 0
    assert verdict(embedding, is_embedding=True) == "pruned"


@pytest.mark.parametrize("rows", [1, 3, 128])
def test_a_large_tensor_is_judged_by_a_sample_that_spans_it(monkeypatch, rows):
    monkeypatch.setattr("prunescope.tensors.zeros.SAMPLE", 4096)
    census = ZeroCensus(WEIGHTS.size)
    pruned = by_magnitude(ROUNDED["4 bits a row"](WEIGHTS), 0.5)
    for start in range(0, len(pruned), rows):
        part = pruned[start : start + rows]
        census.add(part, part != 0)
    assert census.zeros == (pruned == 0).sum()
    sample = np.concatenate(census._rows)
    assert sample.shape == (16, 256)
    np.testing.assert_array_equal(sample, np.abs(pruned[::8]))
    assert census.verdict() == "pruned"


def test_values_that_are_not_finite_or_not_real_are_counted():
    weights = WEIGHTS.copy()
    weights[0, :3] = np.nan, np.inf, -np.inf
    assert verdict(weights) == "dense"
    assert verdict(np.where(RNG.random(weights.shape) < 0.5, weights, 0)) == "pruned"
    assert verdict(WEIGHTS[:64] + 1j * WEIGHTS[64:]) == "dense"
    assert verdict(np.full((4, 8), np.nan)) == "dense"
    for value in (np.inf, 1e308):  # Without a warning, which would be an error.
        assert verdict(np.where(np.arange(512).reshape(16, 32) % 3, 0, value)) in ("pruned", "rounding")


def test_the_expectation_is_that_of_a_uniform_grid():
    grid = np.round(RNG.uniform(-20, 20, (100, 100)))
    expected = zeros_by_rounding(np.abs(grid))
    assert expected == pytest.approx(10000 / 40, rel=0.3)
    assert zeros_by_rounding(np.abs(WEIGHTS)) < 20


def said_of(weights, **options):
    """Names of the masks of weights, and what is said of the others."""
    said = []
    masks = named_masks(weights, ReadingOptions(**options), said.append)
    return [(named.name, named.origin) for named in masks], said


def test_the_rule_within_a_network():
    pruned = by_magnitude(WEIGHTS, 0.5)
    state = {f"layers.{i}.weight": torch.tensor(WEIGHTS) for i in range(9)}
    state |= {"head.weight": torch.tensor(pruned), "lora_B.weight": torch.zeros(4, 6)}
    state |= {"norm.weight": torch.zeros(8), "norm.bias": torch.zeros(8), "pos_embed": torch.zeros(1, 5, 6)}
    state |= {"attn.bias": torch.ones(1, 1, 4, 4).tril(), "optimizer": {"0": torch.tensor(pruned)}}
    found, said = said_of(state)
    assert found == [("head.weight", "zeros")]
    assert said == [
        "no mask inside: the weights that are not 0 are taken as kept, of head.weight",
        "9 weights are left out, no more zeros than chance: layers.0.weight, layers.1.weight, layers.2.weight, and 6 more",
        "1 weight is left out, all zeros, as some layers start: lora_B.weight",
    ]
    assert len(said_of(state, zeros="always")[0]) == 11


def test_a_dense_network_says_in_few_words_what_it_holds():
    state = {f"layers.{i}.weight": torch.tensor(WEIGHTS) for i in range(9)}
    state |= {"lora_B.weight": torch.zeros(4, 6), "norm.weight": torch.ones(8)}
    with pytest.raises(InputError) as caught:
        said_of(state)
    assert str(caught.value) == (
        "no mask inside (9 weights are left out, no more zeros than chance: layers.0.weight, layers.1.weight, "
        "layers.2.weight, and 6 more; 1 weight is left out, all zeros, as some layers start: lora_B.weight; a mask is an "
        "array of 0 and 1, [n_out, n_in, …])"
    )
