"""Sweeps on a real Ray cluster of a head and two nodes, all on this machine. Run with `pytest tests/sweep/test_ray.py`."""

import importlib.util
import random
import signal
import time
from pathlib import Path

import pytest
import ray_faults
from fault_tally import Tally

from prunescope.cli import ray_alone
from prunescope.locks import is_held
from prunescope.runs.directory import Run
from prunescope.sweep.ray import liveness
from track.event_files import assert_holds

STEPS = 60
GRID = [*ray_faults.GRID, "prune.levels=1"]
if importlib.util.find_spec("ray") is None:  # not imported: it reads its environment then
    pytest.skip("Ray is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ray")


@pytest.fixture(scope="module")
def experiment(folder):
    return ray_faults.kill_resume.write_inputs(folder, STEPS)


@pytest.fixture(scope="module")
def whole(folder, experiment):
    """The eight runs, one after the other."""
    return ray_faults.sequential(experiment, folder / "whole", GRID)


@pytest.fixture(scope="module")
def cluster(folder):
    with ray_faults.nodes(folder / "cache") as cluster:
        yield cluster


@pytest.mark.parametrize(("kinds", "seeds"), [(["process", "worker"], 4), (["node"], 2)])
def test_what_is_killed_is_done_elsewhere_with_the_same_bits(
    cluster, experiment, whole, tmp_path, kinds, seeds
):
    tally = Tally()
    out = tmp_path / "runs"
    runs = ray_faults.SweptRuns(experiment, out, GRID, seeds)
    paths = ray_faults.one_round(runs, cluster, ray_faults.Kills(kinds, random.Random(1), 0.2), tally)
    ray_faults.compare(whole, paths, tally)
    assert (tally.runs, tally.kills, tally.differences) == (2 * seeds, len(kinds), ())
    assert tally.retries + tally.missed >= len(kinds)
    assert list(out.glob(f"{liveness.PREFIX}*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_runs_of_a_sweep_that_is_stopped_or_killed_save_their_state(cluster, tmp_path, number):
    long = ray_faults.kill_resume.write_inputs(tmp_path, steps=10_000_000)  # never done before the signal
    sweep = ray_faults.start(long, tmp_path / "runs", cluster.address, GRID)
    while len(list((tmp_path / "runs").glob("*/*/metrics.jsonl"))) < 2:
        assert sweep.poll() is None, sweep.communicate()
        time.sleep(0.05)
    sweep.send_signal(number)
    stdout, stderr = sweep.communicate()
    assert stdout == ""
    assert "Traceback" not in stderr
    if number == signal.SIGINT:
        assert sweep.returncode == 130, stderr
        assert stderr.splitlines()[-1] == "prunescope: interrupted; run the same command to go on"
    runs = [Run(about.parent) for about in (tmp_path / "runs").rglob("run.json")]
    patience = time.monotonic() + 200
    while {run.status for run in runs} != {"interrupted"}:
        assert time.monotonic() < patience, [run.status for run in runs]
        time.sleep(0.1)
    assert len(runs) == 2
    assert all((run.path / "checkpoint.safetensors").is_file() for run in runs)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "--ray 127.0.0.1:1: no answer (Connection refused); is the cluster's head running"),
        ("ray://127.0.0.1:1", "give HOST:PORT, or auto"),
    ],
)
def test_an_address_where_no_ray_is_is_one_line(experiment, tmp_path, address, message):
    sweep = ray_faults.start(experiment, tmp_path / "runs", address)
    stdout, stderr = sweep.communicate()
    [line] = stderr.splitlines()
    assert (sweep.returncode, stdout) == (2, "")
    assert line.startswith("prunescope: --ray ")
    assert message in line
    assert not (tmp_path / "runs").exists()


def test_a_node_without_the_data_is_one_line_before_any_work(cluster, experiment, tmp_path):
    text = experiment.read_text("utf-8").replace("images.npz", "elsewhere.npz")
    moved = tmp_path / "moved.toml"
    moved.write_text(text, "utf-8")
    sweep = ray_faults.start(moved, tmp_path / "runs", cluster.address, (), seeds=1)
    stdout, stderr = sweep.communicate()
    assert (sweep.returncode, stdout) == (2, "")
    assert stderr.splitlines()[-1].startswith("prunescope: node ")
    assert stderr.splitlines()[-1].endswith("elsewhere.npz: no such file or folder")
    assert list((tmp_path / "runs").iterdir()) == []


def test_trackers_are_fed_on_the_nodes(cluster, experiment, tmp_path):
    pytest.importorskip("tensorboard")
    logs = tmp_path / "logs"
    grid = ["prune.levels=1", "--track", f"tensorboard={logs}"]
    sweep = ray_faults.start(experiment, tmp_path / "runs", cluster.address, grid, seeds=2)
    stdout, stderr = sweep.communicate()
    assert (sweep.returncode, stderr.count("tensorboard")) == (0, 0)
    for path in map(Path, stdout.splitlines()):
        run = Run(path)
        group = f"{run.experiment.named_after_data().name}-{run.experiment.identity}"
        assert_holds(logs / group / path.name, run)
    assert len(list(logs.glob("*/*/*"))) == 2


def test_a_folder_that_is_no_absolute_path_is_refused(experiment):
    sweep = ray_faults.start(experiment, "runs", "127.0.0.1:1")
    _, stderr = sweep.communicate()
    assert sweep.returncode == 2
    assert "--out is runs: with --ray 127.0.0.1:1 give a whole path" in stderr


def test_a_liveness_lock_tells_other_folders_and_locks_that_do_not_hold(tmp_path):
    with liveness.LivenessLock(tmp_path) as lock:
        assert is_held(lock.path)
        assert liveness.storage_problem(lock.path) == ""
        elsewhere = tmp_path / "elsewhere" / lock.path.name
        assert "no such folder there" in liveness.storage_problem(elsewhere)
        elsewhere.parent.mkdir()
        assert "is another folder there" in liveness.storage_problem(elsewhere)
        elsewhere.touch()  # as if it were seen, and its lock were not
        assert "locks do not hold between nodes" in liveness.storage_problem(elsewhere)
    assert not is_held(lock.path)


def test_liveness_locks_of_killed_sweeps_are_removed_and_those_of_others_left(tmp_path):
    (tmp_path / f"{liveness.PREFIX}dead").touch()
    with liveness.LivenessLock(tmp_path) as other, liveness.LivenessLock(tmp_path) as own:
        assert set(tmp_path.iterdir()) == {other.path, own.path}


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (["sweep", "x.toml", "--ray"], ["sweep", "x.toml", "--ray=local"]),
        (["sweep", "--ray", "x.toml", "a.b=c:1"], ["sweep", "--ray=local", "x.toml", "a.b=c:1"]),
        (["sweep", "--ray", "data.task=modulo:5"], ["sweep", "--ray=local", "data.task=modulo:5"]),
        (["sweep", "x", "--ray", "10.0.0.1:6379"], ["sweep", "x", "--ray", "10.0.0.1:6379"]),
        (["sweep", "x", "--ray", "auto"], ["sweep", "x", "--ray", "auto"]),
    ],
)
def test_ray_without_an_address_is_a_local_instance(given, taken):
    assert ray_alone(given) == taken
