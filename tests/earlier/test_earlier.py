"""Runs that an earlier version made, read by this one: run with `pytest tests/earlier/test_earlier.py`.

``runs`` holds two seeds of two experiments and a third seed that was stopped in the middle of level 3, all made by
version 0.1.0 before images' splits and the images classified right were stored; the JSON files are what that version
printed of them.
"""

import json
import shutil
from pathlib import Path

import polars
import pytest
import torch

from commands import succeeded
from prunescope.data import open_dataset
from prunescope.errors import InputError
from prunescope.experiment import load
from prunescope.figures import draw
from prunescope.runs.columns import schema
from prunescope.runs.directory import Run

HERE = Path(__file__).parent
SHOWN = json.loads((HERE / "show.json").read_text("utf-8"))
STOPPED = "tiny-imp-9e03c90cb207/seed-2"
FINISHED = sorted(set(SHOWN) - {STOPPED})
# What this version says otherwise, and the changelog names: intervals by Student's t in place of the bootstrap; gains
# at the level that the other seeds choose; geometric means of densities that are levels of a grid; differences by
# Welch's where few seeds are shared; of equally good levels the sparsest.
CORRECTED = {"low", "high", "difference_low", "difference_high", "paired"}
CORRECTED_QUANTITIES = {"gain", "best_u", "sparsest_u"}


@pytest.fixture
def runs(tmp_path):
    """A copy, to write into."""
    return shutil.copytree(HERE / "runs", tmp_path / "runs")


@pytest.mark.parametrize("name", SHOWN)
def test_they_are_shown_as_before(name, capsys):
    assert json.loads(succeeded(capsys, "show", HERE / "runs" / name, "--json")) == SHOWN[name]


@pytest.mark.parametrize("name", SHOWN)
def test_their_columns_are_those_of_the_registry(name):
    table = Run(HERE / "runs" / name).table
    assert dict(table.schema) == {
        column: kind for column, kind in schema().items() if column in table.columns
    }
    assert set(table.columns) <= set(schema())


@pytest.mark.parametrize(
    ("file", "options"),
    [("compare.json", ["--baseline", "one-shot"]), ("compare-density.json", ["--density", "0.12"])],
)
def test_they_compare_as_before_but_for_the_corrections(file, options, capsys):
    before = json.loads((HERE / file).read_text("utf-8"))
    now = json.loads(succeeded(capsys, "compare", HERE / "runs", *options, "--json"))
    assert now["groups"] == before["groups"]
    assert now["baseline"] == before["baseline"]
    rows = {(row["quantity"], row["group"]): row for row in now["rows"]}
    stated = [
        row for row in before["rows"] if row["mean"] is not None
    ]  # rows without a value are left out now
    assert set(rows) == {(row["quantity"], row["group"]) for row in stated}
    for row in stated:
        if row["quantity"] in CORRECTED_QUANTITIES and file == "compare.json":
            continue
        found = rows[row["quantity"], row["group"]]
        kept = {name: value for name, value in row.items() if name not in CORRECTED}
        assert {name: found[name] for name in kept} == pytest.approx(kept)


def test_they_are_tabulated(capsys, tmp_path):
    succeeded(capsys, "table", HERE / "runs", "--out", tmp_path / "all.parquet")
    table = polars.read_parquet(tmp_path / "all.parquet")
    rows = sum(len(level["layers"]) for run in SHOWN.values() for level in run["levels"])
    assert table.height == rows
    assert set(table["status"]) == {"done", "interrupted"}


@pytest.mark.parametrize(
    "figure", ["1a", "1b", "1c", "2b", "3b", "10", "g", "methods", "gain", "kurtosis", "flow"]
)
def test_they_are_drawn(figure, tmp_path):
    wanted = FINISHED if figure in ("1a", "methods", "gain", "10", "flow", "kurtosis") else FINISHED[:2]
    written = draw(figure, [Run(HERE / "runs" / name) for name in wanted], tmp_path)
    assert all(path.stat().st_size > 0 for path in written)


def test_they_have_a_page(capsys, tmp_path):
    page = Path(
        succeeded(capsys, "report", HERE / "runs" / FINISHED[0], "--out", tmp_path / "page.html").strip()
    )
    assert "after each level the smallest 50 % of the weights left are pruned" in page.read_text("utf-8")


def test_which_images_were_right_is_not_known_and_that_is_said():
    with pytest.raises(InputError, match="does not say which images were classified right"):
        Run(HERE / "runs" / FINISHED[0]).right(1)


def test_the_stopped_one_goes_on_from_its_checkpoint(runs, capsys):
    experiment = load(HERE / "imp.toml")
    before = Run(runs / STOPPED)
    assert before.status == "interrupted"
    untouched = {path: path.read_bytes() for path in before.path.glob("level-*/*")}
    evaluations = before.metrics
    path = Path(succeeded(capsys, "run", HERE / "imp.toml", "--seed", 2, "--out", runs).splitlines()[-1])
    after = Run(path)
    assert path == before.path
    assert (after.status, after.levels) == ("done", [0, 1, 2, 3, 4])
    assert {path: path.read_bytes() for path in untouched} == untouched
    assert after.metrics[: len(evaluations)] == evaluations
    assert [entry["step"] for entry in after.metrics if entry["level"] == 3] == [20, 40, 60]
    assert "split" in after.about["data"]
    assert after.right(4, "heldout").mean() == pytest.approx(
        after.table.row(-1, named=True)["heldout_accuracy"]
    )
    assert experiment.identity == after.about["identity"]


def test_a_finished_one_is_left_as_it_is(runs, capsys):
    done = runs / FINISHED[0]
    before = {path: path.read_bytes() for path in done.rglob("*") if path.is_file() and path.name != ".lock"}
    succeeded(capsys, "run", HERE / "imp.toml", "--seed", 0, "--out", runs)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("name", FINISHED)
def test_their_networks_are_exported_with_the_mean_image_of_their_data(name):
    run = Run(HERE / "runs" / name)
    validation = open_dataset(run.experiment.data, run.seed).validation
    module, rows = run.torch(1), run.table.filter(level=1)
    right = module(torch.from_numpy(validation.pixels)).argmax(1).numpy() == validation.labels
    assert right.mean() == pytest.approx(rows["final_val_accuracy"][0], abs=1.5 / len(validation))
    assert not (run.path / "inputs.safetensors").exists()
