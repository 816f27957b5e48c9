"""prunescope.tensors.torch_file: run with `pytest tests/tensors/test_torch_file.py`."""

import argparse
import collections
import datetime
import os
import pathlib
import pickle
import tracemalloc
import types
import warnings
import zipfile

import numpy as np
import pytest
import torch

from prunescope.tensors import named_masks
from prunescope.tensors.harmless_globals import HARMLESS as ALLOWED
from tensors.reading import masks_in, refusal

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.random((5, 12)) < 0.4, RNG.random((3, 5)) < 0.6
CONV = RNG.random((4, 3, 3, 3)) < 0.5
WEIGHTS = torch.tensor(RNG.normal(size=(40, 30)) * (RNG.random((40, 30)) < 0.3))


@pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.bin", "m.ckpt", "m.pth.tar", "m.tar"])
def test_every_suffix_that_checkpoints_have(tmp_path, name):
    torch.save({"a.weight_mask": torch.tensor(FIRST), "b.weight_mask": torch.tensor(CONV)}, tmp_path / name)
    found, said = masks_in(tmp_path / name)
    assert said == []
    np.testing.assert_array_equal(found["a.weight_mask"], FIRST)
    np.testing.assert_array_equal(found["b.weight_mask"], CONV)


def test_masks_as_open_lth_saves_them(tmp_path):
    masks = {"fc_layers.0.weight": FIRST, "conv.weight": CONV, "fc.weight": np.ones((3, 5))}
    torch.save({name: torch.tensor(mask).int() for name, mask in masks.items()}, tmp_path / "mask.pth")
    found, said = masks_in(tmp_path / "mask.pth")
    assert said == []
    assert list(found) == list(masks)
    for name, mask in masks.items():
        np.testing.assert_array_equal(found[name], mask)


def test_buffers_as_synaptic_flow_has_them(tmp_path):
    state = {
        "0.weight": torch.randn(5, 12),
        "0.bias": torch.zeros(5),
        "0.weight_mask": torch.tensor(FIRST).float(),
        "0.bias_mask": torch.ones(5),
        "1.weight": torch.randn(4, 3, 3, 3),
        "1.weight_mask": torch.tensor(CONV).float(),
        "2.running_mean": torch.zeros(4),
    }
    torch.save(state, tmp_path / "model.pt")
    found, said = masks_in(tmp_path / "model.pt")
    assert list(found) == ["0.weight_mask", "1.weight_mask"]
    assert said == ["0.bias_mask: a mask of other parameters than weights [n_out, n_in]"]


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "_orig_mod.module."])
@pytest.mark.parametrize("around", ["state_dict", "model", "net"])
def test_prefixes_and_dicts_around_the_state(tmp_path, prefix, around):
    state = {f"{prefix}fc.weight": WEIGHTS, f"{prefix}fc.bias": torch.zeros(40)}
    torch.save({"epoch": 3, around: state}, tmp_path / "m.pt")
    found, _ = masks_in(tmp_path / "m.pt")
    np.testing.assert_array_equal(found[f"{around}.{prefix}fc.weight"], WEIGHTS.numpy() != 0)


def test_masks_beside_a_state_dict(tmp_path):
    torch.save(
        {"state_dict": {"fc.weight": torch.randn(5, 12)}, "masks": {"fc.weight": torch.tensor(FIRST)}},
        tmp_path / "m.pt",
    )
    assert list(masks_in(tmp_path / "m.pt")[0]) == ["masks.fc.weight"]
    torch.save({"fc.weight": torch.randn(5, 12), "fc.mask": torch.tensor(FIRST)}, tmp_path / "m.pt")
    assert list(masks_in(tmp_path / "m.pt")[0]) == ["fc.mask"]


