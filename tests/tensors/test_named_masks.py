"""prunescope.tensors.named_masks, of what is in memory: run with `pytest tests/tensors/test_named_masks.py`."""

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import torch
from torch.nn.utils import prune

import prunescope as ps
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.tensors import ReadingOptions, named_masks

RNG = np.random.default_rng(0)
FIRST, SECOND, CONV = RNG.random((5, 12)) < 0.4, RNG.random((3, 5)) < 0.6, RNG.random((4, 3, 3, 3)) < 0.5
WEIGHTS = RNG.normal(size=(5, 12)) * FIRST


def read(source, **options):
    """The masks of a source by name, and what is said of the rest."""
    said = []
    found = list(named_masks(source, ReadingOptions(**options), said.append))
    return {named.name: named for named in found}, said


def refusal(source, **options):
    """The line with which a source is refused."""
    with pytest.raises(InputError) as caught:
        read(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize(
    "make",
    [
        lambda mask: mask,
        lambda mask: mask.astype(np.float32),
        lambda mask: mask.astype(np.uint8).tolist(),
        Mask,
        torch.tensor,
        lambda mask: torch.tensor(mask).to(torch.bfloat16),
        lambda mask: torch.tensor(mask).float().to_sparse(),
        lambda mask: torch.tensor(mask).float().to_sparse_csr(),
        scipy.sparse.csr_matrix,
        scipy.sparse.coo_array,
        lambda mask: scipy.sparse.csc_array(mask * 0.7),
        lambda mask: SimpleNamespace(weight_mask=torch.tensor(mask)),
    ],
)
def test_one_mask_of_any_kind(make):
    found, said = read(make(FIRST))
    assert list(found) == ["mask"]
    assert said == []
    np.testing.assert_array_equal(found["mask"].array, FIRST)


def test_masks_of_more_axes():
    for source in (CONV, torch.tensor(CONV), torch.tensor(CONV).float().to_sparse()):
        found, _ = read(source)
        np.testing.assert_array_equal(found["mask"].array, CONV)
        assert found["mask"].array.dtype == np.bool_


def test_nested_dicts_and_lists():
    source = {
        "encoder": OrderedDict(a=FIRST, b=[torch.tensor(SECOND), CONV]),
        "epoch": 3,
        "sparse": scipy.sparse.csr_array(FIRST),
    }
    found, _ = read({"encoder": source["encoder"], "epoch": 3})
    assert list(found) == ["encoder.a", "encoder.b.0", "encoder.b.1"]
    for mask, named in zip((FIRST, SECOND, CONV), found.values(), strict=True):
        np.testing.assert_array_equal(named.array, mask)
        assert named.origin == "mask"
    assert list(read([Mask(FIRST), Mask(SECOND)])[0]) == ["0", "1"]
    assert list(read((FIRST,))[0]) == ["0"]


def test_weights_with_zeros():
    found, said = read(WEIGHTS)
    assert found["mask"].origin == "zeros"
    np.testing.assert_array_equal(found["mask"].array, FIRST)
    assert said == ["no mask inside: the weights that are not 0 are taken as kept, of mask"]
    assert "zeros are not taken for pruned" in refusal(WEIGHTS, zeros="never")
    dense = RNG.normal(size=(5, 12))
    assert "5x12 of float64 with no zeros" in refusal(dense)
    assert read(dense, zeros="always")[0]["mask"].array.all()


ODD = np.where(FIRST, RNG.normal(size=(5, 12)), 0)
ODD[tuple(np.argwhere(FIRST)[:3].T)] = np.nan, np.inf, -np.inf


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize(
    "make",
    [
        lambda weights: weights,
        torch.tensor,
        lambda weights: torch.tensor(weights).to(torch.bfloat16),
        lambda weights: torch.tensor(weights).to_sparse(),
        lambda weights: torch.tensor(weights).to_sparse_csr(),
        scipy.sparse.csr_array,
    ],
)
def test_weights_that_are_not_finite_are_kept_and_said(make):
    found, said = read(make(ODD))
    np.testing.assert_array_equal(found["mask"].array, FIRST)
    assert said[-1] == "weights that are NaN or infinite are taken as kept: 3 of mask"


def test_weights_of_many_tensors_that_are_not_finite_are_one_line():
    _, said = read({f"fc{number}.weight": ODD.copy() for number in range(9)} | {"fc9.weight": WEIGHTS})
    assert [line for line in said if "NaN" in line] == [
        "weights that are NaN or infinite are taken as kept: 3 of fc0.weight, 3 of fc1.weight, 3 of fc2.weight, "
        "3 of fc3.weight, 3 of fc4.weight, 3 of fc5.weight, and 3 more"
    ]
    # Of what is left out there is nothing to say: none of it is kept.
    dense = np.where(RNG.random((5, 12)) < 0.1, np.nan, 1.5)
    assert not any("NaN" in line for line in read({"fc1.weight": WEIGHTS, "fc2.weight": dense})[1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_mask_that_is_not_finite_is_refused(value):
    odd = FIRST.astype(np.float32)
    odd[tuple(np.argwhere(FIRST)[0])] = value
    assert refusal({"fc.weight_mask": odd}) == "fc.weight_mask: a mask must hold only 0 and 1"
    assert refusal({"masks": {"fc": odd}}) == "masks.fc: a mask must hold only 0 and 1"
    assert "a mask must hold only 0 and 1 (5x12 of float32, 1 of them NaN or infinite)" in refusal(odd)
    _, said = read({"a": odd, "b": FIRST.astype(np.float32)})
    assert said == ["a: a mask must hold only 0 and 1"]
    with pytest.raises(InputError, match="a mask must hold only 0 and 1"):
        Mask(odd)


def test_zeros_of_weights_beside_masks_do_not_count():
    found, _ = read({"a.weight_mask": FIRST, "a.weight": RNG.normal(size=(5, 12)), "b.weight": WEIGHTS})
    assert list(found) == ["a.weight_mask"]
    found, said = read({"mask": FIRST, "b.weight": WEIGHTS})
    assert list(found) == ["mask"]
    assert said == ["b.weight: a mask must hold only 0 and 1"]


def test_layers_that_start_at_zero_or_one_are_no_masks_beside_weights():
    state = {"a.weight": WEIGHTS, "lora_B.weight": np.zeros((4, 6)), "gain": np.ones((4, 6))}
    assert list(read(state)[0]) == ["a.weight"]
    assert list(read({"a": FIRST, "b": np.ones((4, 6)), "c": np.zeros((4, 6), bool)})[0]) == ["a", "b", "c"]


def test_orders_of_axes():
    kernel = np.moveaxis(CONV, (0, 1), (3, 2))  # [height, width, n_in, n_out]
    found, _ = read({"fc": FIRST.T, "conv": kernel}, order="io")
    np.testing.assert_array_equal(found["fc"].array, FIRST)
    np.testing.assert_array_equal(found["conv"].array, CONV)


def test_a_wrong_order_is_told():
    chain = {"a": RNG.random((12, 6)) < 0.5, "b": RNG.random((6, 4)) < 0.5, "c": RNG.random((4, 3)) < 0.5}
    _, said = read(chain)
    assert said == [
        "sizes of layers, read as [n_out, n_in], chain only the other way round (12x6, 6x4, 4x3): give --order io if so"
    ]
    assert read(chain, order="io")[1] == []
    assert read({name: mask.T for name, mask in chain.items()})[1] == []
    assert "give --order oi if so" in read({name: mask.T for name, mask in chain.items()}, order="io")[1][0]
    square = {name: RNG.random((6, 6)) < 0.5 for name in "ab"}
    assert read(square)[1] == []
    _, [line] = read({"conv": RNG.random((3, 3, 16, 32)) < 0.5})
    assert line == "3x3x16x32 is as of a convolution [*kernel, n_in, n_out]: give --order io if so"
    _, [line] = read({"conv": RNG.random((32, 16, 3, 3)) < 0.5}, order="io")
    assert line == "32x16x3x3 is as of a convolution [n_out, n_in, *kernel]: give --order oi if so"
    assert read({"conv": RNG.random((3, 3, 16, 32)) < 0.5}, order="io")[1] == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({}, "it holds no array or tensor"),
        (5, "2 axes [n_out, n_in] or more, got shape ()"),
        (np.ones(4), "2 axes [n_out, n_in] or more, got shape (4,)"),
        (np.ones((0, 4)), "at least one entry"),
        (np.array([["a", "b"]]), "must hold only 0 and 1"),
        ({"a.weight_mask": np.full((2, 3), 0.5)}, "a.weight_mask: a mask must hold only 0 and 1"),
        (
            {"a.weight_mask": np.ones((2, 3)), "a.weight": np.ones((3, 2))},
            "a.weight_mask is 2x3 and a.weight 3x2",
        ),
        (torch.empty(5, 12, device="meta"), "a tensor on the device meta has no values"),
        ([[1, 0], [1]], "a mask must be a 2-D array"),
    ],
)
def test_what_holds_no_mask_is_refused_in_one_line(source, reason):
    assert reason in refusal(source)


def test_a_tensor_too_large_for_memory_is_refused():
    huge = np.broadcast_to(np.True_, (10**6, 10**9))
    assert "would take 1,000,000.0 GB of memory" in refusal(huge)


def test_masks_are_read_one_at_a_time(monkeypatch):
    from prunescope.tensors import choosing

    read_so_far = []
    whole = choosing.kept_entries
    monkeypatch.setattr(
        choosing,
        "kept_entries",
        lambda tensor, **words: read_so_far.append(tensor.name) or whole(tensor, **words),
    )
    found = named_masks({"a": FIRST, "b": SECOND})
    assert (next(found).name, read_so_far) == ("a", ["a"])
    assert (next(found).name, read_so_far) == ("b", ["a", "b"])
    assert next(found, None) is None


def test_observe_takes_a_module_with_convolutions():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8, 6))
    for layer in (network[0], network[2]):
        prune.l1_unstructured(layer, "weight", 0.5)
    observed = ps.observe(network)
    assert [(layer.name, layer.form.kind) for layer in observed] == [
        ("0.weight_mask", "convolution"),
        ("2.weight_mask", "linear"),
    ]
    assert [layer.density for layer in observed] == [0.5, 0.5]


