"""prunescope.sweep.status and its reporters: run with `pytest tests/sweep/test_status.py`."""

import io

import pytest
from rich.console import Console

import tiny
from prunescope.cli.sweep_progress import SweepLines, SweepLive
from prunescope.sweep import Job, plan
from prunescope.sweep.capacity import Capacity

FINISHED = {
    "event": "level_finished",
    "level": 2,
    "levels": 3,
    "nominal_density": 0.49,
    "best_val_accuracy": 0.8125,
    "locality": 1.25,
    "locality_z": 7.0,
    "null_shuffles": 0,
}


@pytest.fixture
def planned(tmp_path):
    return plan([Job(tiny.experiment(train={"lr": lr}), 0) for lr in (0.1, 0.2)], tmp_path)


def test_lines_say_what_each_run_does(planned, capsys):
    lines = SweepLines()
    lines.planned(planned, Capacity(2, 10**12))
    first, second = planned.runs
    lines.started(first, 17)
    lines.updated(first, {"event": "level_started", "level": 3, "step": 0, "steps": 30})
    lines.updated(first, FINISHED)
    lines.updated(first, {"event": "tracker", "text": "wandb failed"})
    lines.ended(first, "done", "")
    lines.started(second, 18)
    lines.ended(second, "failed", "why")
    starts, level, tracker, done, _, failed = capsys.readouterr().err.splitlines()
    assert starts.endswith(f"seed 0: starts, {first.path}, process 17")
    assert "level 3  u 49.00 %  best 81.25 %  locality 1.25 (z 7)  left " in level
    assert tracker.endswith("seed 0: wandb failed")
    assert done.endswith("seed 0: done")
    assert failed.endswith("seed 0: failed, why")


def test_the_table_shows_the_runs_that_are_on(planned):
    live = SweepLive()
    live._live.console.file = io.StringIO()
    live.planned(planned, Capacity(2, 10**12))
    try:
        first, second = planned.runs
        live.started(first, 1)
        live.updated(first, FINISHED)
        live.updated(first, {"event": "tracker", "text": "wandb failed [5]"})
        assert "seed 0: wandb failed [5]" in live._live.console.file.getvalue()
        live.started(second, 2)
        live.updated(second, {"event": "preparing", "text": "train images: 3 of 9"})
        console = Console(width=150, file=io.StringIO(), record=True)
        console.print(live._view())
        text = console.export_text()
        assert "49.00 %" in text
        assert "1.25 (z 7)" in text
        assert "train images: 3 of 9" in text
        assert "0 of 2 done, 2 running" in text
        live.ended(second, "failed", "why")
        console.print(live._view())
        assert "0 of 2 done, 1 running, 1 failed" in console.export_text()
    finally:
        live.close()
