"""prunescope.sweep.status and its reporters: run with `pytest tests/sweep/test_status.py`."""

import io

import polars
import pytest
from rich.console import Console

import tiny
from planned_runs import planned
from prunescope.cli.progress import z_text
from prunescope.cli.sweep_progress import SweepLines, SweepLive
from prunescope.sweep import Job, plan
from prunescope.sweep.capacity import Capacity
from prunescope.sweep.planning import Plan
from prunescope.sweep.status import SweepStatus
from prunescope.sweep.worker import _row
from stored_runs import write_run

FINISHED = {
    "event": "level_finished",
    "level": 2,
    "levels": 3,
    "nominal_density": 0.49,
    "best_val_accuracy": 0.8125,
    "locality": 1.25,
    "locality_z": 7.0,
    "null_shuffles": 50,
}


@pytest.fixture
def some_planned(tmp_path):
    return plan([Job(tiny.experiment(train={"lr": lr}), 0) for lr in (0.1, 0.2)], tmp_path)


def test_lines_say_what_each_run_does(some_planned, capsys):
    lines = SweepLines()
    lines.planned(some_planned, Capacity(2, 10**12))
    first, second = some_planned.runs
    lines.started(first, 17)
    lines.updated(first, {"event": "level_started", "level": 3, "step": 0, "steps": 30})
    lines.updated(first, {"event": "evaluated", "level": 3, "accuracy": 0.8, "images": 4000})
    lines.updated(first, FINISHED)
    lines.updated(first, {"event": "tracker", "text": "wandb failed"})
    lines.ended(first, "done", "")
    lines.started(second, 18)
    lines.ended(second, "failed", "why")
    starts, level, tracker, done, _, failed = capsys.readouterr().err.splitlines()
    assert starts.endswith(f"seed 0: starts, {first.path}, process 17")
    assert "level 3  u 49.00 %  best 81.25 % of 4,000  locality 1.25 (z 7)  left " in level
    assert tracker.endswith("seed 0: wandb failed")
    assert done.endswith("seed 0: done")
    assert failed.endswith("seed 0: failed, why")


def test_the_table_shows_the_runs_that_are_on(some_planned):
    live = SweepLive()
    live._live.console.file = io.StringIO()
    live.planned(some_planned, Capacity(2, 10**12))
    try:
        first, second = some_planned.runs
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


def test_a_worker_tells_of_exact_nulls(tmp_path):
    rows = write_run(tmp_path, levels=3).table.with_columns(null_shuffles=polars.lit(50)).to_dicts()
    assert z_text(_row(rows)) == f" (z {round(_row(rows)['locality_z'])})"
    earlier = [{name: value for name, value in row.items() if name != "null_shuffles"} for row in rows]
    assert z_text(_row(earlier)).endswith(", 20 shuffles)")


def test_the_pace_of_runs_that_are_done_is_kept(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("prunescope.sweep.status.time.monotonic", lambda: now[0])
    runs = tuple(planned(tmp_path / str(n), 10.0) for n in range(2))
    status = SweepStatus(Plan(tmp_path, runs), slots=1)
    status.started(runs[0])
    status.updated(runs[0], {"event": "level_started", "level": 0, "step": 0, "steps": 30})
    now[0] += 30  # three times as long as was estimated
    status.ended(runs[0], "done", "")
    assert status.all_left() == 30


def test_the_status_counts_and_tells_the_time_left(tmp_path):
    runs = tuple(planned(tmp_path / str(n), 5.0, 2.0, 1.0) for n in range(3))
    status = SweepStatus(Plan(tmp_path, runs), slots=2)
    assert status.all_left() == 16
    state = status.started(runs[0])
    status.updated(runs[0], {"event": "stepped", "level": 0, "step": 6, "steps": 30})
    assert state.left == pytest.approx(7)
    status.updated(runs[0], {"event": "level_finished", "level": 0, "levels": 1})
    assert state.left == 3
    status.ended(runs[0], "retry", "killed by signal 9")
    assert status.counts == {"waiting": 3}
    status.ended(runs[0], "done", "")
    status.ended(runs[1], "failed", "no")
    assert status.counts == {"done": 1, "failed": 1, "waiting": 1}
    assert status.all_left() == 8


def test_the_time_left_goes_by_the_pace_of_levels_that_get_cheaper(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("prunescope.sweep.status.time.monotonic", lambda: now[0])
    run = planned(tmp_path / "0", 50.0, 20.0, 10.0)
    status = SweepStatus(Plan(tmp_path, (run,)), slots=1)
    status.started(run)
    now[0] += 30  # images are read
    status.updated(run, {"event": "level_started", "level": 0, "step": 15, "steps": 30})  # resumed inside
    now[0] += 50  # twice as long as was estimated
    status.updated(run, {"event": "level_finished", "level": 0, "levels": 1})
    assert status.all_left() == pytest.approx(60)
    now[0] += 40
    status.updated(run, {"event": "level_finished", "level": 1, "levels": 2})
    assert status.all_left() == pytest.approx(20)
