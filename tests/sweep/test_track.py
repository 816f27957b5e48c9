"""``prunescope sweep --track``: each run's process feeds its trackers. Run with `pytest tests/sweep/test_track.py`."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from commands import called
from prunescope.errors import InputError
from prunescope.runs.directory import Run
from prunescope.runs.writer import run_path
from prunescope.sweep import ExecutionOptions, Job, execute
from prunescope.sweep.status import SweepReporter
from track.event_files import assert_holds

pytest.importorskip("tensorboard")


def folder_of(logs, path):
    return logs / path.parent.name / path.name


class Killing(SweepReporter):
    """Kills the process of seed 0 once, when its event file is there."""

    def __init__(self, logs):
        self.logs, self.pids, self.warnings, self.left = logs, {}, [], None

    def started(self, run, pid, node=""):
        self.pids[run.path] = pid

    def updated(self, run, event):
        if event["event"] == "tracker":
            self.warnings.append(event["text"])
        files = list(folder_of(self.logs, run.path).glob("*.prunescope"))
        if run.job.seed == 0 and self.left is None and event["event"] == "evaluated" and files:
            (self.left,) = files
            os.kill(self.pids[run.path], signal.SIGKILL)


@pytest.mark.long
def test_event_files_of_two_runs_hold_their_numbers_though_one_was_killed(small_run, tmp_path):
    experiment = small_run(train={"steps": 1500, "eval_every": 50}, prune={"levels": 1})
    logs = tmp_path / "logs"
    killing = Killing(logs)
    results = execute(
        [Job(experiment, seed) for seed in (0, 1)],
        tmp_path / "runs",
        ExecutionOptions(at_once=2, trackers=(f"tensorboard={logs}",)),
        killing,
    )
    assert (results.retries, results.failed, killing.warnings) == (1, {}, [])
    assert len(results.done) == 2
    for path in results.done:
        assert_holds(folder_of(logs, path), Run(path))
        assert len(list(folder_of(logs, path).iterdir())) == 1
    assert not killing.left.exists()


@pytest.fixture
def sweep(small_run, tmp_path, capfd):
    """``prunescope sweep`` on a tiny experiment; returns exit code, stdout and stderr."""
    toml = tmp_path / "tiny.toml"
    toml.write_text(small_run(prune={"levels": 1}).to_toml())

    return partial(called, capfd, "sweep", toml, "--out", tmp_path / "runs")


def test_a_tracker_that_fails_is_one_line_and_its_run_is_done(sweep, small_run, tmp_path):
    logs = tmp_path / "logs"
    path = run_path(small_run(prune={"levels": 1}), 0, tmp_path / "runs")
    logs.mkdir()
    (logs / path.parent.name).write_text("in the way")
    code, stdout, stderr = sweep("--seeds", "1", "--track", f"tensorboard={logs}")
    assert (code, stdout) == (0, f"{path}\n")
    (line,) = [line for line in stderr.splitlines() if "tensorboard" in line]
    assert line.startswith("tiny, seed 0: tensorboard failed (")
    again = f"prunescope track {path} --to tensorboard --out {logs}"
    assert line.endswith(f"; the run goes on without it; to send the run afterwards: {again}")
    assert "Traceback" not in stderr
    assert Run(path).status == "done"


@pytest.mark.parametrize(
    ("trackers", "message"),
    [
        (["tensorbord"], "--track is 'tensorbord': give one of tensorboard, wandb, mlflow, trackio"),
        (["tensorboard", "tensorboard=logs"], "--track names tensorboard twice"),
        (["tensorboard", "wandb"], "wandb: its package is not installed"),
    ],
)
def test_what_cannot_be_fed_is_one_line_before_any_work(sweep, tmp_path, monkeypatch, trackers, message):
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    code, stdout, stderr = sweep(*(word for name in trackers for word in ("--track", name)))
    (line,) = stderr.splitlines()
    assert (code, stdout) == (2, "")
    assert line.startswith(f"prunescope: {message}")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("tracker", ["tensorboard", "tensorboard=logs"])
def test_nodes_of_a_cluster_get_a_whole_path(small_run, tmp_path, tracker):
    options = ExecutionOptions(ray="10.0.0.1:6379", trackers=(tracker,))
    with pytest.raises(InputError) as refused:
        execute([Job(small_run(), 0)], tmp_path, options)
    assert str(refused.value) == (
        f"--track {tracker}: with --ray 10.0.0.1:6379 give a whole path, as in --track tensorboard=/shared/tensorboard"
    )


def test_what_a_tracker_prints_is_kept_out_of_what_a_worker_says():
    code = (
        "import os; from prunescope.sweep.worker import _event_writer\n"
        "say = _event_writer(); print('tracking', end='', flush=True)\n"
        "os.system('echo in the cloud'); say('ended', code=0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == '{"event": "ended", "code": 0}\n'
    assert done.stderr == "trackingin the cloud\n"
