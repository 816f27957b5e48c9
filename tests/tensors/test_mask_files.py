"""prunescope.tensors.mask_files: run with `pytest tests/tensors/test_mask_files.py`."""

import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch.nn.utils import prune

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables import load_masks

FIRST = np.random.default_rng(0).random((5, 12)) < 0.4
SECOND = np.random.default_rng(1).random((3, 5)) < 0.6


class Payload:
    """A pickle that would run a command when it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def pruned_network():
    """Two linear layers pruned with torch.nn.utils.prune to FIRST and SECOND."""
    network = torch.nn.Sequential(torch.nn.Linear(12, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    prune.custom_from_mask(network[0], "weight", torch.tensor(FIRST))
    prune.custom_from_mask(network[2], "weight", torch.tensor(SECOND))
    prune.custom_from_mask(network[0], "bias", torch.ones(5))
    return network


def refusal(path, layer=None):
    """The one line with which a file is refused."""
    with pytest.raises(InputError) as caught:
        load_masks(path, layer)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float32])
def test_npy(tmp_path, dtype):
    path = tmp_path / "mine.npy"
    np.save(path, FIRST.astype(dtype))
    assert load_masks(path) == [("mine", Mask(FIRST))]
    assert load_masks(str(path), 1) == [("mine", Mask(FIRST))]


def test_npz_takes_its_masks_and_leaves_the_rest(tmp_path):
    path = tmp_path / "masks.npz"
    np.savez(
        path, first=FIRST, weights=np.full((5, 12), 0.3), second=SECOND.astype(np.float64), bias=np.ones(5)
    )
    assert load_masks(path) == [("first", Mask(FIRST)), ("second", Mask(SECOND))]
    assert load_masks(path, 2) == [("second", Mask(SECOND))]
    np.savez_compressed(path, other=np.eye(3), **{"fc.weight_mask": FIRST})
    assert load_masks(path) == [("fc.weight_mask", Mask(FIRST))]


def test_safetensors_in_the_order_of_layers(tmp_path):
    path = tmp_path / "masks.safetensors"
    arrays = {f"fc{i}.weight_mask": np.eye(i, dtype=np.float32) for i in (10, 2, 1)}
    save_file({**arrays, "fc1.weight_orig": np.ones((1, 1), np.float32)}, path)
    assert [name for name, _ in load_masks(path)] == [f"fc{i}.weight_mask" for i in (1, 2, 10)]
    save_file({"a": FIRST, "b": np.ones(4, np.float32), "c": np.full((2, 2), 0.5, np.float32)}, path)
    assert load_masks(path) == [("a", Mask(FIRST))]


def test_safetensors_of_a_torch_model_with_weights_numpy_does_not_have(tmp_path):
    path = tmp_path / "model.safetensors"
    from safetensors.torch import save_file as save_tensors

    save_tensors(
        {"fc.weight_mask": torch.tensor(FIRST), "fc.weight_orig": torch.ones(5, 12, dtype=torch.bfloat16)},
        path,
    )
    assert load_masks(path) == [("fc.weight_mask", Mask(FIRST))]


def test_the_packed_masks_of_a_run(tmp_path):
    path = tmp_path / "masks.safetensors"
    arrays, notes = {}, {}
    for layer, array in enumerate((FIRST, SECOND), start=1):
        arrays[f"layer{layer}.weight_mask"] = Mask(array).pack()
        arrays[f"layer{layer}.bias_mask"] = np.packbits(np.ones(len(array), np.bool_))
        notes[f"layer{layer}.weight_mask"] = "x".join(map(str, array.shape))
    save_file(arrays, path, metadata=notes)
    assert load_masks(path) == [("layer1.weight_mask", Mask(FIRST)), ("layer2.weight_mask", Mask(SECOND))]
    save_file(arrays, path, metadata={**notes, "layer1.weight_mask": "50x12"})
    assert "do not hold a packed 50x12 mask" in refusal(path)


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize(
    "wrap", [lambda state: state, lambda state: {"epoch": 3, "model": {"state_dict": state}}]
)
def test_torch_state_dicts(tmp_path, suffix, wrap):
    path = tmp_path / f"model{suffix}"
    torch.save(wrap(pruned_network().state_dict()), path)
    masks = load_masks(path)
    assert [name.split(".")[-2:] for name, _ in masks] == [["0", "weight_mask"], ["2", "weight_mask"]]
    assert [mask for _, mask in masks] == [Mask(FIRST), Mask(SECOND)]
    assert load_masks(path, layer=2)[0][1] == Mask(SECOND)


def test_a_torch_tensor_alone_and_a_network_with_convolutions(tmp_path):
    path = tmp_path / "mask.pt"
    torch.save(torch.tensor(FIRST), path)
    assert load_masks(path) == [("mask", Mask(FIRST))]
    torch.save({"conv.weight_mask": torch.ones(2, 3, 3, 3), "fc.weight_mask": torch.tensor(FIRST)}, path)
    assert load_masks(path) == [("fc.weight_mask", Mask(FIRST))]
    torch.save({"conv.weight_mask": torch.ones(2, 3, 3, 3)}, path)
    assert "2 axes" in refusal(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_torch_file_that_would_run_code_is_refused_by_name(tmp_path, zipped):
    path, mark = tmp_path / "model.pt", tmp_path / "mark"
    torch.save({"fc.weight_mask": Payload(mark)}, path, _use_new_zipfile_serialization=zipped)
    assert f"{os.system.__module__}.system" in refusal(path)
    assert not mark.exists()


def test_a_bare_pickle_that_would_run_code_is_refused(tmp_path):
    path, mark = tmp_path / "model.pth", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Payload(mark)))
    refusal(path)
    assert not mark.exists()


def test_a_whole_pickled_module_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(pruned_network(), path)
    assert "state_dict" in refusal(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickled_objects_in_numpy_files_are_refused(tmp_path, suffix):
    path, mark = tmp_path / f"masks{suffix}", tmp_path / "mark"
    array = np.array([Payload(mark)], dtype=object)
    if suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, mask=array)
    assert "pickled objects" in refusal(path)
    assert not mark.exists()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".pt", ".pth"])
def test_damaged_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"masks{suffix}"
    for content in (b"", b"nothing of the kind", b"\x80\x02garbage" * 9):
        path.write_bytes(content)
        assert "damaged" in refusal(path) or "refused" in refusal(path)


def test_truncated_files_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", FIRST)
    np.savez(tmp_path / "a.npz", first=FIRST)
    save_file({"first": FIRST}, tmp_path / "a.safetensors")
    torch.save(pruned_network().state_dict(), tmp_path / "a.pt")
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-20])
        assert "damaged" in refusal(path)


def test_files_that_are_not_there_or_of_another_kind_are_refused(tmp_path):
    assert refusal(tmp_path / "none.npy") == "no such file"
    assert refusal(tmp_path / "none.csv") == "no such file"
    (tmp_path / "mask.csv").write_text("1,0")
    assert refusal(tmp_path / "mask.csv").startswith("cannot read masks from .csv; use .npy, .npz")


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.ones(4), r"must have 2 axes [n_out, n_in], got shape (4,)"),
        (np.full((2, 2), 0.5), "must hold only 0 and 1"),
        (np.full((2, 2), np.nan), "must hold only 0 and 1"),
        (np.array([["a", "b"]]), "must hold only 0 and 1"),
        (np.ones((0, 4)), "at least one entry"),
    ],
)
def test_arrays_that_are_no_mask_are_refused_with_the_reason(tmp_path, array, reason):
    np.save(tmp_path / "m.npy", array)
    assert reason in refusal(tmp_path / "m.npy")
    np.savez(tmp_path / "m.npz", **{"fc.weight_mask": array, "other": FIRST})
    assert reason in refusal(tmp_path / "m.npz")


def test_files_without_a_mask_are_refused(tmp_path):
    torch.save(torch.nn.Linear(3, 2).state_dict(), tmp_path / "m.pt")
    assert "no mask inside" in refusal(tmp_path / "m.pt")
    np.savez(tmp_path / "m.npz")
    assert "no mask inside (it holds no array or tensor)" in refusal(tmp_path / "m.npz")
    save_file({"w": np.full((2, 2), 0.5)}, tmp_path / "m.safetensors")
    assert "no mask inside (w: " in refusal(tmp_path / "m.safetensors")


@pytest.mark.parametrize("layer", [0, 3, -1])
def test_a_layer_that_is_not_there_is_refused(tmp_path, layer):
    np.savez(tmp_path / "m.npz", first=FIRST, second=SECOND)
    assert refusal(tmp_path / "m.npz", layer) == f"no layer {layer}; it holds 2 (first, second)"


def read(path):
    """The masks in a file by name, and the lines that were said about the rest of it."""
    said = []
    return dict(load_masks(path, say=said.append)), said


def test_what_is_left_out_is_said(tmp_path):
    path = tmp_path / "model.pt"
    masks = {"conv.weight_mask": torch.ones(2, 3, 3, 3), "fc.weight_mask": torch.tensor(FIRST)}
    torch.save(masks | {"fc.bias_mask": torch.ones(5), "fc.weight_orig": torch.randn(5, 12)}, path)
    found, said = read(path)
    assert found == {"fc.weight_mask": Mask(FIRST)}
    assert said == [
        "conv.weight_mask: 2x3x3x3, as of a convolution; only masks of 2 axes [n_out, n_in] are measured",
        "fc.bias_mask: a mask of other parameters than weights [n_out, n_in]",
    ]
    np.savez(tmp_path / "masks.npz", first=FIRST, weights=np.full((5, 12), 0.3), bias=np.ones(5))
    found, said = read(tmp_path / "masks.npz")
    assert found == {"first": Mask(FIRST)}
    assert said == [
        "weights: a mask must hold only 0 and 1",
        "bias: a mask must have 2 axes [n_out, n_in], got shape (5,)",
    ]


def test_a_file_of_masks_alone_says_nothing(tmp_path):
    torch.save(pruned_network().state_dict(), tmp_path / "model.pt")
    assert read(tmp_path / "model.pt")[1] == [
        "0.bias_mask: a mask of other parameters than weights [n_out, n_in]"
    ]
    np.savez(tmp_path / "masks.npz", first=FIRST, second=SECOND)
    assert read(tmp_path / "masks.npz")[1] == []


def test_many_that_are_left_out_are_counted(tmp_path):
    np.savez(tmp_path / "masks.npz", mask=FIRST, **{f"w{i}": np.full((2, 2), 0.5) for i in range(9)})
    _, said = read(tmp_path / "masks.npz")
    assert len(said) == 7
    assert said[-1] == "and 3 more that are no 2-D arrays of 0 and 1"


def test_masks_under_other_names_are_found_in_torch_files_too(tmp_path):
    path = tmp_path / "mask.pth"
    torch.save(
        {"fc_layers.0.weight": torch.tensor(FIRST).int(), "fc.weight": torch.tensor(SECOND).float()}, path
    )
    assert read(path) == ({"fc_layers.0.weight": Mask(FIRST), "fc.weight": Mask(SECOND)}, [])


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64]
)
def test_torch_masks_of_any_type(tmp_path, dtype):
    from safetensors.torch import save_file as save_tensors

    torch.save({"fc.weight_mask": torch.tensor(FIRST).to(dtype)}, tmp_path / "m.pt")
    save_tensors({"fc.weight_mask": torch.tensor(FIRST).to(dtype)}, tmp_path / "m.safetensors")
    for path in (tmp_path / "m.pt", tmp_path / "m.safetensors"):
        assert read(path) == ({"fc.weight_mask": Mask(FIRST)}, [])


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr"])
def test_sparse_tensors(tmp_path, layout):
    mask = getattr(torch.tensor(FIRST).float(), layout)()
    assert Mask.of(mask) == Mask(FIRST)
    torch.save({"fc.weight_mask": mask}, tmp_path / "m.pt")
    assert read(tmp_path / "m.pt")[0] == {"fc.weight_mask": Mask(FIRST)}


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_of_a_state_dict_after_prune_remove_the_weights_that_are_not_0_are_kept(tmp_path, kind):
    network = pruned_network()
    network.append(torch.nn.Linear(3, 2))
    for layer in (network[0], network[2]):
        prune.remove(layer, "weight")
    torch.save({"model": network.to(kind).state_dict()}, tmp_path / "m.pt")
    masks, said = read(tmp_path / "m.pt")
    assert masks == {"model.0.weight": Mask(FIRST), "model.2.weight": Mask(SECOND)}
    assert said[0] == (
        "no mask inside: the weights that are not 0 are taken as kept, of model.0.weight, model.2.weight"
    )
    assert said[1] == "1 weight is left out, no more zeros than chance: model.3.weight"


def test_zeros_among_other_numbers_are_no_mask(tmp_path):
    np.savez(tmp_path / "m.npz", scores=FIRST * 0.7)
    assert refusal(tmp_path / "m.npz") == (
        "no mask inside (scores holds other numbers beside 0, and as many zeros as rounding to few values may leave: if "
        "they are weights, of which pruning left some 0, save which are kept, {name: weight != 0}, or give zeros=always; "
        "a mask is an array of 0 and 1, [n_out, n_in, …])"
    )


def test_a_whole_module_is_refused_with_the_layers_that_have_masks():
    with pytest.raises(
        InputError, match=r"^Sequential has several layers: give one that is pruned, '0', '2'"
    ):
        Mask.of(pruned_network())
    with pytest.raises(
        InputError, match=r"^Linear has no weight_mask: prune it with torch\.nn\.utils\.prune"
    ):
        Mask.of(torch.nn.Linear(3, 2))
    assert Mask.of(pruned_network()[0]) == Mask(FIRST)


def test_lists_of_tensors_are_read_and_files_without_one_say_so(tmp_path):
    path = tmp_path / "m.pt"
    torch.save({"masks": [torch.tensor(FIRST), torch.tensor(SECOND)]}, path)
    assert read(path) == ({"masks.0": Mask(FIRST), "masks.1": Mask(SECOND)}, [])
    for nothing in ({}, {"epoch": 3}, []):
        torch.save(nothing, path)
        assert refusal(path) == "no mask inside (it holds no array or tensor)"


def test_the_shape_that_is_refused_is_that_of_the_file(tmp_path):
    np.save(tmp_path / "m.npy", np.float64(1))
    assert "got shape ()" in refusal(tmp_path / "m.npy")


def tensor_file(path, numbers=60, offset=0, size=(5, 12), strides=(12, 1), compressed=False):
    """Write a file as torch.save would, with a tensor of FIRST's storage that claims these numbers."""

    def integers(*values):
        return b"".join(b"\x8a\x08" + struct.pack("<q", value) for value in values)

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    storage = (
        b"("
        + text("storage")
        + b"ctorch\nBoolStorage\n"
        + text("0")
        + text("cpu")
        + integers(numbers)
        + b"tQ"
    )
    shape = b"(" + integers(*size) + b"t(" + integers(*strides) + b"t"
    tensor = b"(" + storage + integers(offset) + shape + b"\x89ccollections\nOrderedDict\n)Rt"
    state = b"\x80\x02}" + text("fc.weight_mask") + b"ctorch._utils\n_rebuild_tensor_v2\n" + tensor + b"Rs."
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", state)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", FIRST.tobytes())


