"""TensorBoard's event files hold the numbers of the run's files. Run with `pytest tests/track/test_tensorboard.py`."""

import signal
import subprocess
import sys
import threading

import pytest

from prunescope.cli import main
from prunescope.errors import InputError
from prunescope.pruning.running import run as run_it
from prunescope.runs.directory import Run
from prunescope.runs.reporting import silent
from prunescope.runs.writer import run_path
from prunescope.track import Destination, send, tracked
from stored_runs import write_run
from track.event_files import assert_holds, read_back

pytest.importorskip("tensorboard")


def test_event_files_hold_every_number_once_however_often_they_are_written(finished_run, tmp_path):
    to = Destination("tensorboard", tmp_path)
    title = f"{finished_run.path.parent.name}/{finished_run.path.name}"
    assert title == f"tiny-{finished_run.experiment.identity}/seed-3"
    for _ in range(3):
        assert send(finished_run, to) == str(tmp_path / title)
        assert_holds(tmp_path / title, finished_run)
        assert len(list((tmp_path / title).iterdir())) == 1


def test_what_fails_leaves_no_thread_that_writes(finished_run, tmp_path, monkeypatch):
    def damaged(run):
        raise InputError("damaged")

    monkeypatch.setattr("prunescope.track.upload.entries", damaged)
    before = threading.active_count()
    with pytest.raises(InputError, match="damaged"):
        send(finished_run, Destination("tensorboard", tmp_path))
    assert threading.active_count() == before


def test_hyperparameters_are_the_fields_and_seeds_share_a_group(tmp_path):
    groups = set()
    for seed in (0, 1):
        run = write_run(tmp_path / "runs", seed=seed, shape=(1, 6, 6), hidden=(8, 6), levels=3)
        _, session = read_back(send(run, Destination("tensorboard", tmp_path)))
        assert session.hparams["seed"].number_value == seed
        assert session.hparams["train.steps"].number_value == 2000
        assert session.hparams["data.flip"].bool_value is False
        assert session.hparams["network.hidden"].string_value == "[8, 6]"
        assert "prune.density" not in session.hparams  # not set
        groups.add(session.group_name)
    assert groups == {f"synthetic-{run.experiment.identity}"}


def test_a_file_left_by_a_killed_writer_doubles_nothing_and_others_files_stay(finished_run, tmp_path):
    folder = tmp_path / finished_run.path.parent.name / finished_run.path.name
    send(finished_run, Destination("tensorboard", tmp_path))
    (written,) = folder.iterdir()
    kept, left = written.read_bytes(), folder / "events.out.tfevents.0000000001.host.1.0.prunescope"
    left.write_bytes(kept[: len(kept) // 2])
    assert_holds(folder, finished_run)  # both are there: TensorBoard drops what the older one holds
    other = folder / "events.out.tfevents.0000000002.host.1.0"
    other.write_bytes(b"")
    send(finished_run, Destination("tensorboard", tmp_path))
    assert not left.exists()
    assert other.exists()
    assert_holds(folder, finished_run)


def test_an_unfinished_run_grows_without_doubling(small_run, tmp_path):
    class Stops(Exception):
        pass

    class Stopping(type(silent)):
        def evaluated(self, evaluation):
            if (evaluation.level, evaluation.step) == (1, 20):
                raise Stops

    experiment, to = small_run(), Destination("tensorboard", tmp_path / "logs")
    with pytest.raises(Stops):
        run_it(experiment, seed=1, out=tmp_path, reporter=Stopping())
    run = Run(run_path(experiment, 1, tmp_path))
    assert len(run.metrics) == 5
    assert len(read_back(send(run, to))[0]) > 50
    run_it(experiment, seed=1, out=tmp_path)
    assert_holds(send(run, to), run)


def test_live_and_resumed_it_holds_what_the_files_do(small_run, tmp_path):
    """Ended in the middle of a level by an error, gone on with, and run again when done."""

    class Fails(type(silent)):
        def stepped(self, level, step):
            if (level.number, step) == (2, 25):
                raise RuntimeError("out of power")

    experiment, logs = small_run(), tmp_path / "logs"
    path = run_path(experiment, 0, tmp_path)
    reporter = tracked(Fails(), [f"tensorboard={logs}"])
    with pytest.raises(RuntimeError, match="out of power"):
        run_it(experiment, out=tmp_path, reporter=reporter)
    reporter.close()
    folder = logs / path.parent.name / path.name
    before = read_back(folder)[0]
    assert max(step for name, step, _ in before if name == "evaluation/val_loss") == 2 * 30 + 20
    said = []
    reporter = tracked(silent, [f"tensorboard={logs}"], said.append)
    finished = run_it(experiment, out=tmp_path, reporter=reporter)
    reporter.close()
    assert_holds(folder, finished)
    assert not said
    untracked = run_it(experiment, out=tmp_path / "untracked")
    assert finished.metrics == untracked.metrics
    assert finished.mask(3) == untracked.mask(3)


KILLED_ONCE_SENT = """
import os, signal, sys, time
from pathlib import Path
from prunescope.cli import main
from prunescope.data import Dataset

logs, draw, drawn = Path(sys.argv.pop(1)), Dataset.draw, []


def draw_and_be_killed(*of):
    drawn.append(of)
    if len(drawn) == 1000:  # inside a level; a thread sends what was measured before
        while not any(file.stat().st_size > 5000 for file in logs.rglob("*.prunescope")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(*of)


Dataset.draw = draw_and_be_killed
main(sys.argv[1:])
"""


def test_killed_and_resumed_by_the_command_line(small_run, tmp_path, capfd):
    toml, logs = tmp_path / "tiny.toml", tmp_path / "logs"
    toml.write_text(small_run(train={"steps": 2000, "eval_every": 50}, prune={"levels": 1}).to_toml())
    command = ["run", str(toml), "--out", str(tmp_path / "runs"), "--track", f"tensorboard={logs}"]
    process = subprocess.run(
        [sys.executable, "-c", KILLED_ONCE_SENT, str(logs), *command], capture_output=True, check=False
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    for _ in range(2):  # the second time it is done
        with pytest.raises(SystemExit) as left:
            main(command)
        assert not left.value.code
        run = Run(capfd.readouterr().out.strip())
        assert_holds(logs / run.path.parent.name / "seed-0", run)


def test_the_track_verb_prints_log_folders_and_names_what_it_leaves_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runs = [write_run(tmp_path / "runs", seed=s, shape=(1, 6, 6), hidden=(8, 6), levels=2) for s in (0, 1)]
    experiment = f"synthetic-{runs[0].experiment.identity}"

    def track(*arguments):
        with pytest.raises(SystemExit) as left:
            main(["track", *map(str, arguments), "--to", "tensorboard"])
        return left.value.code or 0, *capsys.readouterr()

    code, out, err = track("runs", runs[0].path)
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"tensorboard/{experiment}/seed-0", f"tensorboard/{experiment}/seed-1"]
    (runs[0].path / "levels.parquet").write_bytes(b"PAR1")
    code, out, err = track("runs")
    assert (code, out) == (2, f"tensorboard/{experiment}/seed-1\n")
    assert "levels.parquet: damaged" in err.splitlines()[0]
    assert err.splitlines()[1:] == ["prunescope: 1 of 2 runs were not sent to tensorboard"]
    code, out, err = track(runs[0].path)
    assert (code, out, err.count("\n")) == (2, "", 1)
