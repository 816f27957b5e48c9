"""prunescope.tensors.scipy_file: run with `pytest tests/tensors/test_scipy_file.py`."""

import io
import zipfile

import numpy as np
import pytest
import scipy.sparse

from prunescope.tensors import named_masks
from tensors.reading import refusal

KEPT = np.random.default_rng(0).random((6, 8)) < 0.3
WEIGHTS = np.where(KEPT, np.random.default_rng(1).normal(size=KEPT.shape), 0)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("values", [WEIGHTS, KEPT, KEPT.astype(np.float32)])
def test_every_format_that_the_library_writes(tmp_path, form, kind, values):
    matrix = getattr(scipy.sparse, f"{form}_{kind}")(values)
    scipy.sparse.save_npz(tmp_path / "fc.npz", matrix)
    (mask,) = named_masks(tmp_path / "fc.npz")
    assert mask.name == "fc"
    np.testing.assert_array_equal(mask.array, KEPT)


def test_a_stored_zero_is_not_kept(tmp_path):
    rows, columns = np.nonzero(KEPT)
    values = np.ones(len(rows), np.float32)
    values[3] = 0
    expected = KEPT.copy()
    expected[rows[3], columns[3]] = False
    scipy.sparse.save_npz(tmp_path / "m.npz", scipy.sparse.coo_array((values, (rows, columns)), KEPT.shape))
    (mask,) = named_masks(tmp_path / "m.npz")
    np.testing.assert_array_equal(mask.array, expected)


def changed(path, form, **parts):
    """A file of a matrix in this format with other arrays in place of some of its own."""
    scipy.sparse.save_npz(path, getattr(scipy.sparse, f"{form}_array")(WEIGHTS))
    held = dict(np.load(path))
    np.savez(path, **(held | parts))
    return path


@pytest.mark.parametrize(
    ("form", "parts"),
    [
        ("csr", {"indices": np.full(int(KEPT.sum()), 1000, np.int32)}),
        ("csr", {"indices": np.full(int(KEPT.sum()), -3, np.int32)}),
        ("csr", {"indptr": np.array([0, 10**6, 0, 0, 0, 0, 5], np.int32)}),
        ("csr", {"shape": np.array([6, 2])}),
        ("csc", {"indices": np.full(int(KEPT.sum()), 1000, np.int32)}),
        ("bsr", {"indices": np.full(48, 1000, np.int32)}),
        ("coo", {"row": np.full(int(KEPT.sum()), 1000, np.int32)}),
        ("coo", {"col": np.full(int(KEPT.sum()), -9, np.int32)}),
        ("csr", {"format": np.array(b"xyz")}),
        ("csr", {"data": np.array(["text"] * int(KEPT.sum()))}),
    ],
)
def test_indices_that_lie_outside_are_refused(tmp_path, form, parts):
    refusal(changed(tmp_path / "m.npz", form, **parts))


def test_other_shapes_are_refused(tmp_path):
    path = changed(tmp_path / "m.npz", "csr", shape=np.array([6, 8, 2]))
    assert "a mask must have 2 axes [n_out, n_in], this sparse array has 3" in refusal(path)
    path = changed(tmp_path / "m.npz", "csr", shape=np.array([10**7, 10**9]))
    assert "would take 10,000,000.0 GB of memory" in refusal(path)


def test_objects_and_arrays_that_are_not_there_are_refused(tmp_path):
    path = changed(tmp_path / "m.npz", "csr", data=np.array([{}] * int(KEPT.sum())))
    assert "pickled objects" in refusal(path)
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("format.npy", "shape.npy", "data.npy"):
            archive.writestr(name, stream.getvalue())
    assert "format.npy is shorter than its header says" in refusal(path)
