"""The verb export: run with `pytest tests/cli/test_export.py`."""

from functools import partial

import numpy as np
import pytest

import commands
from stored_runs import write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "runs", shape=(1, 6, 6), hidden=(8, 6), levels=3)


@pytest.fixture
def called(capsys):
    """Do a command line; returns exit code, stdout, stderr."""

    return partial(commands.called, capsys, "export")


def test_the_path_is_printed_and_what_it_takes_said_on_stderr(run, called, tmp_path):
    code, stdout, stderr = called(run.path, "--to", "npz", "--level", 1, "--out", tmp_path / "network.npz")
    assert (code, stdout) == (0, f"{tmp_path / 'network.npz'}\n")
    assert stderr == (
        "prunescope: level 1: it takes pixels from 0 to 255, float32 [N, 1, 6, 6], and returns logits [N, 2]\n"
    )
    weight = np.load(tmp_path / "network.npz")["layer1.weight"]
    np.testing.assert_array_equal(weight != 0, run.mask(1).array)


def test_the_last_level_and_the_run_below_a_folder_are_taken_unless_told(run, called, tmp_path):
    code, stdout, _ = called(tmp_path / "runs", "--to", "csr")
    assert (code, stdout) == (0, f"{run.path / 'level-002.csr.npz'}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "onxx"], "no format 'onxx' to export to: did you mean 'onnx'?"),
        (["--to", "pt", "--level", "9"], "no level 9; finished levels are [0, 1, 2]"),
        (["--to", "pt", "--norm", "fold"], "norm is 'fold': use folded or layers"),
        (["--to", "pt", "--masks", "soft"], "masks is 'soft': use baked or prune"),
        (["--to", "csr", "--masks", "prune"], "files of csr hold weights alone"),
        ([], "Missing option '--to'"),
    ],
)
def test_wrong_usage_is_one_line(run, called, arguments, words):
    code, stdout, stderr = called(run.path, *arguments)
    assert (code, stdout) == (2, "")
    assert words in stderr
    assert len(stderr.splitlines()) == 1


def test_places_that_cannot_be_written_are_one_line(run, called, tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "network.pt", tmp_path, run.path / "run.json", "/dev/null"):
        code, _, stderr = called(run.path, "--to", "pt", "--out", out)
        assert code == 2
        assert len(stderr.splitlines()) == 1
        assert str(out) in stderr


def test_several_runs_are_named(run, called, tmp_path):
    write_run(tmp_path / "runs", seed=1, shape=(1, 6, 6), hidden=(8, 6), levels=3)
    code, _, stderr = called(tmp_path / "runs", "--to", "pt")
    assert code == 2
    assert "holds 2 runs, name one" in stderr
