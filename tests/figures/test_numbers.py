"""The data beside a figure are the numbers of the runs, computed here in another way."""

import numpy as np
import polars
import pytest

from figures.drawn import drawn_arrays
from prunescope.errors import InputError
from prunescope.figures import draw
from prunescope.observables import uniform_null
from prunescope.observables.null_moments import radial_null_sd
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run
from reference.locality import pair_counts
from stored_runs import write_run

pytestmark = pytest.mark.usefixtures("coarse")

BEST, SHOWN = 9, [5, 9, 11]  # of write_run's curve over 12 levels: see tests/analysis/test_best_levels.py


def _table(figure, runs, out, **wish):
    return polars.read_csv(draw(figure, runs, out, **wish)[-1])


@pytest.mark.parametrize("figure", ["1a", "levels"])
def test_accuracy_over_seeds(figure, seeds, tmp_path):
    table = _table(figure, seeds, tmp_path)
    assert table["level"].to_list() == list(range(12))
    assert set(table["seeds"]) == {3}
    for row in table.to_dicts():
        for name in ("best_val_accuracy", "locality"):
            values = [
                run.table.filter(polars.col("level") == row["level"], polars.col("layer") == 1)[name][0]
                for run in seeds
            ]
            assert row[f"{name}_mean"] == pytest.approx(np.mean(values))
            assert row[f"{name}_sd"] == pytest.approx(np.std(values, ddof=1))
    assert table["nominal_density"].to_list() == pytest.approx(0.7 ** np.arange(12))


def test_one_seed_has_no_spread(seeds, tmp_path):
    assert _table("1a", seeds[:1], tmp_path)["best_val_accuracy_sd"].null_count() == 12


def test_a_run_given_twice_counts_once(seeds, tmp_path):
    assert set(_table("1a", [seeds[0], seeds[0]], tmp_path)["seeds"]) == {1}


def test_levels_that_only_one_seed_has_reached_are_left_out(tmp_path):
    runs = [write_run(tmp_path / "runs", seed=seed, levels=5, hidden=(8, 8)) for seed in range(2)]
    with open_run(runs[1].experiment, 1, tmp_path / "runs") as writer:
        writer.write_table(runs[1].table.filter(polars.col("level") < 3).to_dicts(), runs[1].table.schema)
    table = _table("1a", runs, tmp_path)
    assert table["level"].to_list() == [0, 1, 2]
    assert set(table["seeds"]) == {2}


def test_histogram_counts_every_node(seeds, tmp_path):
    table = _table("1b", seeds, tmp_path)
    for level in SHOWN:
        part = table.filter(polars.col("level") == level)
        assert part["nodes"].sum() == pytest.approx(40)
        assert part["nodes_if_random"].sum() == pytest.approx(40, abs=0.5)
        fan_in = np.concatenate([run.mask(level).fan_in for run in seeds])
        assert part["binomial_mean"][0] == pytest.approx(fan_in.mean())
        for row in part.to_dicts():
            inside = (fan_in >= row["fan_in_from"]) & (fan_in <= row["fan_in_to"])
            assert row["nodes"] == pytest.approx(inside.sum() / 3)


def test_ablation_is_relative_to_the_whole_network(seeds, tmp_path):
    table = _table("1c", seeds, tmp_path)
    assert set(table["level"]) == {BEST}
    for order in ("decreasing", "increasing", "random"):
        part = table.filter(polars.col("order") == order)
        curves = [run.observations(BEST)[f"ablation_{order}"] for run in seeds]
        relative = [curve / curve[0] for curve in curves]
        assert part["relative_accuracy"].to_list() == pytest.approx(np.mean(relative, axis=0))
        assert part["relative_accuracy_sd"].to_list() == pytest.approx(np.std(relative, axis=0, ddof=1))
    assert table["guessing"][0] == pytest.approx(np.mean([0.5 / c[0] for c in curves]))


def test_no_accuracy_is_relative_to_one_of_0(seeds, tmp_path, monkeypatch):
    read = Run.observations
    monkeypatch.setattr(
        Run,
        "observations",
        lambda run, level: {
            name: 0 * value if name == "ablation_random" else value
            for name, value in read(run, level).items()
        },
    )
    with pytest.raises(InputError, match=f"at level {BEST} the whole network has no image right"):
        draw("1c", seeds, tmp_path)