WRONG_WAY = {"head.weight": (10, 32), "body.weight": (32, 784)}  # declared in another order than they run


@pytest.mark.parametrize("source", ["module", "state", "file"])
def test_the_order_of_what_torch_made_is_not_doubted(source, tmp_path):
    state = {
        name: torch.from_numpy(RNG.normal(size=shape) * (RNG.random(shape) < 0.5))
        for name, shape in WRONG_WAY.items()
    }
    torch.save(state, tmp_path / "a.pt")
    module = torch.nn.ModuleDict({"head": torch.nn.Linear(32, 10), "body": torch.nn.Linear(784, 32)}).double()
    module.load_state_dict(state, strict=False)
    said: list[str] = []
    found = list(
        named_masks({"module": module, "state": state, "file": tmp_path / "a.pt"}[source], say=said.append)
    )
    assert [one.array.shape for one in found] == list(WRONG_WAY.values())
    assert not [line for line in said if "order" in line]
    # Arrays of other names, of whatever library, are masks whose order is not known.
    list(named_masks({name.partition(".")[0]: one for name, one in state.items()}, say=said.append))
    assert "give --order io if so" in said[-1]


def test_another_order_of_a_module_is_refused():
    module = torch.nn.Linear(6, 4)
    torch.nn.utils.prune.random_unstructured(module, "weight", 0.5)
    with pytest.raises(InputError, match="order is io, but the order of a torch module's axes is known"):
        list(named_masks(module, ReadingOptions(order="io")))
    [one] = named_masks(module, ReadingOptions(order="oi"))
    assert one.array.shape == (4, 6)
