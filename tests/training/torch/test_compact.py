"""What of a network is connected: run with `pytest tests/training/torch/test_compact.py`."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prunescope.mask import Mask
from prunescope.model import Ticket, initial
from prunescope.training.torch.compact import MULTIPLE, Connections, chosen, connections, copied, spread

Case = tuple[Ticket, np.ndarray, int]


@st.composite
def cases(draw) -> Case:
    """A ticket of 1 to 3 hidden layers, which pixels are live, and a number of classes."""
    sizes = draw(st.lists(st.integers(1, 140), min_size=2, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.7, 1.0]))
    masks = [rng.random((n, m)) < share for m, n in pairwise(sizes)]
    for mask in masks:  # Units without weights, and inputs that nobody reads, are few in random masks.
        mask[rng.random(len(mask)) < draw(st.sampled_from([0.0, 0.4]))] = False
        mask[:, rng.random(mask.shape[1]) < draw(st.sampled_from([0.0, 0.4]))] = False
    live = rng.random(sizes[0]) < draw(st.sampled_from([0.0, 0.6, 1.0]))
    biases = tuple(rng.random(n) < 0.5 for n in sizes[1:])
    return Ticket(tuple(Mask(mask) for mask in masks), biases), live, draw(st.integers(1, 130))


def real(indices: np.ndarray) -> set[int]:
    return {int(index) for index in indices if index >= 0}


def whole_masks(ticket: Ticket, classes: int) -> list[np.ndarray]:
    last = ticket.masks[-1].array
    return [*(mask.array for mask in ticket.masks), np.ones((classes, len(last)), bool)]


@given(cases())
@example((Ticket.dense((128, 64, 3)), np.ones(128, bool), 3))
def test_what_takes_part_is_what_is_live_and_read(case):
    ticket, pixels, classes = case
    found, live = connections(ticket, pixels, classes), ticket.live_inputs(pixels)
    masks = whole_masks(ticket, classes)
    assert len(found) == len(masks)
    for place, varies, mask in zip(found, live, masks, strict=True):
        read = {column for column in range(mask.shape[1]) if any(mask[:, column])}
        constants = {int(column) for column in np.flatnonzero(~varies)}
        assert real(place.columns[: place.varying]) == read - constants
        assert real(place.columns[place.varying :]) == read & constants
    assert real(found[-1].rows) == set(range(classes))


@given(cases())
def test_rows_are_the_varying_columns_of_the_layer_above_in_their_order(case):
    for below, above in pairwise(connections(*case)):
        np.testing.assert_array_equal(below.rows, above.columns[: above.varying])


@given(cases())
def test_sizes_are_multiples_and_padding_comes_last(case):
    for place in connections(*case):
        parts = (place.rows, place.columns[: place.varying], place.columns[place.varying :])
        for indices in parts:
            assert len(indices) % MULTIPLE == 0
            assert indices.dtype == np.int64
            there = indices[indices >= 0]
            np.testing.assert_array_equal(indices[: len(there)], np.unique(there))
        assert min(len(place.rows), place.varying) >= MULTIPLE
        assert len(place.columns) < place.varying + MULTIPLE * 3 + 1


@given(cases())
def test_a_mask_loses_only_weights_that_move_nothing(case):
    ticket, pixels, _ = case
    upper = ticket.live_inputs(pixels)[1:]
    for place, mask, varies in zip(connections(*case), ticket.masks, upper, strict=False):
        kept = place.matrix(mask.array)
        inside = np.zeros_like(mask.array)
        place.spread_matrix(kept, inside)
        assert not (inside & ~mask.array).any()
        lost = mask.array & ~inside
        rows = real(place.rows)
        # Every lost weight is of a unit that sends a constant, or that nothing reads.
        assert all(row not in rows for row in np.flatnonzero(lost.any(axis=1)))
        assert rows <= set(np.flatnonzero(varies).tolist())


@given(cases(), st.integers(0, 2**32))
def test_spreading_puts_everything_back_where_it_was(case, seed):
    ticket, _, classes = case
    rng = np.random.default_rng(seed)
    for place, mask in zip(connections(*case), whole_masks(ticket, classes), strict=True):
        weight, into = rng.random(mask.shape), np.full(mask.shape, -1.0)
        compact = place.matrix(weight)
        assert compact.shape == (len(place.rows), len(place.columns))
        assert compact.flags.c_contiguous
        place.spread_matrix(compact, into)
        written = into >= 0
        np.testing.assert_array_equal(into[written], weight[written])
        rows, columns = real(place.rows), real(place.columns)
        assert written.sum() == len(rows) * len(columns)
        assert np.count_nonzero(compact) == len(rows) * len(columns)  # the padding is 0
        np.testing.assert_array_equal(place.matrix(into)[compact != 0], compact[compact != 0])
        for indices, length in ((place.rows, mask.shape[0]), (place.columns, mask.shape[1])):
            vector, back = rng.random(length).astype(np.float32), np.full(length, -1, np.float32)
            short = chosen(vector, indices)
            assert short.dtype == np.float32
            spread(short, indices, back)
            np.testing.assert_array_equal(back, np.where(np.isin(np.arange(length), indices), vector, -1))


@pytest.mark.parametrize(
    ("sizes", "whole"), [((128, 64, 3), True), ((100, 64, 3), False), ((128, 100, 3), True)]
)
def test_a_dense_first_layer_of_a_fitting_size_is_read_as_it_lies(sizes, whole):
    place = connections(Ticket.dense(sizes), np.ones(sizes[0], bool), 3)[0]
    assert place.whole is whole


def test_a_matrix_of_which_all_takes_part_is_taken_as_it_is():
    place = Connections(np.arange(64), np.arange(128), 128)
    weight = np.random.default_rng(0).random((64, 128)).astype(np.float32)
    np.testing.assert_array_equal(place.matrix(weight), weight)
    into = np.zeros_like(weight)
    place.spread_matrix(weight, into)
    np.testing.assert_array_equal(into, weight)


def test_copies_of_a_model_may_be_written():
    model = initial((7, 5, 3), "before", 0)
    found = copied(model)
    for own, layer in zip(found, model.layers, strict=True):
        for array, original in zip(own, vars(layer).values(), strict=True):
            np.testing.assert_array_equal(array, original)
            array += 1
            assert not np.array_equal(array, original)
