"""The functions that word messages of errors: run with `pytest tests/test_errors.py`."""

import pytest

from prunescope.errors import InputError, did_you_mean, first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one"), "one"),
        (ValueError("\n one\ntwo"), "one"),
        (ValueError(), "ValueError"),
        (OSError(2, "No such file"), "[Errno 2] No such file"),
    ],
)
def test_the_first_line_of_what_an_error_says_or_its_class(error, line):
    assert first_line(error) == line


def test_the_name_most_like_it_or_what_there_is_otherwise():
    known = {"train.steps": 1, "train.lr": 2}
    assert did_you_mean("train.step", known, "fields are …") == "did you mean 'train.steps'?"
    assert did_you_mean("qqqq", known, "fields are …") == "fields are …"


@pytest.mark.parametrize(
    ("text", "line"),
    [("one", "one"), ("a\nb", r"a\nb"), ("a\r\n\u2028b\x85", r"a\r\n\u2028b\x85"), ("é\t", "é\t"), ("", "")],
)
def test_a_message_for_users_is_one_line_whatever_it_quotes(text, line):
    assert str(InputError(text)) == line
