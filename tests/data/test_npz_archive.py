"""Arrays of .npz files: run with `pytest tests/data/test_npz_archive.py`."""

import tracemalloc
import zipfile

import numpy as np
import pytest

from prunescope.data.sources.npz_archive import headers, load_arrays
from prunescope.errors import InputError


def crafted(path, name="x", header=None, data=b"", method=zipfile.ZIP_DEFLATED, version=b"\x01\x00"):
    """Write an archive with one array whose header says anything."""
    text = (header or "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }").encode() + b"\n"
    length = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(f"{name}.npy", b"\x93NUMPY" + version + length + text + data)
    return path


@pytest.mark.parametrize(
    "shape",
    [
        "(10**9,)",
        "(1000000000000,)",
        "(3, -1)",
        "(-1,)",
        "(True,)",
        f"(1{'0' * 400},)",
        "(4294967296, 4294967296)",
    ],
)
@pytest.mark.parametrize("descr", ["|u1", "<f8", "<U100000000"])
def test_a_header_that_says_more_than_there_is(tmp_path, shape, descr):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    path = crafted(tmp_path / "a.npz", header=header, data=bytes(3))
    with pytest.raises(InputError, match="truncated or damaged") as caught:
        headers(path)
    with pytest.raises(InputError, match="truncated or damaged"):
        load_arrays(path, ("x",))
    assert len(str(caught.value)) < 1000


def test_a_header_is_read_no_further_than_headers_go(tmp_path):
    path = crafted(tmp_path / "a.npz", header=" " * 30_000_000, version=b"\x02\x00")
    tracemalloc.start()
    with pytest.raises(InputError, match="truncated or damaged"):
        headers(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_other_compressions_could_unpack_into_anything_at_once(tmp_path):
    with pytest.raises(InputError, match=r"compressed in a way that NumPy does not use"):
        headers(crafted(tmp_path / "a.npz", data=bytes(3), method=zipfile.ZIP_BZIP2))


def test_what_does_not_fit_into_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, images=np.zeros((12, 400, 400), np.uint8))
    monkeypatch.setattr("prunescope.memory.available_memory", lambda: 100_000)
    with pytest.raises(InputError, match=r"a.npz: images would take 0.0 GB of memory; 0.0 GB are available"):
        load_arrays(path, ("images",))
