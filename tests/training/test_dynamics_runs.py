"""Whole runs of methods that change things inside a level: run with `pytest tests/training/test_dynamics_runs.py`."""

import kill_resume
import pytest

from native.problems import needs_kernels
from prunescope.pruning.running import run
from prunescope.runs.directory import Run
from prunescope.runs.driver import Interrupted
from prunescope.training import make_engine
from prunescope.training.mask_changes import change
from stopping import Stop

METHODS = {
    "gradual": {"density": 0.1, "update_every": 4},
    "set": {"density": 0.3, "update_every": 5},
    "rigl": {"density": [0.3, 0.1], "update_every": 5},
    "dpf": {"density": 0.2, "update_every": 4},
    "beta-lasso": {"shrink": 4e-3, "shrink_cut": 20.0},
    "imp": {"early_bird": 0.05, "update_every": 3, "levels": 2, "rewind_step": 13},
}
CASES = [(method, "torch") for method in METHODS] + [(m, "native") for m in ("gradual", "set", "rigl", "imp")]
CASES = [pytest.param(*case, marks=needs_kernels if case[1] == "native" else ()) for case in CASES]


def fields(method, engine, optimizer="momentum"):
    return {
        "train": {"optimizer": optimizer, "lr": 0.02, "batch": 50, "eval_every": 3},
        "prune": {"method": method} | METHODS[method],
        "run": {"engine": engine, "threads": 1},
    }


@pytest.mark.parametrize(("method", "engine"), CASES)
def test_a_run_that_is_stopped_again_and_again_ends_in_the_same_bits(small_run, tmp_path, method, engine):
    experiment = small_run(**fields(method, engine))
    whole = run(experiment, out=tmp_path / "whole")
    assert set(whole.table["engine"]) == {engine}
    stops = 0
    # a signal lets one more step end: stopped after steps 4 (of the masks' moves the first), 5, 8, 10, …
    for steps in (3, 1, 2, 1, 5, 8, 1000):
        try:
            done = run(experiment, out=tmp_path / "stopped", reporter=Stop(steps))
        except Interrupted:
            stops += 1
            saved = Run(next((tmp_path / "stopped").glob("*/seed-0")))
            assert (saved.path / "checkpoint.safetensors").is_file()
    assert stops == 6
    assert list(kill_resume.differences(whole.path, done.path)) == []


@pytest.mark.parametrize("method", ["gradual", "set", "rigl", "dpf", "beta-lasso"])
def test_what_is_stored_is_about_the_masks_at_the_levels_end(small_run, tmp_path, method):
    experiment = small_run(**fields(method, "torch"))
    done = run(experiment, out=tmp_path)
    assert done.levels == ([1, 2] if method == "rigl" else [1])
    for row in done.table.iter_rows(named=True):
        ticket, model = done.ticket(row["level"]), done.model(row["level"])
        index = row["layer"] - 1
        mask = ticket.masks[index]
        assert mask.density < 1
        assert not model.layers[index].weight[~mask.array].any()
        assert (row["weight_density"], row["fan_in_mean"]) == (mask.density, mask.fan_in.mean())
        assert row["steps"] == 30
        if method == "beta-lasso":
            kept = sum(m.kept for m in ticket.masks)
            assert row["nominal_density"] == kept / sum(m.array.size for m in ticket.masks)
        else:
            assert mask.density == pytest.approx(row["nominal_density"], abs=0.005)


@pytest.mark.parametrize(("method", "engine"), [CASES[1], CASES[7], CASES[0]])
def test_the_best_step_is_scored_under_the_masks_it_had(small_run, tmp_path, monkeypatch, method, engine):
    from prunescope.runs import level_measurements

    seen = []

    def level_rows(end):
        rows = real(end)
        seen.append((end.trained, rows, end.dataset))
        return rows

    real = level_measurements.level_rows
    monkeypatch.setattr(level_measurements, "level_rows", level_rows)
    sections = fields(method, engine)
    if method == "set":  # nine tenths of the weights go three steps before the end: the best is before that
        sections["prune"] |= {"update_every": 27, "drop": 0.9}
    experiment = small_run(**sections)
    run(experiment, out=tmp_path)
    [(trained, rows, dataset)] = seen
    for model, ticket in ((trained.best_model, trained.best_ticket), (trained.model, trained.ticket)):
        for layer, mask in zip(model.layers, ticket.masks, strict=False):
            assert not layer.weight[~mask.array].any()
    fresh = make_engine(experiment, dataset.mean, dataset.live_pixels)
    fresh.start(trained.best_model, trained.best_ticket)
    assert rows[0]["heldout_accuracy"] == fresh.evaluate(dataset.heldout).accuracy
    assert rows[0]["best_val_accuracy"] == fresh.evaluate(dataset.validation).accuracy
    if method == "set":
        assert trained.best_step <= 27
        assert trained.best_ticket != trained.ticket
    else:
        assert trained.best_step > 20


def test_a_stored_level_is_not_trained_again_whatever_its_masks(small_run, tmp_path, monkeypatch):
    experiment = small_run(**fields("rigl", "torch"))
    whole = run(experiment, out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(experiment, out=tmp_path / "stopped", reporter=Stop(33))
    changes = []
    for module in ("regrowth", "scheduled"):
        monkeypatch.setattr(
            f"prunescope.pruning.dynamics.{module}.change",
            lambda *given, **more: (changes.append(given[3]), change(*given, **more)),
        )
    done = run(experiment, out=tmp_path / "stopped")
    assert changes == [5, 10, 15, 20]  # of the second level alone
    assert list(kill_resume.differences(whole.path, done.path)) == []
