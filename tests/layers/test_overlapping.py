"""Two networks side by side: run with `pytest tests/layers/test_overlapping.py`."""

import json

import numpy as np
import polars
import pytest

import prunescope as ps
from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.observables.overlap import overlap as mask_overlap
from prunescope.observables.unit_matching import match_units
from prunescope.randomness import generator
from reference.overlaps import ragged
from stored_runs import write_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of a run of small layers."""
    out = tmp_path_factory.mktemp("runs")
    sizes = {"shape": (1, 5, 5), "hidden": (8, 6), "levels": 4}
    return [write_run(out, seed=seed, **sizes) for seed in range(2)]


def permuted(path, masks):
    """Write a chain of masks with the units of all but the last in another order; returns the orders."""
    orders = [generator(n, "order").permutation(mask.n_out) for n, mask in enumerate(masks)]
    arrays, before = {}, np.arange(masks[0].n_in)
    for number, (mask, order) in enumerate(zip(masks, orders, strict=True), 1):
        last = number == len(masks)
        rows = np.arange(mask.n_out) if last else np.argsort(order)
        arrays[f"fc{number}.weight_mask"] = mask.array[rows][:, np.argsort(before)]
        before = order
    np.savez(path, **arrays)
    return orders


def test_a_network_with_units_in_another_order_is_the_same_once_matched(tmp_path):
    masks = [ragged(20, 30, 0.3), ragged(16, 20, 0.4, seed=1), ragged(4, 16, 0.5, seed=2)]
    np.savez(tmp_path / "a.npz", **{f"fc{n}.weight_mask": mask.array for n, mask in enumerate(masks, 1)})
    orders = permuted(tmp_path / "b.npz", masks)
    found = ps.overlap(tmp_path / "a.npz", str(tmp_path / "b.npz"))
    assert found.chain == "outputs"
    assert [layer.name for layer in found] == ["fc1", "fc2", "fc3"]
    assert [layer.matched.shared for layer in found] == [mask.kept for mask in masks]
    assert found[0].matched.order.tolist() == orders[0].tolist()
    assert found[2].moved == 0
    assert "fc3 is taken for the output layer" in found.notes[-1]
    assert found.sources[0].endswith("a.npz")
    alone = ps.overlap(tmp_path / "a.npz", tmp_path / "b.npz", chain="none")
    assert alone[0].matched.shared == masks[0].kept
    assert alone[1].matched.shared < masks[1].kept


def test_arrays_tensors_and_masks(tmp_path):
    import torch

    a, b = ragged(10, 14, 0.3), ragged(10, 14, 0.3, seed=1)
    found = ps.overlap(a.array, torch.from_numpy(b.array.copy()))
    assert found[0].stored == mask_overlap(a, b)
    assert found[0].matched.share == match_units(a, b).share
    assert ps.overlap(a, b, match=False)[0].matched is None


def test_runs_at_levels(runs):
    a, b = runs
    found = ps.overlap(a, b, levels=2)
    assert found.chain == "hidden"
    assert [layer.names for layer in found] == [("layer 1", "layer 1"), ("layer 2", "layer 2")]
    for number, layer in enumerate(found, 1):
        assert layer.stored == mask_overlap(a.mask(2, number), b.mask(2, number))
    inputs = found[0].matched.order
    assert found[1].matched.shared == match_units(a.mask(2, 2), b.mask(2, 2), inputs, draws=0).shared
    assert found.sources == tuple(f"{run.path.parent.name}/{run.path.name}, level 2" for run in runs)
    assert ps.overlap(f"{a.path}@2", f"{b.path}@2").to_dict() == found.to_dict()
    assert ps.overlap(a, b.path, match=False).sources[0].endswith("level 3")
    levels = ps.overlap(a, a, levels=(1, 2), match=False)
    assert all(layer.stored.share.value == 1 for layer in levels)


def test_numbers_as_a_table_and_as_plain_values(runs):
    found = ps.overlap(*runs)
    table = found.table
    assert table["layer"].to_list() == ["layer 1", "layer 2"]
    layer, row = found[0], table.row(0, named=True)
    assert (row["shared"], row["kept_first"]) == (layer.stored.shared, layer.stored.kept[0])
    assert (row["share"], row["z"]) == (layer.stored.share.value, layer.stored.share.z)
    assert row["fan_in_null_mean"] == layer.stored.share_at_fan_in.null_mean
    assert row["matched_null_sd"] == layer.matched.share.null_sd
    assert row["matched_units"] == 8
    assert row["moved_units"] == layer.moved
    entry = json.loads(json.dumps(found.to_dict()))["layers"][0]
    assert entry["matched"]["order"] == layer.matched.order.tolist()
    assert entry["share"]["value"] == row["share"]
    assert isinstance(ps.overlap(*runs, match=False).table["matched_share"].dtype, polars.Float64)


def test_layers_are_ranked_by_their_distance_from_chance():
    masks = {f"m{n}": ragged(12, 20, 0.3, seed=n).array for n in range(3)}
    others = masks | {"m0": ragged(12, 20, 0.3, seed=7).array, "m2": ragged(12, 20, 0.3, seed=8).array}
    found = ps.overlap(*_files(masks, others), match=False)
    assert found.ranked[0].name == "m1"
    assert [layer.name for layer in found] == ["m0", "m1", "m2"]
    assert len(found[:2]) == 2


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _files(first, second):
    np.savez("first.npz", **first)
    np.savez("second.npz", **second)
    return "first.npz", "second.npz"


def test_zeros_of_weights_count_where_they_are_told_to(tmp_path):
    a, b = ragged(6, 9, 0.5), ragged(6, 9, 0.5, seed=1)
    paths = _files({"fc.weight": a.array * 0.5}, {"fc.weight": b.array * 2.5})
    assert ps.overlap(*paths, zeros="always", match=False)[0].stored == mask_overlap(a, b)


def test_layers_of_too_many_units_are_compared_as_stored(monkeypatch):
    monkeypatch.setattr("prunescope.observables.unit_matching.MOST_UNITS", 10)
    monkeypatch.setattr("prunescope.observables.unit_matching.MOST_SAMPLED", 5)
    first = {"big": ragged(11, 6, 0.4).array, "small": ragged(8, 9, 0.4).array}
    found = ps.overlap(*_files(first, {name: array[::-1] for name, array in first.items()}))
    assert found[0].matched is None
    assert found[1].matched.sampled == 5
    assert found.notes == (
        "layers are not taken for a chain: each is matched by itself, with its inputs as stored",
        "too many units to be matched: big",
        "the share after matching is that of some units of 1 large layer (matched_units in the table)",
    )


def test_what_cannot_be_compared_is_refused_in_one_line(runs):
    a, b = runs
    mask = Mask.ones(2, 3)
    for call, words in (
        (lambda: ps.overlap(a, a), "level 3 is compared with itself: give two levels"),
        (lambda: ps.overlap(a, b, levels=9), r"no level 9; finished levels are \[0, 1, 2, 3\]"),
        (lambda: ps.overlap(a, b, levels=(1, 2, 3)), "give one for both, or two"),
        (lambda: ps.overlap(mask, mask, levels=1), "a level is of runs"),
        (lambda: ps.overlap(mask, mask, chain="some"), "chain is 'some': give auto, hidden, outputs, none"),
        (lambda: ps.overlap("absent@3", b), "absent: not a run directory, and a level is of runs"),
        (lambda: ps.overlap("absent.npz", b), "absent.npz: no such file"),
        (lambda: ps.overlap(mask, Mask.ones(3, 2)), r"mask is 2x3 in the first, 3x2 in the second"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_notes_say_of_which_network_they_are(tmp_path):
    a, b = ragged(10, 14, 0.3), ragged(10, 14, 0.3, seed=1)
    np.savez(tmp_path / "a.npz", fc=a.array)
    np.savez(tmp_path / "b.npz", fc=b.array, bias=np.ones(3, bool))
    [line] = ps.overlap(tmp_path / "a.npz", tmp_path / "b.npz").notes
    assert line.startswith("the second: bias: ")
