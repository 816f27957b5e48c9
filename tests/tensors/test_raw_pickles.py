"""prunescope.tensors.raw_pickles: run with `pytest tests/tensors/test_raw_pickles.py`."""

import io
import os
import pickle

import numpy as np
import pytest
import torch

from prunescope.errors import InputError
from prunescope.tensors import named_masks

KEPT = np.eye(5, 12, dtype=bool)
ARRAYS = {"fc1.weight": np.where(KEPT, 0.5, 0), "fc2.weight": KEPT}
SUFFIXES = [".pkl", ".pickle", ".p", ".joblib", ".pt", ".pth", ".bin", ".ckpt", ".npy", ".npz"]


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def refusal(path):
    """The line with which a file is refused."""
    with pytest.raises(InputError) as caught:
        list(named_masks(path))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("suffix", [".pkl", ".pt"])
def test_a_pickle_of_arrays_is_refused_by_name(tmp_path, suffix, protocol):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(pickle.dumps(ARRAYS, protocol))
    line = refusal(path)
    assert line.startswith("refused, it is a pickle that calls numpy.")
    assert line.endswith(
        "on loading, and to open a pickle may run code; save its arrays as .npz, "
        'np.savez("masks.npz", **masks), or as .safetensors'
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(pickle.dumps(ARRAYS))
    assert refusal(path).startswith("refused, it is a pickle that calls numpy.")
    path.write_bytes(pickle.dumps({"a": [[0, 1], [1, 0]]}))
    assert refusal(path).startswith("refused, it is a pickle, and to open a pickle may run code")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_it_would_run_is_named_and_not_run(tmp_path, protocol):
    path, mark = tmp_path / "a.pkl", tmp_path / "mark"
    path.write_bytes(pickle.dumps({"a": Payload(mark)}, protocol))
    assert f"calls {os.mkdir.__module__}.mkdir on loading" in refusal(path)
    assert not mark.exists()


def test_names_that_are_said_once_and_repeated_are_found(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([Payload("x"), torch.nn.Linear(2, 3), Payload("y"), torch.ones(2)], 4))
    assert (
        f"calls {os.mkdir.__module__}.mkdir, torch.nn.modules.linear.Linear, torch._utils._rebuild_parameter, … on"
        in refusal(path)
    )


def test_a_large_pickle_is_told_by_its_beginning(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps({"a": np.zeros((600, 600)), "b": Payload("x")}, 4))
    assert "calls numpy." in refusal(path)


@pytest.mark.parametrize(
    ("suffix", "content"), [(".pkl", b""), (".pkl", b"hello"), (".pkl", b"\x80\x04\0\0")]
)
def test_what_is_called_a_pickle_and_is_none(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert refusal(path).startswith(f"cannot read masks from {suffix}; use .npy")


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch_are_none(tmp_path, zipped):
    saved = io.BytesIO()
    torch.save({"a": torch.tensor(KEPT)}, saved, _use_new_zipfile_serialization=zipped)
    (tmp_path / "a.pt").write_bytes(saved.getvalue())
    [found] = named_masks(tmp_path / "a.pt")
    np.testing.assert_array_equal(found.array, KEPT)
