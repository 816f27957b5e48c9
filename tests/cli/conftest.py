"""What the tests of verbs share."""

from functools import partial

import pytest

from commands import called, succeeded


@pytest.fixture
def succeed(capsys):
    """Run a command that must succeed; returns stdout."""
    return partial(succeeded, capsys)


@pytest.fixture
def refused(capsys):
    """Run a command that must be refused; returns its one line."""

    def command(*arguments):
        code, stdout, stderr = called(capsys, *arguments)
        assert code == 2, stderr
        assert stdout == ""
        *progress, line = stderr.splitlines()
        assert line.startswith("prunescope: ")
        assert not any("prunescope:" in text or "Traceback" in text for text in progress)
        return line

    return command


@pytest.fixture
def toml(small_run, tmp_path):
    """A file of a tiny experiment of two levels."""
    path = tmp_path / "tiny.toml"
    path.write_text(small_run(prune={"levels": 1}).to_toml())
    return path
