"""Finished runs in a folder that may only be read: run with `pytest tests/cli/test_read_only.py`."""

import os
import subprocess
import sys

import pytest

# Whoever runs the tests may be root, who writes everywhere: this makes a folder read-only for one process.
READ_ONLY = """
import errno, os, sys
folder = sys.argv[1]
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
def hook(event, arguments):
    if event == "open":
        writing = arguments[2] & WRITING
    else:
        writing = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.utime")
    for path in arguments[:2] if writing else ():
        if isinstance(path, (str, bytes)) and os.path.abspath(os.fsdecode(path)).startswith(folder):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
access = os.access
os.access = lambda path, mode, **others: access(path, mode, **others) and not (
    mode & os.W_OK and os.path.abspath(os.fsdecode(path)).startswith(folder)
)
from prunescope.cli import main
sys.addaudithook(hook)
for line in sys.stdin.read().splitlines():
    try:
        main(line.split("\\t"))
    except SystemExit as left:
        print("code", left.code)
"""


@pytest.fixture
def read_only(finished_run, tmp_path):
    """Do command lines in one process that may only read the folder of ``finished_run``; returns (codes, stderr)."""

    def commands(*lines):
        text = "\n".join("\t".join(map(str, line)) for line in lines)
        words = [sys.executable, "-c", READ_ONLY, str(finished_run.path.parents[1])]
        done = subprocess.run(words, input=text, capture_output=True, text=True, cwd=tmp_path, check=True)
        return [line for line in done.stdout.splitlines() if line.startswith("code ")], done.stderr

    return commands


def state(folder):
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_finished_runs_are_used_where_nothing_may_be_written(finished_run, tmp_path, read_only):
    run, runs = finished_run.path, finished_run.path.parents[1]
    toml, before = run / "experiment.toml", state(runs)
    codes, stderr = read_only(
        ["run", toml, "--seed", 3, "--out", runs],
        ["figure", "1a", run, "--out", tmp_path],
        ["report", run, "--out", tmp_path / "report.html"],
        ["table", runs, "--out", tmp_path / "runs.parquet"],
        ["show", run],
    )
    assert codes == ["code 0"] * 5, stderr
    assert "done before; nothing to do" in stderr
    assert {"figure-1a.pdf", "report.html", "runs.parquet"} <= set(os.listdir(tmp_path))
    assert state(runs) == before


def test_what_would_be_written_there_is_one_line(finished_run, read_only):
    run, runs = finished_run.path, finished_run.path.parents[1]
    before = state(runs)
    codes, stderr = read_only(
        ["run", run / "experiment.toml", "--seed", 4, "--out", runs],
        ["figure", "1a", run, "--out", runs],
        ["report", run, "--out", runs / "report.html"],
        ["table", runs, "--out", runs / "runs.parquet"],
        ["sweep", run / "experiment.toml", "--seeds", 2, "--out", runs],
    )
    assert codes == ["code 2"] * 5
    told = [line for line in stderr.splitlines() if line.startswith("prunescope: ")]
    assert len(told) == 5, stderr
    assert all("choose another --out" in line for line in told)
    assert "Traceback" not in stderr
    assert state(runs) == before