def test_the_state_of_an_optimizer_is_no_weight(tmp_path):
    layer = torch.nn.Linear(30, 40)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.zeros(1, 30)).sum().backward()
    optimizer.step()
    with torch.no_grad():
        layer.weight.copy_(WEIGHTS)
    torch.save({"model": layer.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "m.pt")
    assert list(masks_in(tmp_path / "m.pt")[0]) == ["model.weight"]


HARMLESS = {
    "namespace": argparse.Namespace(lr=0.1, name="x"),
    "simple namespace": types.SimpleNamespace(lr=0.1),
    "number": np.float64(0.5),
    "whole number": np.int64(3),
    "array": np.arange(4.0),
    "random state": np.random.RandomState(0).get_state(),
    "generator": torch.get_rng_state(),
    "default dict": collections.defaultdict(list, a=[1]),
    "deque": collections.deque([1, 2], maxlen=4),
    "counter": collections.Counter("abc"),
    "path": pathlib.Path("somewhere"),
    "time": datetime.datetime(2020, 1, 1),
    "range": range(3),
    "slice": slice(1, 2),
    "set": {1, 2},
    "complex": 1 + 2j,
    "type": torch.float32,
    "version": torch.__version__,
}


@pytest.mark.parametrize("kind", HARMLESS)
@pytest.mark.parametrize("zipped", [True, False])
def test_harmless_extras_are_tolerated(tmp_path, kind, zipped):
    state = {"extra": HARMLESS[kind], "list": [HARMLESS[kind]], "fc.weight_mask": torch.tensor(FIRST)}
    torch.save(state, tmp_path / "m.pth.tar", _use_new_zipfile_serialization=zipped)
    found, _ = masks_in(tmp_path / "m.pth.tar")
    assert list(found) == ["fc.weight_mask"]
    np.testing.assert_array_equal(found["fc.weight_mask"], FIRST)


def test_arrays_of_numpy_are_read_as_masks(tmp_path):
    masks = [FIRST, SECOND.astype(np.float32), np.asfortranarray(CONV), FIRST.astype(">i4")]
    torch.save({"masks": masks}, tmp_path / "m.pt")
    found, _ = masks_in(tmp_path / "m.pt")
    assert list(found) == ["masks.0", "masks.1", "masks.2", "masks.3"]
    for mask, array in zip(masks, found.values(), strict=True):
        np.testing.assert_array_equal(array, mask)
    torch.save(FIRST, tmp_path / "m.pt")
    assert list(masks_in(tmp_path / "m.pt")[0]) == ["m"]
    torch.save({"a": np.array([["x", "y"]])}, tmp_path / "m.pt")
    assert "no mask inside (a: " in refusal(tmp_path / "m.pt")
    torch.save({"a": np.array([[object, 1]])}, tmp_path / "m.pt")
    refusal(tmp_path / "m.pt")


class Runs:
    """A pickle that calls a function when it is loaded."""

    def __init__(self, call, *given):
        self.call = call, given

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "payload",
    [
        (os.system, "touch {mark}"),
        (eval, "open('{mark}', 'w')"),
        (getattr, "x", "upper"),
        (open, "{mark}", "w"),
    ],
)
def test_code_is_refused_by_name_and_not_run(tmp_path, payload, zipped):
    path, mark = tmp_path / "m.pt", tmp_path / "mark"
    call, *given = payload
    state = {
        "fc.weight_mask": torch.tensor(FIRST),
        "x": Runs(call, *(str(one).format(mark=mark) for one in given)),
    }
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    line = refusal(path)
    assert f"{call.__name__} on loading, and may run code; save a plain state_dict" in line
    assert not mark.exists()


def test_what_is_put_in_place_of_a_name_does_nothing(tmp_path):
    # The names that are allowed lead to inert stand-ins: a path that is called with a text opens nothing.
    mark = tmp_path / "mark"
    state = {"p": pathlib.Path(mark), "fc.weight_mask": torch.tensor(FIRST)}
    torch.save(state, tmp_path / "m.pt")
    masks_in(tmp_path / "m.pt")
    assert not mark.exists()
    left = torch.serialization.get_safe_globals()
    assert not [one for one in left if isinstance(one, tuple) and one[0] in ALLOWED.values()]