@pytest.mark.parametrize("compressed", [False, True])
def test_a_tensor_that_claims_more_than_its_storage_holds_is_refused(tmp_path, compressed):
    path = tmp_path / "m.pt"
    tensor_file(path, compressed=compressed)
    assert load_masks(path) == [("fc.weight_mask", Mask(FIRST))]
    for claims in (
        {"numbers": 10**9, "size": (10**4, 10**5), "strides": (10**5, 1)},
        {"numbers": -5},
        {"offset": 50},
        {"offset": -50},
        {"strides": (-12, 1)},
        {"strides": (2**62, 2**62)},
        {"size": (-5, 12)},
        {"size": (2**40, 2**40), "strides": (0, 0)},
    ):
        tensor_file(path, compressed=compressed, **claims)
        assert "damaged" in refusal(path)


def test_a_tensor_of_stride_0_is_read_up_to_the_memory_that_is_there(tmp_path):
    path = tmp_path / "m.pt"
    tensor_file(path, offset=1, size=(3, 4), strides=(0, 0))
    assert load_masks(path)[0][1].array.tolist() == [[bool(FIRST[0, 1])] * 4] * 3
    tensor_file(path, size=(10**6, 10**9), strides=(0, 0))
    assert "a mask of 1000000x1000000000 would take 1,000,000.0 GB of memory" in refusal(path)


