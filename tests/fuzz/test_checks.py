"""The checks see each kind of fault: run with `pytest tests/fuzz/test_checks.py`."""

import multiprocessing
import os
import socket
import subprocess
import sys
import warnings

import numpy as np
import pytest

from fuzz import checks
from fuzz.targets import Target
from fuzz.tree import Special
from prunescope.errors import InputError


def _raise(error):
    raise error


def _import_what_is_named(folder, out):
    sys.path_importer_cache.clear()
    try:
        __import__("hostile_module.inner")
    except ImportError:
        _raise(InputError("no such module"))


FAULTS = {
    "ValueError": lambda folder, out: int((folder / "a").read_text()),
    "message not of one short line": lambda folder, out: _raise(InputError("x" * 4000)),
    "warning UserWarning": lambda folder, out: warnings.warn("odd", stacklevel=1),
    "MemoryError": lambda folder, out: np.ones(10**9),
    "TooSlow": lambda folder, out: (folder / "pipe").read_bytes(),
    "exit 1, NoneType": lambda folder, out: sys.exit(1),
    "input changed": lambda folder, out: (folder / "a").write_text("more than before"),
    "not allowed: open to write": lambda folder, out: (out.parents[1] / "elsewhere").write_text(""),
    "not allowed: os.mkdir": lambda folder, out: (out.parents[1] / "folder").mkdir(),
    "not allowed: subprocess.Popen": lambda folder, out: subprocess.run(["true"], check=True),
    "not allowed: os.system": lambda folder, out: os.system("true"),
    "not allowed: socket.connect": lambda folder, out: socket.socket().connect(("127.0.0.1", 9)),
    "not allowed: import": _import_what_is_named,
}
LIMITS = checks.Limits(seconds=1000, bytes=10**9, idle=0.5)


def _outcome(read, scratch, results):
    tree = {"a": b"no number", "pipe": Special("pipe")}
    results.put(checks.read(Target("any", lambda folder: {}, read), tree, scratch, LIMITS))


def outcome_of(read, scratch):
    """Read in a process of its own, where the audit hook stays."""
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    process = fork.Process(target=_outcome, args=(read, scratch, results))
    process.start()
    outcome = results.get()
    process.join()
    return outcome


@pytest.mark.parametrize("kind", FAULTS)
def test_faults_are_seen(kind, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    outcome = outcome_of(FAULTS[kind], scratch)
    assert (outcome.result, outcome.kind) == ("fault", kind)


def test_what_is_read_or_refused_is_no_fault(tmp_path):
    def accepts(folder, out):
        (out / "b").write_text((folder / "a").read_text())

    assert outcome_of(accepts, tmp_path).result == "accepted"
    refused = outcome_of(lambda folder, out: _raise(InputError("a: odd")), tmp_path)
    assert (refused.result, refused.message) == ("refused", "a: odd")
