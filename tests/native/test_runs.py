"""Whole runs with the native engine: run with `pytest tests/native/test_runs.py`."""

import kill_resume
import numpy as np
import pytest

from native.problems import needs_kernels
from prunescope.pruning.running import run
from prunescope.runs.driver import Interrupted
from stopping import Stop

pytestmark = needs_kernels
OPTIMIZERS = {"sgd": 0.1, "momentum": 0.02, "adam": 0.005}


def fields(engine, optimizer="sgd", threads=1, **run_fields):
    return {
        "train": {"optimizer": optimizer, "lr": OPTIMIZERS[optimizer], "batch": 70},
        "run": {"engine": engine, "threads": threads} | run_fields,
    }


@pytest.fixture(scope="module")
def whole(images_file, tmp_path_factory):
    """A finished native run for each optimiser."""
    import tiny

    out = tmp_path_factory.mktemp("whole")
    data = {"data": {"root": str(images_file)}}
    return {o: run(tiny.experiment(**data, **fields("native", o)), out=out) for o in OPTIMIZERS}


# Adam turns the rounding noise of vanishing gradients into steps of ±lr, so its masks are no measure.
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_masks_are_those_of_the_torch_engine_but_for_ties(small_run, whole, tmp_path, optimizer):
    native, torch = whole[optimizer], run(small_run(**fields("torch", optimizer)), out=tmp_path)
    assert set(native.table["engine"]) == {"native"}
    assert set(torch.table["engine"]) == {"torch"}
    assert native.levels == torch.levels == [0, 1, 2, 3]
    differing = 0
    for level in native.levels:
        own, its = native.ticket(level), torch.ticket(level)
        for a, b in zip(own.masks, its.masks, strict=True):
            differing += np.count_nonzero(a.array != b.array)
            assert a.kept == pytest.approx(b.kept, abs=2)
    # float32 rounding moves a weight by about 1e-6 of its size, and 1400 weights lie about 1e-3 apart: a tie at the
    # threshold, on either side of which the two runs fall, is one weight more here and one less there at each level after
    assert differing <= 4
    for column in ("best_val_accuracy", "heldout_accuracy"):
        np.testing.assert_allclose(native.table[column], torch.table[column], atol=0.05)
    np.testing.assert_allclose(native.table["train_loss"], torch.table["train_loss"], rtol=0.02)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_that_is_stopped_again_and_again_ends_in_the_same_bits(small_run, whole, tmp_path, optimizer):
    experiment = small_run(**fields("native", optimizer))
    stops = 0
    for steps in (3, 11, 16, 29, 23, 1000):  # inside levels and at their ends
        try:
            done = run(experiment, out=tmp_path, reporter=Stop(steps))
        except Interrupted:
            stops += 1
    assert stops == 5
    assert list(kill_resume.differences(whole[optimizer].path, done.path)) == []


@pytest.mark.parametrize("threads", [2])
def test_the_run_is_the_same_with_any_number_of_threads(small_run, whole, tmp_path, set_threads, threads):
    set_threads(1)  # which the run changes
    experiment = small_run(**fields("native", "momentum", threads))
    other = run(experiment, out=tmp_path)
    assert list(kill_resume.differences(whole["momentum"].path, other.path)) == ["experiment.toml"]