def npy(path, shape, kind="|b1", data=b""):
    """Write a .npy file with this header and these bytes."""
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape!r}}}\n".encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)


def test_absurd_shapes_are_refused_before_memory_is_taken(tmp_path):
    npy(tmp_path / "m.npy", (10**6, 10**9))
    assert "would take 1,000,000.0 GB" in refusal(tmp_path / "m.npy")
    with zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fc.weight_mask.npy", (tmp_path / "m.npy").read_bytes() + bytes(1000))
    assert "would take 1,000,000.0 GB" in refusal(tmp_path / "m.npz")
    huge = torch.sparse_coo_tensor([[1], [2]], [1.0], (10**9, 10**9))
    torch.save({"fc.weight_mask": huge}, tmp_path / "m.pt")
    assert "would take 1,000,000,000.0 GB" in refusal(tmp_path / "m.pt")
    torch.save({"fc.weight_mask": torch.empty(10**6, 10**6, device="meta")}, tmp_path / "m.pt")
    assert "would take 1,000.0 GB" in refusal(tmp_path / "m.pt")
    for shape in ((2**70, 1), (-1, 5), (1.0, 5), (1,) * 100):
        npy(tmp_path / "m.npy", shape)
        refusal(tmp_path / "m.npy")


def test_a_file_that_is_not_read_before_it_is_known_to_be_a_mask(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        npy(tmp_path / "part.npy", (10**12,))
        archive.writestr("bomb.npy", (tmp_path / "part.npy").read_bytes())
        npy(tmp_path / "part.npy", FIRST.shape, data=FIRST.tobytes())
        archive.writestr("mask.npy", (tmp_path / "part.npy").read_bytes())
        archive.writestr("notes.txt", "no array")
    assert read(tmp_path / "m.npz") == (
        {"mask": Mask(FIRST)},
        ["bomb: a mask must have 2 axes [n_out, n_in], got shape (1000000000000,)"],
    )


@pytest.mark.parametrize("entries", [1, 7, 24, 1 << 20])
def test_masks_are_read_in_parts_of_any_size(tmp_path, monkeypatch, entries):
    monkeypatch.setattr("prunescope.tensors.named_tensor.TILE_ENTRIES", entries)
    floats = FIRST.astype(np.float64)
    np.save(tmp_path / "a.npy", floats)
    np.savez_compressed(tmp_path / "a.npz", mask=floats)
    np.savez(tmp_path / "b.npz", mask=np.asfortranarray(floats))
    save_file({"mask": floats}, tmp_path / "a.safetensors")
    torch.save(torch.tensor(floats).T.contiguous().T, tmp_path / "a.pt")
    for path in tmp_path.iterdir():
        assert [mask for _, mask in load_masks(path)] == [Mask(FIRST)]


def test_dicts_that_hold_themselves_or_each_other_without_end(tmp_path):
    path = tmp_path / "m.pt"
    state = {"fc.weight_mask": torch.tensor(FIRST)}
    state["again"] = state
    torch.save(state, path)
    assert load_masks(path) == [("fc.weight_mask", Mask(FIRST))]
    torch.save({"a": state, "b": state}, path)
    assert [name for name, _ in load_masks(path)] == ["a.fc.weight_mask", "b.fc.weight_mask"]
    doubled = [torch.tensor(FIRST)]
    for _ in range(60):
        doubled = [doubled, doubled]
    torch.save(doubled, path)
    assert "nested without end" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b".")
        archive.writestr("archive/version", "3\n")
    assert "nested without end" in refusal(path)