def test_locality_maps_are_pair_counts_over_all_seeds(seeds, tmp_path):
    arrays = drawn_arrays("2b", seeds, tmp_path, levels=[11])
    assert sorted(arrays) == ["level11_different", "level11_same"]
    same, different = np.sum([pair_counts(run.mask(11).array, run.shape) for run in seeds], axis=0)
    np.testing.assert_array_equal(arrays["level11_same"], same)
    np.testing.assert_array_equal(arrays["level11_different"], different)


def test_relative_locality_is_counts_over_the_uniform_null(seeds, tmp_path):
    arrays = drawn_arrays("g", seeds, tmp_path)
    for level in SHOWN:
        same = np.sum([pair_counts(run.mask(level).array, run.shape)[0] for run in seeds], axis=0)
        expected = np.sum([uniform_null(run.mask(level).fan_in, run.shape).same for run in seeds], axis=0)
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(arrays[f"level{level}_map"], same / expected)
        sd = arrays[f"level{level}_radial_null_sd"]
        fan_in = np.concatenate([run.mask(level).fan_in for run in seeds])
        np.testing.assert_array_equal(sd, radial_null_sd(fan_in, seeds[0].shape))
        assert arrays[f"level{level}_radial"][1] > 1 + 2 * sd[1]


def test_most_connected_masks(seeds, tmp_path):
    arrays = drawn_arrays("3a", seeds, tmp_path)
    mask = seeds[0].mask(BEST)
    assert arrays["level"] == BEST
    assert (np.diff(arrays["fan_in"]) <= 0).all()
    assert arrays["fan_in"].tolist() == np.sort(mask.fan_in)[::-1][:30].tolist()
    np.testing.assert_array_equal(arrays["masks"].reshape(30, -1), mask.array[arrays["nodes"]])


def test_chosen_nodes_keep_their_order_and_their_images(seeds, tmp_path):
    run = seeds[0]
    seen, mask = run.observations(BEST), run.mask(BEST)
    chosen = [int(seen["nodes"][5]), int(seen["nodes"][1])]
    arrays = drawn_arrays("3b", seeds, tmp_path, nodes=chosen)
    assert arrays["nodes"].tolist() == chosen
    np.testing.assert_array_equal(arrays["top_images"].reshape(2, 3, -1), seen["top_images"][[5, 1]])
    weight = np.where(mask.array, run.model(BEST).layers[0].weight, 0)
    np.testing.assert_array_equal(arrays["weights"].reshape(2, -1), weight[chosen])


def test_fan_out_maps(seeds, grey, tmp_path):
    arrays = drawn_arrays("10", [*seeds, grey], tmp_path, levels=[3])
    assert list(arrays) == [f"run{k}_synthetic_seed{k}_level3" for k in range(3)] + ["run3_grey_seed0_level3"]
    counts = seeds[1].mask(3).array.sum(axis=0).reshape(seeds[1].shape)
    np.testing.assert_array_equal(arrays["run1_synthetic_seed1_level3"], counts)


def test_fan_in_bins_cover_every_pair(seeds, tmp_path):
    arrays = drawn_arrays("11", seeds, tmp_path, levels=[7])
    same, _ = pair_counts(seeds[0].mask(7).array, seeds[0].shape)
    np.testing.assert_array_equal(sum(arrays.values()), same)


def test_deeper_masks_are_the_pixels_that_reach_a_node(seeds, tmp_path):
    arrays = drawn_arrays("12", seeds, tmp_path, levels=[8])
    first, second, third = (mask.array.astype(int) for mask in seeds[0].ticket(8).masks)
    for layer, paths in ((1, first), (2, second @ first), (3, third @ second @ first)):
        nodes = arrays[f"level8_layer{layer}_nodes"]
        shown = arrays[f"level8_layer{layer}_masks"].reshape(len(nodes), -1)
        np.testing.assert_array_equal(shown, paths[nodes] > 0)
        assert shown.any(axis=1).all()
        assert (np.diff(shown.sum(axis=1)) <= 0).all()
