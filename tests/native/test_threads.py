"""The same bits with any number of threads and in every run: `pytest tests/native/test_threads.py`."""

import numpy as np
import pytest

from native.problems import named, needs_kernels

pytestmark = needs_kernels
# 130 and 300 images are 3 and 5 tiles: with more threads than pairs of tiles these are taken one at a time
CASES = [
    ("u=1, several pieces of rows", 130, {}),
    ("u=1, several pieces of samples", 1100, {}),
    ("u=1, pieces of rows and samples", 1100, {}),
    ("u=1, several pieces of samples", 1100, {"precision": "bf16"}),
    ("u=0.85", 130, {"precision": "bf16"}),
    ("u=0.85, floats", 130, {}),
    ("u=0.6, groups of rows", 300, {}),
    ("u=0.01, wide blocks", 200, {}),
    ("one full row", 77, {}),
    ("u=0.3, blocks", 130, {}),
    ("u=0.3, blocks", 300, {}),
    ("u=0.3, wide output", 300, {}),
    ("u=0.02, rows", 300, {}),
    ("u=0.05, floats", 130, {}),
    ("dead, three layers", 130, {}),
    ("one kept weight", 130, {}),
    ("narrower than a vector", 20, {}),
]


def outcome(made, isa=None):
    """Everything a few steps leave, as bytes, and the scores."""
    engine = made.native(isa)
    scores = []
    for step in range(3):
        engine.step(made.batch(step, len(made.labels) - 3 * step))
        scores.append(engine.evaluate(made.images))
    return {name: array.tobytes() for name, array in engine.state().to_arrays().items()}, scores


@pytest.mark.parametrize(("name", "count", "fields"), CASES)
def test_results_do_not_depend_on_the_number_of_threads(set_threads, isa, name, count, fields):
    made = named(name, count=count).changed(**{"optimizer": "adam", "lr": 0.01} | fields)
    set_threads(1)
    single, scores = outcome(made, isa)
    assert len(set(scores)) == 3
    for threads in (2, 3, 5):
        set_threads(threads)
        found, found_scores = outcome(made, isa)
        assert [k for k in single if found[k] != single[k]] == [], threads
        assert found_scores == scores


@pytest.mark.parametrize("norm", ["before", "none"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_nor_with_the_other_optimizers(set_threads, optimizer, norm):
    made = named("u=0.3, blocks", count=300, norm=norm).changed(optimizer=optimizer, lr=0.01)
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        results.append(outcome(made))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["u=1, several pieces of rows", "u=0.3, blocks", "u=0.02, rows"])
def test_nor_on_the_run(set_threads, name, threads):
    set_threads(threads)
    made = named(name, count=200).changed(lr=0.05)
    first = outcome(made)
    np.ones(1_000_003)  # so that memory is found elsewhere
    assert outcome(made) == first
    assert outcome(named(name, count=200).changed(lr=0.05)) == first


def test_an_evaluation_between_steps_changes_no_bit():
    made = named("u=1, several pieces of rows", count=1300).changed(lr=0.05)
    evaluated, alone = made.native(), made.native()
    for step in range(3):
        for engine in (evaluated, alone):
            engine.step(made.batch(step, 77))
        evaluated.evaluate(made.images)
    own, its = evaluated.state().to_arrays(), alone.state().to_arrays()
    assert all(own[k].tobytes() == its[k].tobytes() for k in own)