def test_sparse_tensors_with_indices_outside_are_refused(tmp_path):
    for outside in (10**7, -(10**7)):
        indices, ones = torch.tensor([[outside], [2]]), torch.ones(1)
        with torch.sparse.check_sparse_tensor_invariants(False):
            torch.save({"fc.weight_mask": torch.sparse_coo_tensor(indices, ones, (3, 3))}, tmp_path / "m.pt")
        assert "damaged" in refusal(tmp_path / "m.pt")
    assert not torch.sparse.check_sparse_tensor_invariants.is_enabled()


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (torch.empty(5, 12, device="meta"), "a tensor on the device meta has no values"),
        (torch.tensor(FIRST).to(torch.float8_e8m0fnu), "must hold only 0 and 1"),
        (torch.empty(0, 12), "at least one entry"),
    ],
)
def test_tensors_that_are_no_mask_are_refused(tmp_path, tensor, reason):
    torch.save({"fc.weight_mask": tensor}, tmp_path / "m.pt")
    assert reason in refusal(tmp_path / "m.pt")
    with pytest.raises(InputError, match=reason):
        Mask.of(tensor)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e4m3fn, torch.uint16, torch.int8])
def test_unusual_types_are_read(tmp_path, dtype):
    mask = torch.tensor(FIRST).to(dtype)
    torch.save({"fc.weight_mask": mask.conj() if dtype.is_complex else mask}, tmp_path / "m.pt")
    assert load_masks(tmp_path / "m.pt") == [("fc.weight_mask", Mask(FIRST))]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".pt"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, suffix):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    assert refusal(tmp_path / f"pipe{suffix}") == "is a pipe, not a file"
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    assert refusal(tmp_path / f"zero{suffix}") == "is a device, not a file"
    (tmp_path / f"folder{suffix}").mkdir()
    assert refusal(tmp_path / f"folder{suffix}").startswith("is a directory, not a file")
    (tmp_path / f"loop{suffix}").symlink_to(f"loop{suffix}")
    assert refusal(tmp_path / f"loop{suffix}").startswith("cannot be read (")


