"""What was found by fuzzing stays mended: run with `pytest tests/fuzz/test_corpus.py`."""

import json

import pytest

from fuzz import corpus
from fuzz.processes import Worker
from fuzz.targets import all_targets


def test_every_find_is_refused_or_accepted_now():
    found = {}
    with Worker() as worker:
        for entry in corpus.entries():
            request = {"target": entry["target"], "recipe": entry["recipe"]}
            for _, outcome in worker.read(request):
                if outcome.is_fault:
                    found[entry["name"]] = f"{outcome.kind} in {outcome.frame}: {outcome.message}"
    assert found == {}


def test_recipes_are_small_and_name_targets_that_are_there():
    for path in corpus.FOLDER.glob("*.json"):
        assert path.stat().st_size <= corpus.MOST + 1
        assert json.loads(path.read_text("utf-8"))["target"] in all_targets()


@pytest.mark.parametrize("name", ["npz", "class-order"])
def test_the_same_seed_gives_the_same_inputs(name):
    request = {"target": name, "first": 6, "count": 20, "seconds": 1000, "seed": 1}
    with Worker() as one, Worker() as other:
        first, second = ([recipe for recipe, _ in worker.read(request)] for worker in (one, other))
        others = [recipe for recipe, _ in one.read(request | {"seed": 2})]
    assert len(first) == 20
    assert json.dumps(first) == json.dumps(second) != json.dumps(others)
