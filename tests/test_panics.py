"""These tests check that a panic of Rust ends in one line and that nothing else written to stderr is lost."""

import os

import pytest

from prunescope.errors import InputError
from prunescope.panics import without_panics


class PanicException(BaseException):
    """A class of the name that libraries written in Rust give a panic."""


def end(text, error):
    with without_panics("file"):
        os.write(2, text)
        raise error


def test_a_panic_is_one_line_and_its_report_is_dropped(capfd):
    with pytest.raises(InputError, match=r"^file: truncated or damaged$"):
        end(b"thread panicked at\nstack backtrace\n", PanicException("unwrap"))
    assert capfd.readouterr().err == ""


def test_what_is_written_without_a_panic_comes_out_once_in_order(capfd):
    os.write(2, b"before\n")
    with without_panics("file"), without_panics("inner"):
        os.write(2, b"within\n")
        os.write(2, b"twice\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nwithin\ntwice\nafter\n"


def test_other_errors_pass(capfd):
    with pytest.raises(KeyboardInterrupt):
        end(b"kept\n", KeyboardInterrupt())
    assert capfd.readouterr().err == "kept\n"
