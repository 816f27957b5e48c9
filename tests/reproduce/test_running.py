"""prunescope reproduce with tiny runs: run with `pytest tests/reproduce/test_running.py`."""

import json
from dataclasses import replace
from functools import partial

import pytest

import tiny
from commands import called
from prunescope.errors import InputError
from prunescope.experiment import load
from prunescope.pruning.running import run
from prunescope.reproduce import Request, missing, needed, reproduce
from prunescope.reproduce.request import FinishedRuns, stored
from prunescope.runs.columns import schema
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run
from prunescope.sweep import Job

TINY = (
    "network.hidden=[12,10]", "train.steps=20", "train.batch=20", "prune.levels=2", "data.validation=60",
    "data.flip=false", "run.threads=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def request_of(images_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("reproduced")
    data = (f"npz={images_file}",)
    return lambda *figures: Request(figures, "laptop", data, out / "runs", out / "figures", 1, TINY)


@pytest.fixture
def command(capsys):
    return partial(called, capsys)


def words(request, *more):
    return [
        "reproduce", *request.figures, *request.overrides, "--data", request.data[0], "--out", request.out,
        "--figures", request.drawn, "--seeds", 1, *more,
    ]  # fmt: skip


@pytest.mark.long
def test_missing_runs_are_run_and_figures_drawn_then_nothing_is_run_again(request_of, command):
    request = request_of("1a", "2b")
    code, stdout, _ = command(*words(request, "--dry-run"))
    assert code == 0
    assert "laptop/main" in stdout
    assert not request.out.exists()

    code, stdout, stderr = command(*words(request, "--jobs", 1))
    assert code == 0, stderr
    written = stdout.splitlines()
    assert [path.rpartition("/")[2] for path in written] == [
        "figure-1a.pdf", "figure-1a.png", "figure-1a.csv", "figure-2b.pdf", "figure-2b.png", "figure-2b.npz",
    ]  # fmt: skip
    [made] = stored(request, needed(request))
    assert made.status == "done"
    assert made.experiment.name == "laptop/main-tiny"

    table = (made.path / "levels.parquet").stat().st_mtime_ns
    assert reproduce(request).failed == {}
    assert (made.path / "levels.parquet").stat().st_mtime_ns == table


def test_a_run_of_another_name_is_taken(request_of, tmp_path):
    request = request_of("1a")
    [job] = needed(request)
    elsewhere = Request(request.figures, request.scale, request.data, tmp_path / "runs", tmp_path, 1, TINY)
    other = job.experiment.model_copy(update={"name": "mine/other"})
    made = run(other, seed=0, out=elsewhere.out)
    result = reproduce(elsewhere)
    assert result.failed == {}
    assert not (elsewhere.out / "laptop").exists()
    assert [found.path for found in stored(elsewhere, [job])] == [made.path]


def test_a_figure_without_runs_needs_no_data(command, tmp_path):
    code, stdout, stderr = command("reproduce", "2a", "--out", tmp_path / "runs", "--figures", tmp_path)
    assert code == 0, stderr
    assert "figure-2a.pdf" in stdout
    assert not (tmp_path / "runs").exists()


def test_a_failed_run_is_told_and_what_needs_it_is_not_drawn(request_of, command):
    request = request_of("1a", "2a")
    out = request.out.parent / "failing"
    broken = Request(request.figures, "laptop", request.data, out, out, 1, (*TINY, "train.lr=1e30"))
    code, stdout, stderr = command(*words(broken, "--jobs", 1))
    assert code == 1
    assert "figure-2a.pdf" in stdout
    assert "figure-1a" not in stdout
    assert "seed-0: " in stderr
    assert "figure 1a is not drawn: a run that it needs is not done" in stderr
    assert stderr.strip().splitlines()[-1] == "prunescope: 1 runs failed, 1 figures are not drawn"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1a", "scale=mini"), "see --scale"),
        (("1a", "train.stepz=3", "--scale", "mini"), "unknown field 'train.stepz'"),
        (("99",), "unknown figure '99'"),
        (("1a", "--scale", "huge"), "scale is 'huge'"),
        (("1a", "--data", "/nowhere"), "--data /nowhere: not there"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(arguments, message, command):
    code, _, stderr = command("reproduce", *arguments)
    assert code == 2
    assert message in stderr
    assert len(stderr.strip().splitlines()) == 1


def test_scale_is_an_override_of_run_too(command):
    fields = ["scale=mini", "prune.levels=1", "train.steps=20"]
    code, stdout, _ = command("run", "paper/main", *fields, "--dry-run")
    assert code == 0
    assert 'name = "mini/main"' in stdout
    assert load("paper/main", fields).identity in stdout


def test_stored_runs_of_the_scale_mini_are_found_as_such_and_are_not_the_miniatures(tmp_path):
    """Earlier versions ran the scale mini where this one runs the scale miniature."""
    earlier = load("paper/main", ["scale=mini"])
    for seed in range(3):
        with open_run(earlier, seed, tmp_path) as writer:
            writer.write_table(
                [{"level": 0, "layer": 1, "nominal_density": 1.0, "best_val_accuracy": 0.8}], schema()
            )
            writer.write_about(status="done", data={"fingerprint": "of the photographs"})
    found = FinishedRuns(tmp_path).of_all([Job(earlier, seed) for seed in range(5)])
    assert [run.seed for run in found] == [0, 1, 2]
    assert {run.path.parent.name for run in found} == {"main-af7528d8dd29"}
    assert {run.path.parent.parent.name for run in found} == {"mini"}
    page = Request(("all",), "mini", out=tmp_path)
    assert stored(page, needed(page)) == []
    assert missing(page) == needed(page)


def write_seed(run, seed):
    about = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(about | {"seed": seed}))


@pytest.mark.long
def test_finished_runs_of_other_images_are_not_taken(request_of, tmp_path, command, images_file):
    other = tmp_path / "elsewhere" / "tiny.npz"
    other.parent.mkdir()
    tiny.write_images(other, seed=5)
    out = tmp_path / "runs"
    requests = [
        Request(
            ("1a",), "laptop", (f"npz={root}",), out, tmp_path / "figures", 1, (*TINY, f"data.name={name}")
        )
        for root, name in ((images_file, "one"), (other, "two"))
    ]
    for request in requests:
        assert reproduce(request).failed == {}
    made = [stored(request, needed(request)) for request in requests]
    assert [len(runs) for runs in made] == [1, 1]
    assert [runs[0].experiment.name for runs in made] == ["laptop/main-one", "laptop/main-two"]
    assert made[0][0].data["fingerprint"] != made[1][0].data["fingerprint"]
    swapped = replace(requests[0], data=(f"npz={other}",))  # these images under the other name
    assert missing(swapped) == []
    assert [run.path for run in stored(swapped, needed(swapped))] == [made[1][0].path]
    code, _, err = command(*words(replace(requests[0], data=("npz=/no/such.npz",))))
    assert (code, err.count("\n")) == (2, 1)
    assert "/no/such.npz: no such file or folder" in err
    by_name = replace(requests[0], data=("npz",))
    assert [run.path for run in stored(by_name, needed(by_name))] == [made[0][0].path]
    assert reproduce(by_name).undrawn == {}
    unsaid = replace(by_name, overrides=TINY)
    code, _, err = command(*words(unsaid))
    assert code == 2
    assert "are of different images: say by --data FOLDER or data.name=NAME which are meant" in err
    made[1][0].path.rename(made[1][0].path.with_name("seed-1"))
    write_seed(Run(made[1][0].path.with_name("seed-1")), 1)
    with pytest.raises(InputError, match="are of different images"):  # each seed is there once
        missing(replace(unsaid, seeds=2))


def test_finished_runs_need_no_data(request_of, tmp_path, images_file):
    gone = tmp_path / "gone.npz"
    gone.write_bytes(images_file.read_bytes())
    request = Request(("1a",), "laptop", (f"npz={gone}",), tmp_path / "runs", tmp_path / "figures", 1, TINY)
    assert reproduce(request).failed == {}
    gone.unlink()
    without = replace(request, data=("npz",))
    result = reproduce(without)
    assert (result.failed, result.undrawn) == ({}, {})
    assert [path.name for path in result.written] == ["figure-1a.pdf", "figure-1a.png", "figure-1a.csv"]
