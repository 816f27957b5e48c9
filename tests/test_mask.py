"""prunescope.mask: run with `pytest tests/test_mask.py`."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunescope.errors import InputError
from prunescope.mask import Mask

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 30)))


@given(MASKS)
def test_packing_keeps_every_weight(array):
    packed = Mask(array).pack()
    assert packed.nbytes == -(-array.size // 8)
    assert np.array_equal(Mask.unpack(packed, *array.shape).array, array)


@given(MASKS)
def test_counts_are_those_of_the_array(array):
    mask = Mask(array)
    assert mask.kept == sum(map(int, array.ravel()))
    assert mask.density == mask.kept / array.size
    assert mask.fan_in.tolist() == [sum(map(int, row)) for row in array]
    assert mask.fan_out.tolist() == [sum(map(int, column)) for column in array.T]
    assert mask.fan_in.sum() == mask.fan_out.sum() == mask.kept


@given(MASKS, st.integers(0, 2**32 - 1))
def test_intersection_is_nested_in_both(array, seed):
    other = np.random.default_rng(seed).random(array.shape) < 0.5
    both = Mask(array) & Mask(other)
    assert not (both.array & ~array).any()
    assert not (both.array & ~other).any()
    assert both.kept == int((array & other).sum())
    assert both & Mask(array) == both


@given(MASKS)
def test_equal_masks_are_one_key_and_one_flip_makes_another(array):
    flipped = array.copy()
    flipped[-1, -1] ^= True
    assert Mask(array) == Mask(array.astype(np.float32))
    assert hash(Mask(array)) == hash(Mask(array.astype(np.int8)))
    assert len({Mask(array), Mask(array.copy()), Mask(flipped)}) == 2


def test_a_mask_does_not_change_with_the_array_it_was_made_from():
    source = np.ones((2, 3), dtype=np.bool_)
    for mask in (Mask(source), Mask(source[:, :]), Mask.of(source)):
        source[0, 0] = False
        assert mask.kept == 6
        source[0, 0] = True
    with pytest.raises(ValueError, match="read-only"):
        Mask(source).array[0, 0] = False


def test_of_takes_masks_arrays_tensors_and_pruned_modules():
    torch = pytest.importorskip("torch")
    from torch.nn.utils import prune

    array = np.array([[1, 0, 1], [0, 0, 1]])
    mask = Mask(array)
    assert Mask.of(mask) is mask
    assert Mask.of(array.tolist()) == mask
    assert Mask.of(torch.tensor(array, dtype=torch.float32, requires_grad=True)) == mask
    assert Mask.of(SimpleNamespace(weight_mask=torch.tensor(array))) == mask
    module = prune.custom_from_mask(torch.nn.Linear(3, 2), "weight", torch.tensor(array))
    assert Mask.of(module) == mask


def test_images_put_pixel_c_y_x_at_its_input_index():
    channels, height, width = 3, 4, 5
    for c, y, x in [(0, 0, 0), (2, 3, 4), (1, 2, 3)]:
        array = np.zeros((1, channels * height * width), dtype=np.bool_)
        array[0, c * height * width + y * width + x] = True
        assert np.argwhere(Mask(array).images((channels, height, width))).tolist() == [[0, c, y, x]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), r"2 axes.*\(3,\)"),
        (np.ones((2, 2, 2)), r"2 axes.*\(2, 2, 2\)"),
        (np.ones((0, 3)), r"at least one entry.*\(0, 3\)"),
        (np.full((2, 2), 0.5), "only 0 and 1"),
        (np.full((2, 2), np.nan), "only 0 and 1"),
        (np.array([[0, 2]]), "only 0 and 1"),
    ],
)
def test_what_is_no_mask_is_refused(array, message):
    with pytest.raises(ValueError, match=message):
        Mask(array)


@pytest.mark.parametrize("shape", [(3, 2, 2), (1, 3, 3), (1, 1, 9)])
def test_an_image_shape_of_another_size_is_refused(shape):
    with pytest.raises(ValueError, match="does not hold 10 inputs"):
        Mask.ones(2, 10).images(shape)
    with pytest.raises(InputError, match=r"shape 10 is not that of an image, \(C, H, W\)"):
        Mask.ones(2, 10).images((10,))


@pytest.mark.parametrize("packed", [np.zeros(1, np.uint8), np.zeros(3, np.uint8), np.zeros(2, np.int64)])
def test_packed_bytes_that_do_not_fit_are_refused(packed):
    with pytest.raises(ValueError, match="do not hold a packed 3x4 mask"):
        Mask.unpack(packed, 3, 4)


def test_ones_is_dense():
    mask = Mask.ones(3, 5)
    assert (mask.n_out, mask.n_in, mask.kept, mask.density) == (3, 5, 15, 1.0)
    assert "3x5" in repr(mask)
    assert "15 kept" in repr(mask)


def test_a_digest_tells_masks_and_shapes_apart():
    mask = Mask(np.eye(4, dtype=bool))
    for same in (
        np.eye(4, dtype=bool),
        np.eye(4),
        np.asfortranarray(np.eye(4, dtype=np.int8)),
        np.eye(4).tolist(),
    ):
        assert mask.digest == Mask.of(same).digest  # neither type nor order in memory matters
    other = np.eye(4, dtype=bool)
    other[0, 1] = True
    others = [Mask(other), Mask(np.eye(4, dtype=bool).reshape(2, 8))]
    assert len({mask.digest, *(one.digest for one in others)}) == 3


@pytest.mark.parametrize(
    "nothing",
    [None, "01", [[0, 1], [1]], [[None, 1]], [["0", "1"]], {}, 3, [[1, 2]], [[0, float("nan")]], [[]]],
)
def test_what_holds_no_numbers_is_refused(nothing):
    with pytest.raises(InputError, match="a mask must "):
        Mask.of(nothing)


def test_absurd_sizes_are_refused_before_memory_is_taken():
    with pytest.raises(InputError, match=r"a mask of 1000000x1000000 would take 1,000\.0 GB"):
        Mask(np.broadcast_to(True, (10**6, 10**6)))
    with pytest.raises(InputError, match="n_out must be 1 or more, got -1"):
        Mask.unpack(np.zeros(0, np.uint8), -1, 8)
    with pytest.raises(InputError, match="does not hold 4 inputs"):
        Mask.ones(1, 4).images((2**32, 2**32, 1))
    with pytest.raises(InputError, match="shape -2x-2x1 is not that of an image"):
        Mask.ones(1, 4).images((-2, -2, 1))


def test_bytes_taken_for_bool_count_once():
    mask = Mask(np.array([[2, 255, 0]], np.uint8).view(np.bool_))
    assert (mask.kept, mask.fan_in.tolist(), mask.array.view(np.uint8).tolist()) == (2, [2], [[1, 1, 0]])
