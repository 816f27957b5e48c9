"""Figs. 15 and 16: the layer that a level prunes, the level that it keeps, and the nodes that feed a node."""

import numpy as np
import pytest

from figures.drawn import drawn_arrays
from prunescope.errors import InputError
from prunescope.figures import draw
from prunescope.figures.paper.progressive import Stage, stages
from stored_runs import write_run

pytestmark = pytest.mark.usefixtures("coarse")


def test_stages_of_a_progressive_run(progressive):
    assert stages(progressive) == [
        Stage(1, (0, 1, 2), (1.0, 0.5, 0.25), (0.60, 0.65, 0.60), kept=2),
        Stage(2, (2, 3, 4), (1.0, 0.5, 0.25), (0.60, 0.70, 0.55), kept=3),
        Stage(3, (3, 5), (1.0, 0.5), (0.70, 0.50), kept=3),
    ]
    assert [stage.layer for stage in stages(progressive, through=[0, 1, 2, 3])] == [1, 2]


def test_a_tolerance_moves_no_white_dot(tolerant, progressive, tmp_path):
    assert stages(tolerant) == stages(progressive)
    assert drawn_arrays("16", [tolerant], tmp_path)["level"] == 3


def test_a_run_that_prunes_all_layers_at_once_is_refused(grey, tmp_path):
    with pytest.raises(InputError, match="level 1 prunes 3 layers at once; figure 16 needs"):
        draw("16", [grey], tmp_path)


def test_a_run_that_has_pruned_nothing_is_refused(tmp_path):
    run = write_run(tmp_path / "runs", levels=1, hidden=(8, 8), shape=(1, 4, 4))
    with pytest.raises(InputError, match="nothing is pruned yet"):
        draw("16", [run], tmp_path)


def test_the_traced_node_stands_on_what_is_kept(progressive, tmp_path):
    data = drawn_arrays("16", [progressive], tmp_path, nodes=[5])
    assert data["level"] == 3  # layer 3 could not be pruned: layer 2 at the level it was left at
    assert data["layer2_kept"] == 3
    assert data["layer3_accuracies"].tolist() == [0.7, 0.5]
    assert data["traced2_nodes"].tolist() == [5]
    assert sorted(data["traced1_nodes"]) == [0, 1, 2, 3]  # half of the 8 inputs, the first
    assert data["traced1_masks"].reshape(4, 48).sum(axis=1).tolist() == [12] * 4
    assert np.array_equal(data["traced2_masks"].reshape(48), np.arange(48) < 12)
    assert "traced3_nodes" not in data


def test_second_layer_nodes_and_what_feeds_them(seeds, tmp_path):
    run = seeds[0]
    data = drawn_arrays("15", [run], tmp_path)
    assert data["level"] == 11  # the sparsest
    first, second = run.ticket(11).masks[:2]
    reached = (second.array.astype(int) @ first.array.astype(int)) > 0
    counts = reached.sum(axis=1)
    assert counts[data["nodes"]].tolist() == sorted(counts[counts > 0], reverse=True)[:12]
    assert np.array_equal(data["masks"].reshape(len(data["nodes"]), -1), reached[data["nodes"]])
    traced = [int(name[4:].removesuffix("_feeding")) for name in data if name.endswith("_feeding")]
    assert len(traced) == 3
    for node in traced:
        feeding = data[f"node{node}_feeding"]
        assert sorted(feeding) == np.flatnonzero(second.array[node] & (first.fan_in > 0)).tolist()
        assert np.array_equal(data[f"node{node}_masks"].reshape(len(feeding), -1), first.array[feeding])
        weights = run.model(11).layers[1].weight[node, feeding]
        assert sorted(data[f"node{node}_weights"]) == pytest.approx(sorted(weights))
    seen = run.observations(11)
    places = [seen["layer2_nodes"].tolist().index(node) for node in data["nodes"]]
    assert np.array_equal(data["top_images"].reshape(len(places), 3, -1), seen["layer2_top_images"][places])


def test_a_run_without_stored_images_of_the_second_layer(progressive, tmp_path):
    data = drawn_arrays("15", [progressive], tmp_path, levels=[2])
    assert "top_images" not in data
    assert data["masks"].reshape(8, -1).sum(axis=1).tolist() == [12] * 8


@pytest.mark.parametrize(
    ("hidden", "wish", "message"),
    [
        ((8,), {}, "one hidden layer; figure 15 needs at least two"),
        ((8, 6), {"nodes": [77]}, "no node 77 among"),
    ],
)
def test_wrong_wishes(hidden, wish, message, tmp_path):
    run = write_run(tmp_path / "runs", levels=2, hidden=hidden, shape=(1, 4, 4))
    with pytest.raises(InputError, match=message):
        draw("15", [run], tmp_path / "out", **wish)
