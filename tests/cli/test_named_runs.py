"""Folders of runs, wherever a verb takes a run: run with `pytest tests/cli/test_named_runs.py`."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from commands import called
from prunescope.runs.arrays import read_arrays, write_arrays


@pytest.fixture
def folder(finished_run, tmp_path):
    """A folder that holds the finished run."""
    shutil.copytree(finished_run.path.parent.parent, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def seeds(folder):
    """The folder ``<name>-<identity>`` of that run and of a copy all of whose files claim another seed."""
    [path] = folder.glob("*/seed-3")
    copy = Path(shutil.copytree(path, path.with_name("seed-4")))
    about = json.loads((path / "run.json").read_text()) | {"seed": 4}
    (copy / "run.json").write_text(json.dumps(about))
    for file in copy.rglob("*.safetensors"):
        arrays, notes = read_arrays(file)
        write_arrays(file, arrays, notes | {"seed": "4"})
    evaluations = (copy / "metrics.jsonl").read_text().replace('"seed": 3}', '"seed": 4}')
    (copy / "metrics.jsonl").write_text(evaluations)
    return path.parent


@pytest.fixture
def call(capsys):
    """Run a command; returns exit code, stdout and stderr."""

    return partial(called, capsys)


def test_a_folder_with_one_run_is_that_run(call, folder):
    [run] = folder.glob("*/seed-3")
    for verb in (["show"], ["show", "--json"], ["observe"], ["observe", "--json"]):
        code, of_folder, _ = call(*verb, folder)
        assert code == 0
        assert of_folder == call(*verb, run)[1]


def test_show_lists_the_runs_of_a_folder(call, seeds):
    code, shown, _ = call("show", seeds)
    assert code == 0
    first, second = shown.splitlines()
    assert first.split()[:4] == [str(seeds / "seed-3"), "done", "level", "3"]
    assert second.split()[:4] == [str(seeds / "seed-4"), "done", "level", "3"]
    listed = json.loads(call("show", seeds.parent, "--json")[1])
    assert [entry["seed"] for entry in listed] == [3, 4]
    assert [level["level"] for level in listed[0]["levels"]] == [0, 1, 2, 3]


def test_observe_asks_for_one_run_of_several(call, seeds):
    code, _, said = call("observe", seeds)
    assert code == 2
    assert said == f"prunescope: {seeds}: holds 2 runs, name one: {seeds / 'seed-3'}, {seeds / 'seed-4'}\n"


def test_figures_and_reports_take_all_runs_of_a_folder(call, seeds, tmp_path):
    code, drawn, _ = call("figure", "1a", seeds, "--out", tmp_path / "figures")
    assert code == 0
    assert str(tmp_path / "figures" / "figure-1a.pdf") in drawn
    named = call("figure", "1a", seeds / "seed-3", seeds / "seed-4", "--out", tmp_path / "named")
    assert named[0] == 0
    for data in [tmp_path / "figures" / "figure-1a.csv"]:
        assert data.read_text() == (tmp_path / "named" / data.name).read_text()
    code, page, _ = call("report", seeds)
    assert (code, page.strip()) == (0, str(seeds / "report.html"))
    assert "seeds 3, 4" in (seeds / "report.html").read_text("utf-8")


def test_what_cannot_be_read_is_named_and_left_out(call, seeds):
    (seeds / "other").mkdir()
    (seeds / "other" / "run.json").write_text('{"of": "another program"}')
    code, shown, said = call("show", seeds)
    assert code == 0
    assert len(shown.splitlines()) == 2
    assert (
        said
        == f"prunescope: {seeds / 'other'}: not a run directory (no experiment.toml and run.json); left out\n"
    )


@pytest.mark.parametrize(
    "verb", [["show"], ["observe"], ["figure", "1a"], ["report"], ["table"], ["compare"]]
)
def test_a_folder_without_a_run_is_refused_in_one_line(call, verb, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    code, stdout, said = call(*verb, tmp_path)
    assert (code, stdout) == (2, "")
    assert said.startswith(f"prunescope: {tmp_path}: ")
    assert "run director" in said
    assert len(said.splitlines()) == 1


def test_show_says_why_a_run_ended(call, folder):
    [run] = folder.glob("*/seed-3")
    assert "\nended: " not in call("show", run)[1]
    about = json.loads((run / "run.json").read_text()) | {
        "ended": "the pruning after level 3 changed no mask"
    }
    (run / "run.json").write_text(json.dumps(about))
    assert call("show", run)[1].splitlines()[-1] == "ended: the pruning after level 3 changed no mask"
    assert list(json.loads(call("show", run, "--json")[1])) == [
        "name",
        "identity",
        "seed",
        "status",
        "levels",
    ]


@pytest.mark.parametrize("verb", [["show"], ["table"], ["compare"], ["figure", "1a"], ["report"]])
@pytest.mark.parametrize("entry", [{"tables": 1}, {"seed": "x"}, {"data": [1]}])
def test_a_damaged_run_does_not_end_the_others(call, seeds, tmp_path, verb, entry):
    about = json.loads((seeds / "seed-4" / "run.json").read_text()) | entry
    (seeds / "seed-4" / "run.json").write_text(json.dumps(about))
    place = ["--out", tmp_path / "drawn"] if verb[0] == "figure" else []
    code, _, said = call(*verb, seeds, *place)
    assert code == 0
    [line] = [line for line in said.splitlines() if line.endswith("left out")]
    assert line.startswith(f"prunescope: {seeds / 'seed-4'}: run.json: damaged ({next(iter(entry))} is ")
    code, stdout, said = call(*verb, seeds / "seed-4", *place)
    assert (code, stdout) == (2, "")
    assert "run.json: damaged" in said


def test_a_run_of_damaged_observations_is_left_out_of_a_report_of_several(call, seeds):
    damaged = seeds / "seed-4" / "level-001" / "observations.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    code, _, said = call("report", seeds / "seed-3", seeds / "seed-4", "--out", seeds / "page.html")
    assert code == 0
    [line] = [line for line in said.splitlines() if line.endswith("left out")]
    assert line.startswith(f"prunescope: {damaged}: damaged (")
    assert "seeds 3, 4" not in (seeds / "page.html").read_text("utf-8")
    code, _, said = call("report", seeds / "seed-4", "--out", seeds / "page.html")
    assert (code, len(said.splitlines())) == (2, 1)
