"""Interrupting, killing and going on: run with `pytest tests/runs/test_resume.py`."""

import resource
import shutil
import signal
import subprocess

import kill_resume
import numpy as np
import pytest

from prunescope import files
from prunescope.cli import main
from prunescope.data import prepare
from prunescope.experiment import load
from prunescope.pruning.running import run
from prunescope.runs import arrays
from prunescope.runs.directory import Run
from prunescope.runs.driver import Interrupted
from prunescope.runs.reporting import Reporter
from prunescope.runs.writer import run_path


def differences(whole, resumed):
    return list(kill_resume.differences(whole.path, resumed.path))


@pytest.mark.long
def test_killed_processes_go_on_to_the_same_bits(tmp_path):
    tally = kill_resume.kill_and_resume(tmp_path, kills=6, seed=1, steps=60, span=0.7)
    assert (tally.kills, tally.differences) == (6, ())
    assert tally.runs >= 1


def test_the_comparison_of_runs_sees_a_changed_bit(finished_run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished_run.path, copy)
    assert list(kill_resume.differences(finished_run.path, copy)) == []
    model = Run(copy).model(1)
    model.layers[0].bias[0] = np.nextafter(model.layers[0].bias[0], np.float32(1))
    arrays.write_arrays(copy / "level-001" / "weights.safetensors", model.to_arrays())
    (copy / "metrics.jsonl").write_text("")
    (copy / "report.html").touch()
    assert list(kill_resume.differences(finished_run.path, copy)) == [
        "report.html (in one of them)",
        "level-001/weights.safetensors",
        "metrics.jsonl",
    ]


class Crash(BaseException):
    """The process is gone: nothing after it is written."""


def crash_at(monkeypatch, count):
    """Every file from number ``count`` on is written but not put in its place."""
    real, done = files.os.fsync, [0]

    def fsync(handle):
        done[0] += 1
        if done[0] >= count:
            raise Crash
        real(handle)

    monkeypatch.setattr(files.os, "fsync", fsync)
    return done


def test_a_crash_at_any_write_leaves_a_directory_that_goes_on(small_run, tmp_path, monkeypatch):
    experiment = small_run(
        train={"steps": 3, "eval_every": 2, "batch": 10},
        prune={"levels": 1, "rewind_step": 1},
        run={"checkpoint_seconds": 1e-9, "threads": 1},
    )
    whole = run(experiment, out=tmp_path / "whole")
    writes = 0
    for count in range(1, 60):
        out = tmp_path / str(count)
        with monkeypatch.context() as patch:
            done = crash_at(patch, count)
            try:
                run(experiment, out=out)
            except Crash:
                writes += 1
        resumed = run(experiment, out=out)
        assert differences(whole, resumed) == []
        if done[0] < count:
            break
    assert writes > 15


class Stop(Reporter):
    """Sends this process a signal after some steps of a level."""

    def __init__(self, level, step, number=signal.SIGINT):
        self.at, self.number = (level, step), number

    def stepped(self, level, step):
        if (level.number, step) == self.at:
            signal.raise_signal(self.number)


@pytest.mark.parametrize(
    ("level", "step", "number"), [(0, 3, signal.SIGINT), (1, 30, signal.SIGTERM), (2, 17, signal.SIGHUP)]
)
def test_a_signal_saves_at_the_end_of_a_step(small_run, finished_run, tmp_path, level, step, number):
    experiment = small_run()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        run(experiment, seed=3, out=tmp_path, reporter=Stop(level, step, number))
    assert signal.getsignal(signal.SIGINT) is before
    stopped = Run(run_path(experiment, 3, tmp_path))
    assert stopped.status == "interrupted"
    saved, _ = arrays.read_arrays(stopped.path / "checkpoint.safetensors")
    assert saved["loop/progress"][0] == min(step + 1, 30)  # the signal waits for the end of the next step
    assert differences(finished_run, run(experiment, seed=3, out=tmp_path)) == []


def wait_for_start(started):
    for line in started.stderr:
        if ": starting " in line or ": resuming " in line:
            return


def test_ctrl_c_says_so_exits_130_and_a_second_process_is_refused_meanwhile(tmp_path):
    inputs = kill_resume.write_inputs(tmp_path, steps=10_000_000)  # never done before the signal
    first = kill_resume.start(inputs, tmp_path / "runs")
    wait_for_start(first)
    second = kill_resume.start(inputs, tmp_path / "runs")
    stdout, stderr = second.communicate()
    assert (second.returncode, stdout) == (2, "")
    [line] = stderr.splitlines()
    assert "another process is running this" in line
    first.send_signal(signal.SIGINT)
    stdout, stderr = first.communicate()
    assert (first.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1] == "prunescope: interrupted; run the same command to go on"
    assert "Traceback" not in stderr
    [path] = (tmp_path / "runs").glob("*/seed-0")
    assert Run(path).status == "interrupted"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 700 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def check_full(code, stderr, out, reason):
    said = [line for line in stderr.splitlines() if line.startswith("prunescope: ")]
    lines = [line for line in said if "none is held out" not in line]  # a note on the data
    assert code == 2
    assert len(lines) == 1
    assert reason in lines[0]
    assert "run the same command to go on" in lines[0]
    assert "Traceback" not in stderr
    assert [f.name for f in out.rglob(".*") if f.name != ".lock"] == []


def test_a_full_disk_is_said_and_the_directory_goes_on(small_run, small_disk, tmp_path, capsys):
    experiment = small_run(run={"checkpoint_seconds": 0.01, "threads": 1})
    whole = run(experiment, out=tmp_path / "whole")
    toml = tmp_path / "tiny.toml"
    toml.write_text(experiment.to_toml())
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 560_000)
    with pytest.raises(SystemExit) as left:
        main(["run", str(toml), "--out", str(small_disk)])
    check_full(left.value.code, capsys.readouterr().err, small_disk, "No space left on device")
    filler.unlink()
    assert differences(whole, run(experiment, out=small_disk)) == []


def test_a_file_that_may_not_grow_is_said_and_the_directory_goes_on(tmp_path):
    inputs = kill_resume.write_inputs(tmp_path, steps=60)
    prepare(load(inputs).data)
    command = [*kill_resume.MAIN, "run", str(inputs), "--out", str(tmp_path / "runs")]

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))

    failed = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)
    check_full(failed.returncode, failed.stderr, tmp_path / "runs", "File too large")
    assert run(inputs, out=tmp_path / "runs").status == "done"