def test_an_array_whose_bytes_do_not_fit_is_left_out(tmp_path):
    path = tmp_path / "m.pt"
    torch.save({"masks": [FIRST]}, path)
    with zipfile.ZipFile(path) as archive:
        records = {record.filename: archive.read(record) for record in archive.infolist()}
    name = next(name for name in records if name.endswith("data.pkl"))
    # The shape (5, 12) of the array's state: small numbers are K and a byte.
    assert records[name].count(b"K\x05K\x0c\x86") == 1
    records[name] = records[name].replace(b"K\x05K\x0c\x86", b"K\x05K\x0d\x86")
    with zipfile.ZipFile(path, "w") as archive:
        for one, data in records.items():
            archive.writestr(one, data)
    assert "an array whose bytes do not fit its shape" in refusal(path)


def test_shapes_that_do_not_belong_together(tmp_path):
    torch.save({"fc.weight_mask": torch.ones(5, 12), "fc.weight_orig": torch.ones(12, 5)}, tmp_path / "m.pt")
    assert refusal(tmp_path / "m.pt") == (
        "fc.weight_mask is 5x12 and fc.weight_orig 12x5: a mask has the shape of its weight"
    )


def test_masks_with_other_values(tmp_path):
    torch.save({"conv.weight_mask": torch.full((2, 3, 3, 3), 0.5)}, tmp_path / "m.pt")
    assert refusal(tmp_path / "m.pt").endswith("conv.weight_mask: a mask must hold only 0 and 1")


def test_a_file_of_dense_weights_says_what_it_holds(tmp_path):
    torch.save({"fc.weight": torch.randn(5, 12), "fc.bias": torch.zeros(5)}, tmp_path / "m.pt")
    assert "fc.weight: a mask must hold only 0 and 1 (5x12 of float32 with no zeros)" in refusal(
        tmp_path / "m.pt"
    )


def test_an_archive_of_something_else_and_a_bare_pickle_are_refused(tmp_path):
    (tmp_path / "m.tar").write_bytes(b"\0" * 1024)
    assert "damaged" in refusal(tmp_path / "m.tar")
    (tmp_path / "m.pt").write_bytes(pickle.dumps({"a": 1}))
    refusal(tmp_path / "m.pt")


def test_memory_stays_near_one_mask(tmp_path):
    state = {f"layers.{i}.weight": torch.zeros(1000, 1000).bernoulli_(0.5) * 0.3 for i in range(8)}
    for weight in state.values():
        weight += weight.bool() * torch.randn(1000, 1000) * 0.01
    torch.save(state, tmp_path / "m.pt")
    del state
    list(named_masks(tmp_path / "m.pt"))  # what is imported
    tracemalloc.start()
    shapes = [named.array.shape for named in named_masks(tmp_path / "m.pt")]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shapes == [(1000, 1000)] * 8
    # A mask is 1 MB, and a tensor 4 MB of float32; the sample of the zeros rule is at most 8 MB a few times over.
    assert peak < 60e6


@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr", "to_sparse_csc", "to_sparse_bsr"])
def test_sparse_tensors_of_every_layout(tmp_path, layout):
    arguments = [(5, 6)] if layout == "to_sparse_bsr" else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that sparse tensors are new
        sparse = getattr(WEIGHTS, layout)(*arguments)
    torch.save({"fc.weight": sparse, "fc.bias": torch.ones(40)}, tmp_path / "m.pt")
    found, _ = masks_in(tmp_path / "m.pt")
    np.testing.assert_array_equal(found["fc.weight"], WEIGHTS.numpy() != 0)


def test_a_tensor_of_the_class_of_semi_structured_sparsity_is_refused_by_its_name(tmp_path):
    from torch.sparse import SparseSemiStructuredTensorCUTLASS
    from torch.sparse._semi_structured_conversions import sparse_semi_structured_from_dense_cutlass

    dense = torch.zeros(128, 128, dtype=torch.float16)
    dense.view(-1, 4)[:, :2] = 1
    values, meta = sparse_semi_structured_from_dense_cutlass(dense)
    parts = {"packed_t": None, "meta_t": None, "compressed_swizzled_bitmask": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that the class may change
        tensor = SparseSemiStructuredTensorCUTLASS(dense.shape, packed=values, meta=meta, **parts)
    torch.save({"fc.weight": tensor}, tmp_path / "m.pt")
    assert "refused, it calls torch.sparse.semi_structured.SparseSemiStructuredTensorCUTLASS" in refusal(
        tmp_path / "m.pt"
    )
