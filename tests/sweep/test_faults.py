"""Sweeps in real processes: killed, interrupted, failing. Run with `pytest tests/sweep/test_faults.py`."""

import os
import signal
import time
from functools import partial

import pytest
import sweep_faults

from commands import called
from prunescope.runs.directory import Run


@pytest.mark.long
def test_a_killed_run_and_a_killed_sweep_go_on_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_CACHE", os.environ["PRUNESCOPE_CACHE"])  # put back what repeat sets
    tally = sweep_faults.repeat(tmp_path, rounds=1, seed=3, steps=60, span=0.5)
    assert (tally.runs, tally.kills, tally.differences) == (6, 2, ())
    assert tally.retries + tally.missed >= 1


@pytest.mark.long
def test_ctrl_c_saves_every_run_and_the_same_command_goes_on(tmp_path):
    experiment = sweep_faults.kill_resume.write_inputs(
        tmp_path, steps=10_000_000
    )  # never done before the signal
    sweep = sweep_faults.start(experiment, tmp_path / "runs")
    while len(list((tmp_path / "runs").glob("*/*/metrics.jsonl"))) < 2:
        assert sweep.poll() is None
        time.sleep(0.05)
    sweep.send_signal(signal.SIGINT)
    stdout, stderr = sweep.communicate()
    assert (sweep.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1] == "prunescope: interrupted; run the same command to go on"
    assert "Traceback" not in stderr
    assert "stopping: every run saves its state" in stderr
    stopped = [Run(about.parent) for about in (tmp_path / "runs").rglob("run.json")]
    assert [run.status for run in stopped] == ["interrupted"] * 2
    assert all((run.path / "checkpoint.safetensors").is_file() for run in stopped)


@pytest.fixture
def sweep(small_run, tmp_path, capfd):
    """``prunescope sweep`` on a tiny experiment; returns exit code, stdout and stderr."""
    toml = tmp_path / "tiny.toml"
    toml.write_text(small_run(prune={"levels": 1}).to_toml())

    return partial(called, capfd, "sweep", toml, "--out", tmp_path / "runs")


def test_a_failure_stops_no_other_is_told_at_the_end_and_exits_1(sweep, tmp_path):
    grid = ["train.lr=[0.1,1e30]", "--jobs", "1"]
    code, plan, _ = sweep(*grid, "--dry-run")
    assert code == 0
    assert plan.count("/seed-0\n") == 2
    assert "2 runs of 2 experiments" in plan
    assert not (tmp_path / "runs").exists()

    code, stdout, stderr = sweep(*grid)
    [done] = stdout.splitlines()
    assert code == 1
    assert Run(done).status == "done"
    assert Run(done).experiment.train.lr == 0.1
    told, count = stderr.splitlines()[-2:]
    assert "the training loss is nan; lower train.lr" in told
    assert count == "prunescope: 1 of 2 runs failed"
    assert "level 1  u " in stderr
    assert "\x1b" not in stderr

    code, stdout, stderr = sweep("--seeds", "1")
    assert (code, stdout.splitlines()) == (0, [done])
    assert "process" not in stderr


BREAKS = """
import os, pathlib, prunescope.training.torch.engine as module
step, told = module.TorchEngine.step, pathlib.Path(__file__).parent
def breaks(self, batch):
    lr = self._experiment.train.lr
    (told / f"process-{lr}").write_text(str(os.getpid()))
    if lr == 0.2:
        raise RuntimeError("CUDA error: unspecified launch failure\\nCompile with …")
    step(self, batch)
module.TorchEngine.step = breaks
"""


@pytest.mark.long
def test_a_card_that_fails_ends_its_run_and_the_next_has_a_new_process(sweep, tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BREAKS)  # Every worker imports it.
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    code, stdout, stderr = sweep("train.lr=[0.2,0.1]", "run.engine=torch", "--jobs", "1")
    [done] = stdout.splitlines()
    assert (code, Run(done).experiment.train.lr) == (1, 0.1), stderr
    told = "the CPU failed: CUDA error: unspecified launch failure; what was saved is kept"
    assert f"/seed-0: {told}" in stderr.splitlines()[-2]
    first, second = ((tmp_path / "site" / f"process-{lr}").read_text() for lr in (0.2, 0.1))
    assert first != second
    monkeypatch.delenv("PYTHONPATH")
    assert sweep("train.lr=[0.2,0.1]", "run.engine=torch", "--jobs", "1")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train.stepz=[1,2]"], "unknown field 'train.stepz': did you mean 'train.steps'"),
        (["train.lr=[]"], "train.lr is an empty list"),
        (["train.lr=[0.1,0.1]"], "two entries are the same experiment"),
        (["data.root=/no/such.npz"], "data.root=/no/such.npz: no such file or folder"),
        (["run.device=gpu"], "/seed-0: run.device is 'gpu': did you mean 'cuda'?"),
        (["run.device=cuda:999", "--seeds", "3"], "/seed-0: run.device is 'cuda:999': "),
        (["train.precision=[float32,tf32]"], "/seed-0: train.precision=tf32 needs an NVIDIA card"),
        (["--jobs", "0"], "--jobs is 0; it must be 1 or more"),
        (["--threads", "0"], "--threads"),
    ],
)
def test_wrong_input_is_one_line_before_any_work(sweep, tmp_path, arguments, message):
    code, stdout, stderr = sweep(*arguments)
    told = [line for line in stderr.splitlines() if line.startswith("prunescope: ")]
    assert (code, stdout, len(told)) == (2, "", 1)
    assert message in told[0]
    assert list(tmp_path.glob("runs/*")) == []


def test_finished_runs_need_no_device(sweep):
    assert sweep()[0] == 0
    code, stdout, stderr = sweep("run.device=cuda:999")
    assert (code, len(stdout.splitlines())) == (0, 1), stderr
    code, stdout, stderr = sweep("run.device=cuda:999", "--seeds", "2")
    assert (code, stdout) == (2, "")
    assert "/seed-1: run.device is 'cuda:999': " in stderr


def test_too_small_a_disk_is_said_before_any_work(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.sweep.planning.free_disk", lambda folder: 1)
    code, _, stderr = sweep()
    assert code == 2
    assert "free some space or choose another --out" in stderr
    assert not (tmp_path / "runs").exists()
