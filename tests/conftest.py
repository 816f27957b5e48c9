"""Shared by all tests: a cache of their own, one thread, the same examples each time, and a tiny data file."""

import gc
import os
import secrets
import signal
from pathlib import Path

import hypothesis
import pytest

import tiny

os.environ["OMP_NUM_THREADS"] = "1"
# Where tests ask for more threads than there are free cores, those that wait would take the cores from those that work.
os.environ["OMP_WAIT_POLICY"] = "passive"
os.environ["TRITON_INTERPRET"] = "1"  # Triton reads it where it is imported: its kernels then run on a CPU.
# Under nohup and in the background of a script signals are ignored, and processes that tests start would ignore them too.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Ray reads these once, when it is imported or first used, which any test in this process may do before those that start
# a cluster.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Where workers share the tests, let each of them start with its part of the long ones.

    With `--dist worksteal` a worker begins with a contiguous part of the list, and what is last in it may be run when
    the other workers have nothing left to do.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers == 1:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    ordered = []
    for worker in range(workers):
        size = (len(items) - len(ordered)) // (workers - worker)  # as xdist divides them
        queue = long[worker::workers] + others
        ordered += queue[:size]
        others = queue[size:]
    items[:] = ordered


def pytest_collection_finish():
    """Keep the garbage collector from going through all modules and tests again and again, which takes half a second."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure():
    """Let the garbage collector find at the end what belongs to modules; Triton's would say that they leaked."""
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNESCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def images_file(tmp_path_factory) -> Path:
    """An .npz file with the images of ``tiny.dataset``."""
    return tiny.write_images(tmp_path_factory.mktemp("images") / "tiny.npz")


@pytest.fixture
def small_run(images_file):
    """Fields of a tiny experiment on ``images_file``; call with sections to change."""

    def make(**sections):
        data = {"root": str(images_file)} | sections.pop("data", {})
        return tiny.experiment(data=data, **sections)

    return make


@pytest.fixture(scope="session")
def finished_run(images_file, tmp_path_factory):
    """A finished run of three levels after the dense one."""
    from prunescope.pruning.running import run

    chosen = tiny.experiment(data={"root": str(images_file)})
    return run(chosen, seed=3, out=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def _measured_of_little():
    """What plans of little have measured, which no other plan may take for what it measures."""
    return {}


@pytest.fixture
def little_is_measured(monkeypatch, _measured_of_little):
    """What a run will take is measured with a narrower network and fewer images and steps, as where those are huge."""
    monkeypatch.setattr("prunescope.runs.estimate._pieces", _measured_of_little)
    monkeypatch.setattr("prunescope.runs.estimate.DEVICE_STEPS", 2)
    for name, value in {
        "steps.MEASURED_STEPS": 1,
        "steps.DEVICE_STEPS": 2,
        "steps.SCORED_IMAGES": 100,
        "level_ends.END_IMAGES": 100,
        "scaled_down.TIMED_WEIGHTS": 200_000,
    }.items():
        monkeypatch.setattr(f"prunescope.runs.trials.{name}", value)
