"""Standard streams that are closed, broken or full: run with `pytest tests/test_streams.py`."""

import os
import subprocess
import sys

import pytest

from prunescope.streams import lasting_streams

# What is done must leave a file, as a run would, that holds nothing of what was written to stderr.
DONE = """
import contextlib, os, sys
from prunescope.cli import main, entry
def verb(arguments):
    with open("work.txt", "w") as file:
        file.write("done")
        file.flush()
        with contextlib.suppress(OSError):
            os.write(2, b"from a library")
        print("progress", file=sys.stderr)
        print("result")
    return 0
entry._invoked = verb
main([])
"""


def shell(command, folder):
    started = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {command}', sys.executable, DONE],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in started.stderr
    return started.returncode, started.stdout, started.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("2>&-", 0),
        (">&-", 0),
        (">&- 2>&- <&-", 0),
        ("2>/dev/full", 0),
        (">/dev/full", 2),
        (">/dev/full 2>&-", 2),
        (">/dev/full 2>/dev/full", 2),
    ],
)
def test_the_work_is_done_and_the_code_says_whether_the_result_was_written(tmp_path, command, code):
    if "/dev/full" in command and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    ended, stdout, stderr = shell(command, tmp_path)
    assert ended == code
    assert (tmp_path / "work.txt").read_text() == "done"
    assert stdout == (
        "" if ">&-" in command.replace("2>&-", "") or ">/dev/full" in command.split() else "result\n"
    )
    if command == ">/dev/full":
        assert stderr.splitlines()[-1].startswith("prunescope: stdout: No space left on device")


def broken():
    """A text stream into a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "w", buffering=1)


def test_what_a_broken_stderr_does_not_take_is_lost_and_nothing_else(monkeypatch):
    with broken() as stream:
        monkeypatch.setattr("sys.stderr", stream)
        with lasting_streams():
            for _ in range(3):
                print("lost", file=sys.stderr)
            sys.stderr.writelines(["lost", "too"])
            sys.stderr.flush()
        assert sys.stderr is stream


def test_an_error_of_stdout_names_it(monkeypatch):
    with broken() as stream:
        monkeypatch.setattr("sys.stdout", stream)
        with lasting_streams(), pytest.raises(BrokenPipeError) as raised:
            print("result", flush=True)
        assert raised.value.filename == "stdout"
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
