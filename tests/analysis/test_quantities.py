"""prunescope.analysis.quantities: run with `pytest tests/analysis/test_quantities.py`."""

import math

import pytest

from level_tables import write
from prunescope.analysis.quantities import FirstLayerRows, facts, fitted_gains


def facts_of(run, *density):
    return facts(FirstLayerRows.of(run), *density)


def test_facts_of_a_run(tmp_path):
    found = facts_of(write(tmp_path, "imp", 0, (0.75, 0.80, 0.76, 0.70)))
    assert found == pytest.approx(
        {
            "dense_accuracy": 0.75,
            "best_accuracy": 0.80,
            "best_u": 0.5,
            "heldout_accuracy": 0.79,
            "locality": 3.0,
            "locality_z": 10.0,
            "fan_in_var_ratio": 2.0,
            "fan_in_excess": math.sqrt((2 - 1) * 0.5 / (100 * 0.5)),
            "sparsest_u": 0.25,
            "sparsest_heldout_accuracy": 0.75,
            "sparsest_locality": 4.0,
            "sparsest_locality_z": 20.0,
            "sparsest_fan_in_var_ratio": 3.0,
            "sparsest_fan_in_excess": math.sqrt((3 - 1) * 0.75 / (100 * 0.25)),
        }
    )


def test_a_method_without_a_dense_level_has_no_gain(tmp_path):
    found = facts_of(write(tmp_path, "random", 0, (0.6, 0.7), first=1))
    assert (found["best_accuracy"], found["best_u"]) == (0.7, 0.25)
    assert [name for name, value in found.items() if value is None] == [
        "dense_accuracy",
        *(name for name in found if name.startswith("sparsest")),
    ]


def test_a_gain_may_be_a_loss_and_no_level_be_as_good_as_dense(tmp_path):
    runs = [write(tmp_path, "imp", seed, (0.75, 0.74 - 0.01 * seed)) for seed in range(2)]
    assert [facts_of(run)["sparsest_u"] for run in runs] == [None, None]
    assert fitted_gains({run.seed: FirstLayerRows.of(run) for run in runs}) == pytest.approx(
        {0: -0.01, 1: -0.02}
    )
    assert (
        fitted_gains({run.seed: FirstLayerRows.of(run) for run in runs[:1]}) == {}
    )  # nobody else chooses a level for it


def test_a_gain_is_that_at_the_level_which_the_other_seeds_choose(tmp_path):
    runs = [write(tmp_path, "imp", 0, (0.75, 0.90, 0.80)), write(tmp_path, "imp", 1, (0.75, 0.70, 0.78))]
    assert fitted_gains({run.seed: FirstLayerRows.of(run) for run in runs}) == pytest.approx(
        {0: 0.05, 1: -0.05}
    )


def test_of_equally_good_levels_the_sparsest_is_the_best(tmp_path):
    assert facts_of(write(tmp_path, "imp", 0, (0.75, 0.80, 0.80, 0.70)))["best_u"] == 0.25


def test_only_a_dense_level_has_no_pruned_best(tmp_path):
    found = facts_of(write(tmp_path, "imp", 0, (0.75,)))
    assert (found["dense_accuracy"], found["best_accuracy"], found["locality"]) == (0.75, None, None)


def test_facts_at_a_density_are_those_of_the_nearest_level(tmp_path):
    run = write(tmp_path, "imp", 0, (0.75, 0.80, 0.76, 0.70))
    found = facts_of(run, 0.28)  # levels have u = 0.5, 0.25, 0.125
    assert found == pytest.approx(
        {
            "dense_accuracy": 0.75,
            "u": 0.25,
            "accuracy": 0.76,
            "gain": 0.01,
            "heldout_accuracy": 0.75,
            "locality": 4.0,
            "locality_z": 20.0,
            "fan_in_var_ratio": 3.0,
            "fan_in_excess": math.sqrt((3 - 1) * 0.75 / (100 * 0.25)),
        }
    )
    far = facts_of(run, 0.35)  # 1.4 times each of its neighbours
    assert far.pop("dense_accuracy") == 0.75
    assert set(far.values()) == {None}
    assert facts_of(run, 1.0)["u"] is None  # the dense network is no pruned one
    assert facts_of(write(tmp_path, "random", 0, (0.7, 0.6), first=1), 0.5)["gain"] is None


def test_no_printed_interval_of_a_ratio_to_chance_reaches_below_zero():
    from prunescope.analysis.quantities import quantities

    ranges = {one.name: one.range for one in (*quantities(), *quantities(0.1))}
    for name in ("locality", "fan_in_var_ratio", "fan_in_excess", "sparsest_locality"):
        assert ranges[name] == (0.0, math.inf)
    assert ranges["best_accuracy"] == ranges["best_u"] == (0.0, 1.0)
    assert ranges["gain"] == ranges["locality_z"] == (-math.inf, math.inf)
