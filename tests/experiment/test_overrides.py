"""prunescope.experiment.overrides: run with `pytest tests/experiment/test_overrides.py`."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import InputError
from prunescope.experiment.overrides import formatted, parsed, parsed_axis

BOTH = [
    ("train.lr=0.1", 0.1),
    ("train.steps=2_000", 2000),
    ("prune.rewind=false", False),
    ("prune.method=imp", "imp"),
    ("data.root=/a=b", "/a=b"),
    ("network.hidden=[[8,4],[16]]", [[8, 4], [16]]),
    ("train.lr=[0.1,5e-2]", [0.1, 0.05]),
    ("train.lr=[]", []),
    ("train.lr=", ""),
    ("data.root=2024", "2024"),
    ("data.root=2024-01-31", "2024-01-31"),
    ("data.root=1e3", "1e3"),
    ("data.name='2024'", "2024"),
    ("name=true", "true"),
    ("name=007", "007"),
]


@pytest.mark.parametrize(("typed", "value"), BOTH)
@pytest.mark.parametrize("parse", [parsed, parsed_axis])
def test_values_are_toml_and_bare_words_are_strings(parse, typed, value):
    assert parse(typed) == (typed.partition("=")[0], value)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("prune.method=[imp,oneshot, random]", ["imp", "oneshot", "random"]),
        ('data.root=["a,b",c]', ["a,b", "c"]),
        ("data.root=[2024, birds]", ["2024", "birds"]),
        ("prune.method=[[imp, 1], 'x']", [["imp", 1], "x"]),
    ],
)
def test_bare_words_in_a_list_are_strings_where_lists_are_axes_alone(typed, value):
    name, _, text = typed.partition("=")
    assert parsed_axis(typed) == (name, value)
    assert parsed(typed) == (name, text)


def test_an_axis_of_texts_takes_numbers_as_they_are_typed():
    assert parsed_axis("data.root=[2023, 2024]") == ("data.root", ["2023", "2024"])


def test_blanks_around_are_dropped_where_lists_are_axes_alone():
    assert parsed_axis(" prune.method = imp ") == ("prune.method", "imp")
    assert parsed(" prune.method = imp ") == (" prune.method ", " imp ")


@pytest.mark.parametrize("typed", ["train.lr", "=3"])
def test_what_is_no_override_is_refused_with_an_example(typed):
    with pytest.raises(
        InputError, match=f"'{typed}' is not key=value: write an override as train.steps=2000"
    ):
        parsed(typed)
    with pytest.raises(InputError, match=f"'{typed}' is not key=value: write .* or \"train"):
        parsed_axis(typed)


scalars = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))


def several(inner):
    return st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3)


@given(st.recursive(scalars | texts, several, max_leaves=8))
def test_what_is_formatted_is_read_back(value):
    assert parsed(formatted("a.b", value)) == ("a.b", value)
    assert parsed_axis(formatted("a.b", value)) == ("a.b", value)


def test_a_value_that_no_field_takes_is_not_formatted():
    with pytest.raises(InputError, match=r"a\.b is 2026-01-02: use a number, a string"):
        formatted("a.b", datetime.date(2026, 1, 2))


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("train.lr=0.1", 0.1),
        ("prune.method=imp", "imp"),
        ("prune.method=[imp,oneshot, random]", ["imp", "oneshot", "random"]),
        ("train.lr=[0.1,5e-2]", [0.1, 0.05]),
        ("network.hidden=[[8,4],[16]]", [[8, 4], [16]]),
        ('data.root=["a,b",c]', ["a,b", "c"]),
        ("train.lr=[]", []),
        ("data.root=/a=b", "/a=b"),
    ],
)
def test_values_of_axes_are_toml_and_bare_words_are_strings(typed, value):
    assert parsed_axis(typed) == (typed.partition("=")[0], value)


def test_what_is_no_override_is_refused():
    with pytest.raises(InputError, match=r"'train\.lr' is not key=value"):
        parsed_axis("train.lr")


@pytest.mark.parametrize("read", [parsed, parsed_axis])
def test_lines_after_a_value_are_no_part_of_it(read):
    assert read("train.lr=0.1\ntrain.steps=5") == ("train.lr", "0.1\ntrain.steps=5")


@pytest.mark.parametrize("read", [parsed, parsed_axis])
def test_a_value_of_thousands_of_brackets_or_digits_is_refused_or_a_word(read):
    with pytest.raises(InputError, match="nested too deeply") as refused:
        read(f"train.lr={'[' * 5000}1{']' * 5000}")
    assert len(str(refused.value)) < 400
    assert read(f"train.lr={'9' * 5000}") == ("train.lr", "9" * 5000)
