"""These tests check that the restricted pickle reader builds data and calls nothing."""

import builtins
import os
import pickle
import struct
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.data.sources import pickles
from prunescope.errors import InputError

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(min_size=1),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class Calls:
    """An object whose pickle is a call of ``function``."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


@pytest.fixture
def load(tmp_path):
    def load(content: bytes):
        path = tmp_path / "file"
        path.write_bytes(content)
        return pickles.load(path)

    return load


@given(value=plain, protocol=st.sampled_from([2, 4, 5]))
def test_plain_data_comes_back(tmp_path_factory, value, protocol):
    path = tmp_path_factory.getbasetemp() / "plain"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    assert pickles.load(path) == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4", "<f4", "?", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back(load, protocol, dtype, order):
    array = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)
    found = load(pickle.dumps({"data": array, "number": np.float32(2.5)}, protocol=protocol))
    np.testing.assert_array_equal(found["data"], array)
    assert found["data"].dtype == array.dtype
    assert found["number"] == 2.5


def test_arrays_of_old_pickles_with_python_2_strings(load):
    # what Python 2 wrote for {'data': array([[1, 2], [3, 200]], uint8)}: 8-bit strings, old module name
    raw = bytes([1, 2, 3, 200])
    content = (
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff"
        b"\xff\xffK\x00tb\x89U\x04" + raw + b"tbs."
    )
    np.testing.assert_array_equal(load(content)["data"], [[1, 2], [3, 200]])


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch HERE",), "posix.system"),
        (eval, ("1+1",), "builtins.eval"),
        (exec, ("x = 1",), "builtins.exec"),
        (getattr, ("a", "upper"), "builtins.getattr"),
        (builtins.__import__, ("os",), "builtins.__import__"),
        (subprocess.Popen, (["true"],), "subprocess.Popen"),
        (np.load, ("x",), "numpy.load"),
        (np.fromfile, ("x",), "numpy.fromfile"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_call_is_refused_by_name(load, function, arguments, name, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({"data": Calls(function, *arguments)}, protocol=protocol)
    with pytest.raises(InputError, match="refused: pickle calls") as caught:
        load(content)
    # protocols 0 and 2 name Python 2's modules (__builtin__, commands), which the message repeats
    assert (name if protocol == 4 else "." + name.split(".")[1]) in str(caught.value)
    assert not (tmp_path / "HERE").exists()


@pytest.mark.parametrize(
    "value",
    [
        np.array([{}, []], dtype=object),
        np.array([(1, 2.0)], dtype="i4,f8"),
        np.array(["text"]),
        np.array([1], dtype="M8[s]"),
        np.dtype("u1"),
        {1, 2},
        1j,
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_other_things_than_numbers_are_refused(load, value, protocol):
    with pytest.raises(InputError, match="refused"):
        load(pickle.dumps({"data": value}, protocol=protocol))


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # the classic
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"(S'true'\nios\nsystem\n.",  # INST
        b"\x80\x02\x82\x01.",  # an extension code
        b"P0\n.",  # a persistent id
        b"cnumpy\ndtype\n}S'__init__'\nNsb.",  # a state set on a stand-in
        b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"\x80\x04\x8c\x15numpy.core.multiarray\x8c\x18_reconstruct.__globals__\x93.",
        b"cnumpy\nndarray\n.",  # no value, a name
    ],
)
def test_crafted_pickles_are_refused_in_one_line(load, content):
    with pytest.raises(InputError) as caught:
        load(content)
    assert "\n" not in str(caught.value)


def test_an_array_that_says_it_is_larger_than_its_bytes(load):
    content = pickle.dumps(np.zeros(4, np.uint8), protocol=2)
    assert content.count(b"K\x04\x85") == 1
    with pytest.raises(InputError, match="truncated or damaged"):
        load(content.replace(b"K\x04\x85", b"J" + struct.pack("<i", 2**31 - 1) + b"\x85"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated(load, share):
    content = pickle.dumps({"data": np.zeros(1000, np.uint8), "labels": list(range(100))}, protocol=2)
    with pytest.raises(InputError, match="truncated or damaged pickle"):
        load(content[: int(share * len(content))])


@given(position=st.integers(0, 400), value=st.integers(0, 255))
def test_a_damaged_byte_never_escapes_as_another_error(tmp_path_factory, position, value):
    content = bytearray(pickle.dumps({"data": np.arange(200, dtype=np.uint8), "labels": [1, 2]}, protocol=2))
    content[position % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    try:
        found = pickles.load(path)
    except InputError:
        return
    assert isinstance(found, dict | list | str | bytes | int | float | np.ndarray | None)


def test_missing(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        pickles.load(tmp_path / "nowhere")


LONG = pickle.BINUNICODE + struct.pack("<I", 200_000) + b"a" * 200_000 + b"\x94"  # kept under number 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x04K\x01r\xff\xff\xff\x7f\x8e" + struct.pack("<Q", 1 << 40) + b"ab.", "it ends before"),
        (b"\x80\x04\x95" + struct.pack("<Q", 1 << 33) + b"K\x01.", "it ends before"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 33) + b".", "it ends before"),
        (b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"\x01.", "it ends before"),
        (b"I" + b"9" * 10_000 + b"\n.", "digits"),
        (
            b"\x80\x04" + b"]\x94" + b"".join(b"](h%ch%ce" % (n, n) + b"\x94" for n in range(60)) + b".",
            "repeats",
        ),
        (b"\x80\x04]\x94h\x00a.", "repeats its parts|recursion"),
        (b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".", "recursion"),
        (b"\x80\x04}K\x01" + b"\x85" * 500_000 + b"K\x02s.", "a key that is neither text nor a number"),
        (b"\x80\x04}\x8a\x09" + b"\x01" * 9 + b"K\x02s.", "a key that is neither text nor a number"),
        (b"\x80\x04]K\x00K\x01s.", "keys without a dict"),
        (b"]" * 2_000_001 + b".", "more than 2,000,000 values"),
        (
            b"\x80\x04" + LONG + b"c_codecs\nencode\n\x94(" + b"h\x01h\x00\x85R" * 50 + b"l.",
            "it repeats its parts",
        ),
    ],
)
def test_what_asks_for_more_than_the_file_holds_is_refused(load, content, message):
    with pytest.raises(InputError, match=f"truncated or damaged pickle: .*({message})") as caught:
        load(content)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_number_under_which_a_value_is_kept_takes_no_memory():
    content = b"\x80\x02K\x07r\xff\xff\xff\x7f."  # the reader in C takes 16 GB for it
    code = (
        "import resource, sys, pathlib\n"
        "from prunescope.data.sources import pickles\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "print(pickles.load(pathlib.Path(sys.argv[1])))\n"
    )
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        done = subprocess.run([sys.executable, "-c", code, file.name], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_a_pickle_that_does_not_fit_into_memory(load, monkeypatch):
    monkeypatch.setattr("prunescope.memory.available_memory", lambda: 1000)
    with pytest.raises(InputError, match=r"file would take .* of memory"):
        load(pickle.dumps(bytes(2000)))


def test_names_of_what_is_refused_are_short_and_on_one_line(load):
    with pytest.raises(InputError, match="refused: pickle calls") as caught:
        load(b"\x80\x04\x8c\x03a\nb\x8d" + struct.pack("<Q", 100_000) + b"x" * 100_000 + b"\x93.")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_pipe_is_no_pickle(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for read in (pickles.load, pickles.check_end):
        with pytest.raises(InputError, match="is a pipe, not a file"):
            read(tmp_path / "pipe")
