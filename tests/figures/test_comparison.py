"""The numbers behind the figures that compare experiments, computed here in another way."""

import numpy as np
import polars
import pytest

from figures.drawn import drawn_arrays
from prunescope.analysis.groups import FigureOptions, groups
from prunescope.errors import InputError
from prunescope.figures import draw
from prunescope.figures.paper.accuracy import figure_gain, without_gain
from prunescope.runs.writer import open_run
from reference.locality import pair_counts
from stored_runs import write_run

pytestmark = pytest.mark.usefixtures("coarse")

SMALL = {"shape": (3, 8, 8), "hidden": (20, 12)}
SNIP = {"prune": {"method": "snip", "density": (0.01, 0.1)}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    return [write_run(out, seed=seed, levels=13, **SMALL) for seed in range(2)]


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    out = tmp_path_factory.mktemp("half")
    return [
        write_run(out, seed=seed, levels=9, changes={"data": {"fraction": 0.5}}, **SMALL) for seed in (1, 2)
    ]


@pytest.fixture(scope="module")
def snip(tmp_path_factory):
    """Levels 1 and 2, the sparser first; no dense network."""
    out = tmp_path_factory.mktemp("snip")
    return [write_run(out, seed=seed, changes=SNIP, densities=[0.01, 0.1], **SMALL) for seed in range(2)]


def _accuracy(run, level):
    first = run.table.filter(polars.col("layer") == 1, polars.col("level") == level)
    return first["best_val_accuracy"][0]


def test_gain_is_over_the_same_seeds_dense_network(whole, half, tmp_path):
    table = polars.read_csv(draw("gain", [*whole, *half], tmp_path)[-1])
    assert table["experiment"].unique(maintain_order=True).to_list() == ["all the data", "50 % of the data"]
    for label, runs in (("all the data", whole), ("50 % of the data", half)):
        for row in table.filter(polars.col("experiment") == label).to_dicts():
            gains = [_accuracy(run, row["level"]) - _accuracy(run, 0) for run in runs]
            assert row["gain_mean"] == pytest.approx(np.mean(gains))
            assert row["gain_sd"] == pytest.approx(np.std(gains, ddof=1))


def test_methods_without_a_dense_level_take_that_of_the_same_training(whole, half, snip, tmp_path):
    table = polars.read_csv(draw("gain", [*snip, *half, *whole], tmp_path)[-1])
    rows = {(row["experiment"], row["level"]): row for row in table.to_dicts()}
    gains = [_accuracy(run, 1) - _accuracy(dense, 0) for run, dense in zip(snip, whole, strict=True)]
    assert rows["SNIP", 1]["gain_mean"] == pytest.approx(np.mean(gains))
    # the half has another dense network: SNIP alone beside it has no gain
    alone = polars.read_csv(draw("gain", [*snip, *half], tmp_path)[-1])
    assert len(alone) == 9
    with pytest.raises(InputError, match="none of the runs has"):
        draw("gain", snip, tmp_path)


def test_all_stand_at_the_sparsest_u_that_all_reach(whole, half, tmp_path):
    arrays = drawn_arrays("5", [*whole, *half], tmp_path)
    assert arrays["columns_experiment"].tolist() == ["all the data", "50 % of the data"]
    assert arrays["columns_level"].tolist() == [8, 8]
    for k, runs in enumerate((whole, half)):
        masks = [run.mask(8) for run in runs]
        same = sum(pair_counts(mask.array, runs[0].shape)[0] for mask in masks)
        np.testing.assert_array_equal(arrays[f"column{k}_same"], same)
        bars = arrays["fan_in_column"] == k
        assert arrays["fan_in_nodes"][bars].sum() == pytest.approx(20)
        nodes = arrays[f"column{k}_nodes"]
        assert masks[0].fan_in[nodes].tolist() == sorted(masks[0].fan_in, reverse=True)[:12]
        np.testing.assert_array_equal(arrays[f"column{k}_masks"].reshape(12, -1), masks[0].array[nodes])
    only = drawn_arrays("13", [*whole, *half], tmp_path, levels=[3])
    assert only["sheets_level"].tolist() == [3, 3]
    with pytest.raises(InputError, match="no level 12; finished levels of 50 % of the data are"):
        draw("5", [*whole, *half], tmp_path, levels=[12])


def test_methods_are_compared_at_their_own_densities(whole, snip, tmp_path):
    arrays = drawn_arrays("14", [*snip, *whole], tmp_path)
    assert arrays["columns_experiment"].tolist() == ["IMP", "IMP", "SNIP", "SNIP"]
    # 0.7^6 = 11.8 % and 0.7^12 = 1.4 % are nearest; SNIP's denser level is its second
    assert arrays["columns_level"].tolist() == [6, 12, 2, 1]
    same = sum(pair_counts(run.mask(1).array, run.shape)[0] for run in snip)
    np.testing.assert_array_equal(arrays["column3_same"], same)


def test_the_same_nodes_under_each_method(whole, snip, tmp_path):
    arrays = drawn_arrays("4", [*snip, *whole], tmp_path)
    assert arrays["row_level"].tolist() == [0, 6, 12, 2, 1]
    assert arrays["nodes"].tolist() == np.argsort(-whole[0].mask(12).fan_in, kind="stable")[:10].tolist()
    for row, (run, level) in enumerate([(whole[0], 0), (whole[0], 6), (whole[0], 12), (snip[0], 2)]):
        mask = run.mask(level).array[arrays["nodes"]]
        np.testing.assert_array_equal(arrays["masks"][row].reshape(10, -1), mask)
        weight = run.model(level).layers[0].weight[arrays["nodes"]]
        np.testing.assert_array_equal(arrays["weights"][row].reshape(10, -1), weight * mask)
    expected = [_accuracy(run, 6) for run in whole]
    assert arrays["row_best_val_accuracy_mean"][1] == pytest.approx(np.mean(expected))
    assert arrays["row_best_val_accuracy_sd"][1] == pytest.approx(np.std(expected, ddof=1))
    assert drawn_arrays("4", whole, tmp_path, nodes=[7, 3])["nodes"].tolist() == [7, 3]
    with pytest.raises(InputError, match="no node 20; first-layer nodes are 0 to 19"):
        draw("4", whole, tmp_path, nodes=[20])


def test_same_nodes_need_a_common_seed_and_network(whole, half, tmp_path):
    assert drawn_arrays("4", [*whole, *half], tmp_path)["seed"] == 1
    with pytest.raises(InputError, match="needs a seed that all experiments have"):
        draw("4", [whole[0], half[1]], tmp_path)
    other = write_run(tmp_path / "other", levels=2, shape=(3, 8, 8), hidden=(10,))
    with pytest.raises(InputError, match="another network"):
        draw("4", [*whole, other], tmp_path)


def test_training_curves_are_the_stored_evaluations(whole, tmp_path):
    arrays = drawn_arrays("6", whole, tmp_path)
    best = int(np.argmax([np.mean([_accuracy(run, level) for run in whole]) for level in range(13)]))
    for level in (0, best):
        for step in (500, 2000):
            row = (arrays["training_level"] == level) & (arrays["training_step"] == step)
            entries = [e for run in whole for e in run.metrics if (e["level"], e["step"]) == (level, step)]
            error = np.mean([1 - entry["val_accuracy"] for entry in entries])
            assert arrays["training_validation_error"][row] == pytest.approx(error)
    assert set(arrays["training_level"]) == {0, best}


def test_largest_gain_against_the_amount_of_data(whole, half, tmp_path):
    arrays = drawn_arrays("19", [*half, *whole], tmp_path)
    assert arrays["largest_fraction"].tolist() == [1.0, 0.5]
    for k, (runs, levels) in enumerate(((whole, 13), (half, 9))):
        largest = [max(_accuracy(run, n) for n in range(1, levels)) - _accuracy(run, 0) for run in runs]
        assert arrays["largest_largest_mean"][k] == pytest.approx(np.mean(largest))


def test_dense_and_best_accuracy_of_tasks(whole, half, tmp_path):
    arrays = drawn_arrays("18", [*whole, *half], tmp_path)
    means = [np.mean([_accuracy(run, level) for run in half]) for level in range(9)]
    assert arrays["accuracy_dense_mean"][1] == pytest.approx(means[0])
    assert arrays["accuracy_best_mean"][1] == pytest.approx(max(means))


def test_sample_images_are_left_out_with_a_note_when_they_are_not_those_of_the_run(tmp_path):
    run = write_run(tmp_path / "runs", levels=3, changes={"data": {"source": "npz", "root": "/nowhere.npz"}})
    arrays = drawn_arrays("17", [run], tmp_path)
    assert "samples" not in arrays
    assert "sample images were left out: " in str(arrays["note"])


def test_best_of_the_pruned_levels_where_none_is_better_than_dense(tmp_path):
    from prunescope.analysis.groups import groups

    run = write_run(tmp_path, levels=5, hidden=(8,), shape=(1, 6, 6))
    rows = [
        row | {"best_val_accuracy": [0.9, 0.2, 0.6, 0.5, 0.1][row["level"]]} for row in run.table.to_dicts()
    ]
    with open_run(run.experiment, 0, tmp_path) as writer:
        writer.write_table(rows, run.table.schema)
    group = groups([run])[0]
    assert group.best_level() == 2
    # The masks of level 2, u = 49 %, are still dense.
    assert list(drawn_arrays("10", [run], tmp_path / "fan-out")) == ["run0_synthetic_seed0_level4"]
    arrays = drawn_arrays("18", [run], tmp_path / "out")
    assert (arrays["accuracy_dense_mean"][0], arrays["accuracy_best_mean"][0]) == (0.9, 0.6)


def test_sparsest_no_worse_needs_a_dense_network(snip):
    from prunescope.analysis.groups import groups

    assert groups(snip)[0].sparsest_no_worse() is None
    assert groups(snip)[0].nearest(0.2) == 2


def test_experiments_without_a_gain_are_named(whole, tmp_path):
    other = write_run(
        tmp_path, densities=(0.1, 0.03), changes={"prune": {"method": "snip", "density": (0.1, 0.03)}}
    )
    reason = "Without a gain, as no dense network of its seeds, data and training is here"
    with_both = groups([*whole, other])
    assert without_gain(with_both, [with_both[0].label]) == (f"{reason}: {with_both[1].label}.",)
    assert without_gain(with_both, [group.label for group in with_both]) == ()
    assert figure_gain(whole, FigureOptions()).notes == ()
