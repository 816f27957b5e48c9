"""prunescope.tensors.stored_arrays: run with `pytest tests/tensors/test_stored_arrays.py`."""

import io
import math

import numpy as np
import pytest
import torch

from prunescope.errors import InputError
from prunescope.tensors.stored_arrays import SHORT_FLOATS, StoredArray, number_type

# The types of eight bits that torch has, which is another's word on what their bytes mean.
OF_TORCH = sorted(name for name in SHORT_FLOATS if hasattr(torch, name))


def stored(data, shape, kind, pieces=None):
    """An array in a file of these bytes."""
    return StoredArray(io.BytesIO(data), shape, number_type(kind), pieces or ((0, len(data)),))


@pytest.mark.parametrize("kind", OF_TORCH)
def test_every_byte_of_a_short_float_is_what_torch_says(kind):
    every = torch.arange(256, dtype=torch.uint8)
    expected = every.view(getattr(torch, kind)).float().numpy()
    np.testing.assert_array_equal(stored(bytes(range(256)), (256,), kind).read(0, 256), expected)


def test_the_short_floats_that_torch_has_are_nearly_all():
    assert set(SHORT_FLOATS) - set(OF_TORCH) == {"float8_e4m3"}
    found = stored(bytes([0x00, 0x80, 0x38, 0x78, 0xF8, 0x79, 0x77]), (7,), "float8_e4m3").read(0, 7)
    assert found[:5].tolist() == [0.0, 0.0, 1.0, math.inf, -math.inf]
    assert math.isnan(found[5])
    assert found[6] == 240


def test_bfloat16():
    values = torch.tensor([0.0, -0.0, 1.0, -2.5, 1e-40, math.inf]).bfloat16()
    found = stored(values.view(torch.uint8).numpy().tobytes(), (6,), "bfloat16").read(0, 6)
    assert found.tolist() == values.float().tolist()
    assert (found != 0).tolist() == (values != 0).tolist()


@pytest.mark.parametrize("kind", ["uint8", "int16", "float16", "float32", "int64", "complex64", "bool"])
def test_types_that_numpy_has(kind):
    array = np.arange(6).astype(kind)
    assert stored(array.tobytes(), (6,), kind).read(2, 3).tolist() == array[2:5].tolist()


def test_pieces_are_read_as_one():
    array = np.arange(10, dtype=np.float32)
    data = b"??" + array[:4].tobytes() + b"!" + array[4:5].tobytes() + array[5:].tobytes()
    pieces = ((2, 16), (19, 4), (23, 20))
    for first in range(10):
        for count in range(10 - first):
            found = stored(data, (10,), "float32", pieces).read(first, count)
            assert found.tolist() == array[first : first + count].tolist()


def test_what_is_not_there_or_not_known_is_refused():
    with pytest.raises(EOFError):
        stored(b"abcd", (2,), "float32").read(0, 2)
    with pytest.raises(EOFError):
        stored(b"abcd", (2,), "float32", ((0, 8),)).read(0, 2)
    with pytest.raises(InputError, match="numbers of the type int3 are not read"):
        stored(b"abcd", (2,), "int3").read(0, 1)