def test_names_of_any_kind_are_read_and_printed_on_one_line(tmp_path):
    path = tmp_path / "m.pt"
    torch.save({1: torch.tensor(FIRST), (1, 2): torch.tensor(SECOND), None: torch.ones(3)}, path)
    assert [name for name, _ in load_masks(path)] == ["1", "tuple"]
    torch.save({"a\n\x1b[31m" + 1000 * "x": torch.tensor(FIRST), "b\n": torch.ones(3)}, path)
    found, said = read(path)
    assert list(found) == ["a\n\x1b[31m" + 1000 * "x"]
    assert said == [r"b\n: a mask must have 2 axes [n_out, n_in], got shape (3,)"]
    message = refusal(path, layer=7)
    assert r"a\n\x1b[31mxxx" in message
    assert len(message) < 200
    save_file({"a" + "9" * 6000: FIRST, "a" + "8" * 6000: SECOND}, tmp_path / "m.safetensors")
    assert [mask for _, mask in load_masks(tmp_path / "m.safetensors")] == [Mask(SECOND), Mask(FIRST)]


def test_archives_of_code_and_of_many_objects_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/model.py"):
            archive.writestr(f"archive/{name}", "")
    assert "TorchScript" in refusal(path)
    monkeypatch.setattr("prunescope.tensors.torch_file.LARGEST_PICKLE", 10)
    torch.save({"fc.weight_mask": torch.tensor(FIRST)}, path)
    assert "Python objects are more than a state_dict needs" in refusal(path)


def test_safetensors_whose_header_claims_too_much_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    for shape, end in (([2, 2], 16), ([2**40, 2**40], 4), ([2, 2], 3)):
        header = json.dumps({"a": {"dtype": "U8", "shape": shape, "data_offsets": [0, end]}}).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
        assert "damaged" in refusal(path)
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    assert "damaged" in refusal(path)
    save_file({"a": np.zeros(4, np.uint8)}, path, metadata={"a": "1000000x1000000"})
    assert "4 bytes do not hold a packed 1000000x1000000 mask" in refusal(path)
