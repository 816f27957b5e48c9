"""Texts and paths of any characters and bytes, through TOML and back."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from prunescope.errors import InputError
from prunescope.experiment import load
from prunescope.experiment.overrides import formatted, parsed, parsed_axis
from prunescope.experiment.paths import decoded, encoded

ODD = [
    "é😀",
    "e\u0301",
    "画像",
    "\u202eגב",
    "a\nb",
    "\t",
    "\x01\x1b[31m",
    "\x7f\x85\u2028",
    "%41",
    "# '\"\\",
    "$HOME",
    "-x",
]
ODD += [
    " a ",
    "a=b[c],{d}",
    "..",
    ".",
    "\ufffe\ufeff",
    "a" * 300,
    "map:x",
    "file:x",
    "'''",
    '"""',
    "\\u00e9",
    "</script>",
]
BYTES = [b"\xff", b"/a/\xc3\xa9\xf0\x9f\x98\x80/\xfe%41 \n{seed}", b"a\xed\xa0\x80b", b"file:\xff", b"//\xff"]
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts, texts)
def test_every_text_comes_back_from_toml(tmp_path_factory, root, key, value):
    file = tmp_path_factory.getbasetemp() / "experiment.toml"
    made = tiny.experiment(
        data={"root": root, "image_column": value, "class_order": key, "task": f"map:{root}x"},
        prune={"like": root, "method": value, "options": {key: value}},
        run={"device": key},
    )
    file.write_text(made.to_toml(), "utf-8")
    assert load(file) == made


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_come_back_from_toml_and_from_overrides(tmp_path, text):
    made = tiny.experiment(data={"root": text}, prune={"like": text, "options": {text: text}})
    (tmp_path / "e.toml").write_text(made.to_toml(), "utf-8")
    assert load(tmp_path / "e.toml") == made
    assert made.data.root == text
    assert decoded(made.data.root) == text
    assert parsed(formatted("data.root", text)) == ("data.root", text)
    assert parsed_axis(formatted("data.root", text)) == ("data.root", text)


@given(st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_every_path_comes_back_from_its_text(path):
    text = encoded(os.fsdecode(path))
    text.encode("utf-8")
    # A path of characters that is written like the text of another one is the only exception.
    if not path.startswith(b"file:"):
        assert os.fsencode(decoded(text)) == path


@pytest.mark.parametrize("path", BYTES)
def test_paths_that_are_not_utf8_come_back_from_toml(tmp_path, path):
    name = os.fsdecode(path)
    made = tiny.experiment(data={"root": name, "task": f"map:{name}"}, prune={"like": name})
    (tmp_path / "e.toml").write_text(made.to_toml(), "utf-8")
    again = load(tmp_path / "e.toml")
    assert again == made
    assert os.fsencode(decoded(again.data.root)) == os.fsencode(decoded(again.prune.like)) == path
    assert os.fsencode(decoded(again.data.task.removeprefix("map:"))) == path


def test_the_text_of_a_path_that_is_not_utf8_is_a_uri():
    assert encoded("/data/caf\udce9.npz") == "file:///data/caf%E9.npz"
    assert encoded("caf\udce9/{seed}") == "file:caf%E9/{seed}"
    assert (
        encoded("caf\udcc3\udca9") == "café"
    )  # bytes of UTF-8, as another encoding of the file system gives them


@pytest.mark.parametrize("fields", [{"image_column": "\udcff"}, {"root": "\ud800"}])
def test_what_is_no_path_and_not_utf8_is_refused(fields):
    with pytest.raises(InputError, match="not UTF-8"):
        tiny.experiment(data=fields)


def test_a_root_does_not_change_the_identity():
    assert tiny.experiment(data={"root": "a\udcff"}).identity == tiny.experiment().identity


def test_the_run_that_is_shuffled_counts_without_its_place():
    like = [tiny.experiment(prune={"like": f"{place}/tiny-0/seed-0"}) for place in ("a", "b\udcff", "😀")]
    assert len({experiment.identity for experiment in like}) == 1


def test_a_path_of_several_lines_is_no_toml():
    assert parsed('data.root="a"\nb = 1') == ("data.root", '"a"\nb = 1')


def test_an_experiment_may_have_a_file_of_any_name(tmp_path):
    file = tmp_path / "Übung 1 😀.toml"
    file.write_text("[train]\nsteps = 2000\n")
    assert load(file).name == "Ubung-1"
