"""Figs. 2a and 9, which need no run: what they show can be counted."""

import numpy as np
import pytest

from figures.drawn import drawn_arrays
from prunescope.figures.paper.random_nodes import random_nodes
from prunescope.figures.paper.sketch import CONNECTED, SHOWN, pairs_at
from reference.locality import pair_counts

pytestmark = pytest.mark.usefixtures("coarse")


def test_the_sketch_counts_what_its_arrows_show(tmp_path):
    data = drawn_arrays("2a", [], tmp_path)
    assert sorted(zip(*np.nonzero(data["mask"]), strict=True)) == sorted(CONNECTED)
    assert data["same"].sum() == 7 * 6
    for dx, dy in SHOWN:
        assert data["same"][7 + dy, 7 + dx] == data["same"][7 - dy, 7 - dx] == len(pairs_at((dx, dy)))
    # counted by eye: three neighbours in the line of four, the line's end to the far pixel, and so on
    assert [len(pairs_at(d)) for d in ((1, 0), (2, 0), (3, 0), (3, 3), (-1, 3), (0, 2))] == [3, 2, 1, 1, 1, 0]


@pytest.mark.parametrize("u", [1.0, 0.3, 0.01])
def test_random_nodes_keep_so_many_connections_each(u):
    nodes = random_nodes((3, 6, 5), u, count=40, seed=1)
    assert set(nodes.fan_in) == {max(1, round(u * 90))}
    assert nodes == random_nodes((3, 6, 5), u, count=40, seed=1)
    if u == 0.3:
        assert len({row.tobytes() for row in nodes.array}) == 40
        # a mean of 12 connections an input, each with a binomial sd of 2.9
        assert np.abs(nodes.fan_out - 12).max() < 12


def test_a_dense_node_falls_off_as_the_image_is_finite(tmp_path):
    data = drawn_arrays("9", [], tmp_path)
    overlap = 32 - np.abs(np.arange(-31, 32))
    expected = 3 * np.outer(overlap, overlap)
    expected[31, 31] = 0
    assert np.array_equal(data["one_random_node_u1"], expected)
    assert data["one_random_node_u0.1"].sum() <= 307 * 306  # same-channel pairs are some of all


def test_the_trained_node_is_the_most_connected(seeds, tmp_path):
    data = drawn_arrays("9", seeds, tmp_path)
    mask = seeds[0].mask(6)  # 0.7^6 = 0.118 is nearest to u = 0.1
    node = int(np.argmax(mask.fan_in))
    same, _ = pair_counts(mask.array[[node]], seeds[0].shape)
    assert np.array_equal(data["one_trained_node_u0.1"], same)
    assert data["256_random_nodes_u0.1"].shape == same.shape
