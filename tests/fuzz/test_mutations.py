"""Changes reach what lies behind checksums, and fit into recipes: run with `pytest tests/fuzz/test_mutations.py`."""

import gzip
import io
import json
import pickle
from random import Random

import numpy as np
import pytest
from PIL import Image

from fuzz import containers, corpus
from fuzz.checks import Outcome
from fuzz.mutations import applied, mutated, with_checksums
from fuzz.targets.data import encoded, npz, pixels
from fuzz.tree import Special, stored, write
from prunescope.runs.arrays import read_arrays, write_arrays
from prunescope.runs.directory import Run

VALUE = {"data": np.arange(6, dtype=np.uint8), "labels": [1, 2]}


def _npy():
    stream = io.BytesIO()
    np.save(stream, np.eye(3))
    return stream.getvalue()


FILES = {
    "a.npy": _npy(),
    "a.png": encoded(pixels(1)[0], "PNG"),
    "a.npz": npz(a=np.eye(3), b=np.arange(4)),
    "a.gz": gzip.compress(b"abc", mtime=0),
    "a": pickle.dumps(VALUE, protocol=2),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_taken_apart_and_put_together(name):
    parts = containers.taken_apart(name, FILES[name])
    assert len(parts) >= (1 if name == "a.gz" else 2)
    again = containers.put_together(name, FILES[name], parts)
    assert again == FILES[name] or containers.taken_apart(name, again) == parts


def test_a_change_deep_inside_keeps_what_is_around_it():
    tree = {"a.npz": FILES["a.npz"]}
    change = {"do": "header", "at": "a.npz!a.npy!header", "shape": [9], "dtype": "<f4", "which": 0}
    with np.load(io.BytesIO(applied(tree, change)["a.npz"])) as file:
        assert file["a"].shape == (9,)
        assert file["b"].tolist() == [0, 1, 2, 3]


def test_a_changed_chunk_has_its_checksum():
    size = (5).to_bytes(4, "big").hex()
    change = {"do": "bytes", "at": "a.png!00 IHDR", "place": 0, "cut": 4, "put": size}
    with Image.open(io.BytesIO(applied({"a.png": FILES["a.png"]}, change)["a.png"])) as image:
        assert image.size == (5, 8)


def test_a_changed_array_has_its_digest(tmp_path):
    path = tmp_path / "a.safetensors"
    write_arrays(path, {"a": np.arange(6.0)}, {"note": "x"})
    tree = {path.name: path.read_bytes()}
    change = {
        "do": "json",
        "at": f"{path.name}!header.json",
        "line": 0,
        "place": ["a", "shape"],
        "value": [2, 3],
    }
    write(applied(tree, change), tmp_path)
    arrays, notes = read_arrays(path)
    assert arrays["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert notes == {"note": "x"}


def test_a_changed_table_is_the_one_that_run_json_names(finished_run, tmp_path):
    tree = stored(finished_run.path)
    change = {
        "do": "column",
        "at": "levels.parquet",
        "column": "steps",
        "edit": "nulls",
        "row": 0,
        "value": 0,
    }
    changed = with_checksums(
        applied({"run/" + name: node for name, node in tree.items()}, change | {"at": "run/levels.parquet"})
    )
    write(changed, tmp_path)
    assert Run(tmp_path / "run").table["steps"].is_null().all()


def test_the_changes_of_a_recipe_make_the_same_tree_again():
    tree = {**FILES, "a.json": json.dumps({"a": [1, {"b": 2}]}).encode(), "a.toml": b"a = 1\n[b]\nc = 'd'\n"}
    different = 0
    for number in range(300):
        changed, changes = mutated(Random(number), tree, [tree], ("a.gz",))
        again = tree
        for change in json.loads(json.dumps(changes)):
            again = applied(again, change)
        assert again == changed
        assert changed["a.gz"] == FILES["a.gz"]
        different += changed != tree
    assert different > 250


def test_specials_are_made_and_replaced(tmp_path):
    kinds = ("folder", "pipe", "socket", "loop", "dangling", "endless")
    write({f"{kind}/x": Special(kind) for kind in kinds}, tmp_path)
    assert (tmp_path / "pipe" / "x").is_fifo()
    assert (tmp_path / "endless" / "x").is_char_device()
    assert (tmp_path / "dangling" / "x").is_symlink()
    write({"a": b"1"}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_finds_are_told_apart_by_kind_and_place_and_stored_once(tmp_path):
    one = Outcome("fault", "ValueError", "runs/directory.py:seed", "at 3")
    assert corpus.key("runs", one) == corpus.key("runs", Outcome("fault", "ValueError", one.frame, "at 5"))
    assert corpus.key("runs", one) != corpus.key("runs", Outcome("fault", "TypeError", one.frame))
    recipe = {"seed": "show", "changes": [{"do": "drop", "at": "x"}]}
    path = corpus.store("runs", recipe, one, tmp_path)
    assert path.name == "runs--valueerror-runs-directory-py-seed.json"
    assert corpus.store("runs", recipe, one, tmp_path) is None
    assert corpus.entries(tmp_path)[0]["recipe"] == recipe


@pytest.mark.parametrize("number", ["1" + 400 * "0", "-1e308", "NaN", "Infinity", "7"])
def test_any_number_of_json_can_be_changed(number):
    tree = {"a.json": f'{{"a": {number}}}'.encode()}
    for seed in range(300):
        changed, changes = mutated(Random(seed), tree, (), ())
        assert isinstance(changed, dict)
        assert changes
