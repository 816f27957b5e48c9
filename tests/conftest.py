"""Shared by all tests: a cache of their own, one thread, the same examples each time, and a tiny data file."""

import os
import secrets
import signal
from pathlib import Path

import hypothesis
import pytest

import tiny

os.environ["OMP_NUM_THREADS"] = "1"
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
