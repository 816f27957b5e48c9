"""Command lines that tests do in their own process: the exit code, and what the command prints."""

import pytest

from prunescope.cli import main


def called(capture, *arguments):
    """Do `prunescope ARGUMENTS`; return its exit code, stdout and stderr. ``capture`` is capsys or capfd."""
    capture.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code or 0, *capture.readouterr()


def succeeded(capture, *arguments):
    """Do `prunescope ARGUMENTS`, which must succeed; return its stdout."""
    code, stdout, stderr = called(capture, *arguments)
    assert code == 0, stderr
    return stdout
