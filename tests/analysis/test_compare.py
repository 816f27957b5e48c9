"""prunescope.analysis: comparing runs. Run with `pytest tests/analysis/test_compare.py`."""

import csv
import io
import json
import math
import shutil

import numpy as np
import pytest
from scipy import stats

from commands import called
from level_tables import write
from prunescope.analysis import compare, find_runs
from prunescope.analysis.quantities import quantities
from prunescope.cli import main
from prunescope.cli.tables import CONDITIONAL
from prunescope.errors import InputError
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run


@pytest.fixture
def folder(tmp_path):
    """Return iterative runs of three seeds, and random ones without a dense level of seeds 0, 1 and 5."""
    for seed, best in enumerate((0.80, 0.83, 0.86)):
        write(tmp_path, "imp", seed, (0.75, best, 0.76 - 0.01 * seed, 0.70))
    for seed, best in ((0, 0.70), (1, 0.71), (5, 0.75)):
        write(tmp_path, "random", seed, (best, best - 0.1), first=1, locality=1.0)
    return tmp_path


def tell(run, **data):
    """Let run.json say more about the data of a run."""
    with open_run(run.experiment, run.seed, run.path.parents[1]) as writer:
        writer.write_about(data=run.data | data)


def rows_of(comparison):
    return {(row["quantity"], row["group"]): row for row in comparison.rows()}


def test_groups_are_compared_at_one_density(folder):
    comparison = compare(find_runs([folder]).runs, baseline="random", density=0.25)
    rows = rows_of(comparison)
    assert rows["accuracy", "IMP"]["mean"] == pytest.approx((0.76 + 0.75 + 0.74) / 3)
    assert rows["u", "random"]["mean"] == 0.25
    assert rows["locality", "IMP"]["difference"] == pytest.approx(1.0)
    assert {name for name, _ in rows} == {quantity.name for quantity in quantities(0.25)}


def test_means_and_spreads_over_seeds(folder):
    rows = rows_of(compare(find_runs([folder]).runs))
    best = rows["best_accuracy", "IMP"]
    assert (best["n"], best["mean"], best["sd"]) == pytest.approx((3, 0.83, 0.03))
    half = 4.302653 * 0.03 / math.sqrt(3)  # Student's t at two degrees of freedom
    assert (best["low"], best["high"]) == pytest.approx((0.83 - half, 0.83 + half))
    assert rows["gain", "IMP"]["mean"] == pytest.approx(0.08)
    assert (rows["gain", "IMP"]["n"], rows["gain", "IMP"]["low"]) == (3, None)
    sparsest = rows["sparsest_u", "IMP"]
    logs = np.log([0.25, 0.25, 0.5])
    half = 4.302653 * logs.std(ddof=1) / math.sqrt(3) + math.log(2) / 2  # and half a step of the grid
    assert sparsest["mean"] == pytest.approx(math.exp(logs.mean()))
    assert (sparsest["low"], sparsest["high"]) == pytest.approx(
        (math.exp(logs.mean() - half), math.exp(logs.mean() + half))
    )
    dense = rows["dense_accuracy", "IMP"]
    assert (dense["sd"], dense["low"], dense["alike"]) == (0, None, True)
    other = rows["best_accuracy", "random"]
    assert (other["n"], other["mean"], other["sd"]) == pytest.approx((3, 0.72, 0.0264575131))
    assert ("gain", "random") not in rows


def test_a_difference_is_welchs_where_nothing_says_that_the_data_are_the_same(folder):
    rows = rows_of(compare(find_runs([folder]).runs, baseline="random"))
    best = rows["best_accuracy", "IMP"]
    assert (best["paired"], best["difference_n"], best["left_out"]) == (False, 3, None)
    assert best["difference"] == pytest.approx(0.83 - 0.72)
    theirs = stats.ttest_ind((0.80, 0.83, 0.86), (0.70, 0.71, 0.75), equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert (best["difference_low"], best["difference_high"]) == pytest.approx((interval.low, interval.high))
    assert rows["best_accuracy", "random"]["difference"] is None
    assert rows["gain", "IMP"]["difference"] is None
    assert rows["best_u", "IMP"]["difference"] is None


@pytest.mark.parametrize(("seeds", "paired"), [(5, True), (4, False)])
def test_on_the_same_data_five_shared_seeds_are_paired(tmp_path, seeds, paired):
    for seed in range(seeds):
        write(tmp_path, "imp", seed, (0.75, 0.80 + 0.01 * seed), fingerprint="f")
        write(tmp_path, "random", seed, (0.70 + 0.001 * seed**2,), first=1, fingerprint="f")
    write(tmp_path, "random", 9, (0.9,), first=1, fingerprint="f")
    best = rows_of(compare(find_runs([tmp_path]).runs, baseline="random"))["best_accuracy", "IMP"]
    assert best["paired"] is paired
    if paired:
        assert (best["difference_n"], best["left_out"]) == (5, [9])
        assert best["difference"] == pytest.approx(0.1 + 0.02 - 0.006)


def test_a_method_without_a_dense_level_gains_over_the_baselines_of_the_same_seed_and_data(tmp_path):
    for seed in range(2):
        write(tmp_path, "imp", seed, (0.75, 0.80), fingerprint="f")
    for seed in range(3):
        write(tmp_path, "random", seed, (0.70 + 0.01 * seed, 0.5), first=1, fingerprint="f")
    runs = find_runs([tmp_path]).runs
    assert ("gain", "random") not in rows_of(compare(runs))
    gain = rows_of(compare(runs, baseline="imp"))["gain", "random"]
    assert (gain["n"], gain["mean"]) == (2, pytest.approx((-0.05 - 0.04) / 2))  # seed 2 has no dense network
    there = rows_of(compare(runs, baseline="imp", density=0.5))["gain", "random"]
    assert (there["n"], there["mean"]) == (2, pytest.approx((-0.05 - 0.04) / 2))


def test_a_quantity_that_one_setting_has_is_that_settings(folder):
    rows = rows_of(compare(find_runs([folder]).runs, ["train.lr"]))
    dense, best = rows["dense_accuracy", "0.1"], rows["best_accuracy", "0.1"]
    assert (dense["settings"], dense["n"], dense["mean"]) == (1, 3, 0.75)
    assert (best["settings"], best["n"]) == (2, None)


def test_runs_of_other_images_are_no_replicates(tmp_path):
    write(tmp_path, "imp", 0, (0.2, 0.3), fingerprint="a")
    write(tmp_path, "imp", 1, (0.9, 1.0), fingerprint="b")
    comparison = compare(find_runs([tmp_path]).runs)
    assert [group.seeds for group in comparison.groups] == [(0,), (1,)]
    assert {row["n"] for row in comparison.rows()} <= {0, 1}


def test_groups_by_fields(folder, tmp_path):
    write(tmp_path, "imp", 0, (0.75, 0.9), lr=0.5)
    runs = find_runs([folder]).runs
    by_method = compare(runs, ["prune.method"])
    assert [(group.label, len(group.seeds)) for group in by_method.groups] == [("imp", 4), ("random", 3)]
    both = compare(runs, ["prune.method", "train.lr"])
    assert [group.label for group in both.groups] == [
        "method imp, lr 0.1",
        "method imp, lr 0.5",
        "method random, lr 0.1",
    ]
    pooled = rows_of(compare(runs, ["prune.method"], "random"))["best_accuracy", "imp"]
    assert (pooled["settings"], pooled["n"], pooled["low"]) == (2, None, None)  # two rates are no two seeds
    assert pooled["mean"] == pytest.approx((0.83 + 0.9) / 2)
    assert pooled["sd"] == pytest.approx(0.07 / math.sqrt(2))
    assert (pooled["paired"], pooled["difference_low"]) == (False, None)


@pytest.mark.parametrize(
    ("by", "baseline", "message"),
    [
        (["train.lrr"], None, "--by is 'train.lrr', no field of an experiment: did you mean 'train.lr'"),
        ([], "snip", "--baseline is 'snip', which is no group: groups are IMP, random"),
        (["prune.method", "train.lr"], "0.1", "which is 2 groups"),
    ],
)
def test_what_is_no_field_or_group_is_refused(folder, by, baseline, message):
    with pytest.raises(InputError, match=message):
        compare(find_runs([folder]).runs, by, baseline)


@pytest.mark.parametrize("name", ["IMP", "imp"])
def test_a_baseline_goes_by_label_name_or_method(folder, name):
    assert compare(find_runs([folder]).runs, baseline=name).baseline.label == "IMP"


@pytest.fixture
def shown(capsys):
    """``prunescope compare``; returns stdout and stderr."""

    def command(*arguments):
        code, stdout, stderr = called(capsys, "compare", *arguments)
        assert code == 0, stderr
        return stdout, stderr

    return command


def test_text_is_a_block_for_each_quantity(folder, shown):
    text, _ = shown(folder, "--baseline", "random")
    *told, below = text.rstrip().split("\n\n")[1:]
    assert below == CONDITIONAL.format("images")  # The intervals of accuracies do not cover other images.
    blocks = dict(block.split("\n", 1) for block in told)
    assert list(blocks)[:3] == [
        "accuracy of the dense network, %, validation images, number unknown",
        "best accuracy of a pruned network, %, validation images, number unknown",
        "gain over dense at the level that the other seeds choose, points, validation images, number unknown",
    ]
    imp, other = blocks[
        "best accuracy of a pruned network, %, validation images, number unknown"
    ].splitlines()
    assert imp.split() == [
        "IMP",
        "3",
        "83.00",
        "3.00",
        "75.55",
        "…",
        "90.45",
        "+11.00",
        "4.55",
        "…",
        "17.45",
        "no",
    ]
    assert other.split()[:3] == ["random", "3", "72.00"]


def test_a_printed_interval_ends_where_the_mean_must(tmp_path, shown):
    for seed, best in enumerate((0.9, 0.99)):
        write(tmp_path, "imp", seed, (0.8, best), first=0)
    [row] = [r for r in compare(find_runs([tmp_path]).runs).rows() if r["quantity"] == "best_accuracy"]
    assert row["high"] > 1
    [line] = [line for line in shown(tmp_path)[0].splitlines() if "94.50" in line]
    assert line.split()[-3:][1:] == ["…", "100.00"]


def test_json_csv_and_markdown_hold_the_same_numbers(folder, shown):
    told = json.loads(shown(folder, "--baseline", "random", "--json")[0])
    assert told["baseline"] == "random"
    assert told["groups"] == [{"group": "IMP", "seeds": [0, 1, 2]}, {"group": "random", "seeds": [0, 1, 5]}]
    assert told["rows"] == compare(find_runs([folder]).runs, baseline="random").rows()
    lines = list(csv.DictReader(io.StringIO(shown(folder, "--baseline", "random", "--csv")[0])))
    assert len(lines) == len(told["rows"])
    assert float(lines[2]["mean"]) == told["rows"][2]["mean"]
    assert [line["group"] for line in lines] == [row["group"] for row in told["rows"]]
    heading, ruler, first, *_, blank, below = shown(folder, "--markdown")[0].splitlines()
    assert (blank, below) == ("", CONDITIONAL.format("images"))
    assert heading == "| quantity | group | n | mean | sd | 95 % interval |"
    assert ruler == "| --- | --- | ---: | ---: | ---: | ---: |"
    assert (
        first
        == "| accuracy of the dense network, %, validation images, number unknown | IMP | 3 | 75.00 | 0.00 | all alike |"
    )


def test_each_accuracy_has_its_number_of_images(tmp_path, shown):
    few, many = (
        {"validation_images": 50, "heldout_images": 0},
        {"validation_images": 4000, "heldout_images": 0},
    )
    for seed in range(2):
        tell(write(tmp_path, "imp", seed, (0.75, 0.8 + seed / 100)), **many)
        tell(write(tmp_path, "random", seed, (0.75, 0.7 + seed / 100)), **many)
    text, _ = shown(tmp_path)
    assert "\nbest accuracy of a pruned network, %, 4,000 validation images\n" in text
    assert "  IMP (no held-out images)" in text
    without = write(tmp_path / "alone", "imp", 0, (0.75, 0.8), heldout_accuracy=None)
    tell(without, **many)
    text, _ = shown(tmp_path / "alone")
    title, only = text[text.index("held-out accuracy at the best") :].splitlines()[:2]
    assert title == "held-out accuracy at the best, %, held-out images"
    assert only.split() == ["imp", "(no", "held-out", "images)", "0", "-", "-", "-"]
    shutil.rmtree(tmp_path / "alone")
    for seed in range(2):
        tell(Run(next(tmp_path.glob(f"random-*/seed-{seed}"))), **few)
    text, _ = shown(tmp_path)
    title, imp, random = text[text.index("best accuracy of a pruned network") :].splitlines()[:3]
    assert title == "best accuracy of a pruned network, %, validation images"
    assert imp.startswith("  IMP (4,000 validation images) ")
    assert random.startswith("  random (50 validation images) ")


def test_at_a_density_text_has_only_what_is_there(folder, shown):
    text, _ = shown(folder, "--density", "0.5")
    titles = [line for line in text.splitlines() if not line.startswith("  ")]
    assert [title for title in titles if title][:3] == [
        "accuracy of the dense network, %, validation images, number unknown",
        "u nearest to the one asked for, %",
        "accuracy there, %, validation images, number unknown",
    ]
    assert "best" not in text


def test_unfinished_runs_are_left_out_and_named(folder, tmp_path, shown):
    write(tmp_path, "imp", 9, (0.75, 0.1), status="running")
    text, stderr = shown(folder, "--json")
    assert json.loads(text)["groups"][0]["seeds"] == [0, 1, 2]
    assert "seed-9: running, left out" in stderr


def test_wrong_input_is_one_line(tmp_path, capsys, folder):
    write(tmp_path / "other", "imp", 9, (0.75, 0.1), status="running")
    for arguments, message in (
        ([str(folder), "--csv", "--json"], "--csv and --json: give one of them"),
        ([str(tmp_path / "other")], "no finished run to compare"),
        ([str(folder), "--density", "10"], "--density is 10; it must be over 0 and at most 1"),
        ([str(folder), "--density", "0.01"], "no run has a pruned level within a factor 1.2 of it"),
    ):
        with pytest.raises(SystemExit) as left:
            main(["compare", *arguments])
        assert left.value.code == 2
        assert message in capsys.readouterr().err.splitlines()[-1]


def of_split(run, rule):
    with open_run(run.experiment, run.seed, run.path.parents[1]) as writer:
        writer.write_about(data=run.data | {"split_rule": rule})


@pytest.mark.parametrize(("rule", "alike"), [("source order", True), ("stratified", False)])
def test_the_same_images_in_another_split_are_no_baseline_and_not_paired(tmp_path, rule, alike):
    """Runs of earlier versions, here IMP's, stored no rule and took the images in the order of the source."""
    for seed in range(5):
        write(tmp_path, "imp", seed, (0.75, 0.80), fingerprint="f")
        of_split(write(tmp_path, "random", seed, (0.7 + 0.01 * seed,), first=1, fingerprint="f"), rule)
    rows = rows_of(compare(find_runs([tmp_path]).runs, baseline="imp"))
    assert rows["best_accuracy", "random"]["paired"] is alike
    assert (("gain", "random") in rows) is alike


def test_the_same_images_under_two_names_share_their_dense_networks(tmp_path):
    for seed in range(2):
        write(tmp_path, "imp", seed, (0.75, 0.80), fingerprint="f")
        random = write(tmp_path, "random", seed, (0.70,), first=1, fingerprint="f")
        data = random.experiment.data.model_copy(update={"root": "x", "name": "x"})
        named = random.experiment.model_copy(update={"data": data})
        (random.path / "experiment.toml").write_text(named.to_toml())
    gain = rows_of(compare(find_runs([tmp_path]).runs, baseline="imp"))["gain", "x, random"]
    assert gain["mean"] == pytest.approx(-0.05)
