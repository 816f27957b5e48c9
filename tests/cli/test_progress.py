"""prunescope.cli.progress: run with `pytest tests/cli/test_progress.py`."""

import io
import time
from pathlib import Path

import pytest
import rich.console

from prunescope.analysis.formats import span
from prunescope.cli.progress import Lines, Live, level_line
from prunescope.model import Ticket, initial
from prunescope.pruning.running import run
from prunescope.training.engine import Score
from prunescope.training.levels import Level
from prunescope.training.loop import Evaluation

SIZES = (12, 4, 2)


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 100 columns that remembers what is drawn on it."""
    screen, console = io.StringIO(), rich.console.Console
    monkeypatch.setattr(
        rich.console,
        "Console",
        lambda **_: console(file=screen, force_terminal=True, width=100, color_system=None),
    )
    return screen


def level(number=2, steps=40):
    return Level(number, Ticket.dense(SIZES), initial(SIZES, "before", 0), steps, 0.49)


def view(reporter):
    """What the live view shows at this moment."""
    console = rich.console.Console()
    with console.capture() as captured:
        console.print(reporter._view())
    return " ".join(captured.get().split())  # however the terminal wraps it


def test_the_live_view_shows_levels_rate_time_left_and_accuracies(terminal, small_run, finished_run):
    reporter, experiment = Live(), small_run()
    try:
        reporter.preparing(5_000, 10_000, "photographs")
        assert "photographs: 5,000 of 10,000" in view(reporter)
        rows = [row for row in finished_run.table.to_dicts() if row["level"] < 2]
        reporter.started(finished_run.path, experiment, rows)
        reporter.level_started(level(), 10, (3, 2, 2))
        assert "level 2 of 3" in view(reporter)
        time.sleep(0.01)
        reporter.stepped(level(), 20)
        reporter.evaluated(Evaluation(2, 20, 0.678, Score(200, 150, 200, 100.0)))
        shown = view(reporter)
    finally:
        reporter.close()
    for row in rows:
        if row["layer"] == 1:
            assert f"{100 * row['nominal_density']:.2f} %" in shown
            assert f"{row['locality']:.2f}" in shown
    for text in ("best", "final", "locality", "steps/s", "left in this level", "in all"):
        assert text in shown
    assert "validation 75.00 % of 200 images training loss 0.678" in shown
    assert "photographs" not in shown


def test_a_whole_run_draws_itself_on_a_terminal(terminal, small_run, tmp_path):
    reporter = Live()
    finished = run(small_run(prune={"levels": 1}), out=tmp_path, reporter=reporter)
    reporter.close()
    drawn = terminal.getvalue()
    assert "\x1b[" in drawn
    for row in finished.table.filter(layer=1).iter_rows(named=True):
        assert f"{100 * row['best_val_accuracy']:.2f} %" in drawn


def test_lines_are_plain_and_on_stderr(small_run, tmp_path, capsys):
    run(small_run(prune={"levels": 1}), out=tmp_path, reporter=Lines())
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    lines = stderr.splitlines()
    assert any(line.endswith(": starting tiny") for line in lines)
    assert [line for line in lines if line.startswith("level  0  u 100.00 %  best ")]
    assert [line for line in lines if "accuracies" in line] == ["accuracies are on 60 validation images"]
    assert "\x1b" not in stderr


def test_lines_tell_the_steps_once_in_a_while_and_where_they_resume(capsys):
    lines = Lines(every=0)
    lines.level_started(level(), 10, (3, 2, 2))
    lines.stepped(level(), 20)
    lines.preparing(1, 9, "patches")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "level 2: resuming at step 10 of 40"
    assert said[1].startswith("level 2: step 20 of 40, ")
    assert said[2] == "patches: 1 of 9"
    quiet = Lines()
    quiet.level_started(level(), 0, (3, 2, 2))
    quiet.stepped(level(), 20)
    assert capsys.readouterr().err == ""


def test_the_time_in_all_is_a_range_before_levels_tell_it_and_names_what_may_end_the_run(
    terminal, monkeypatch, small_run
):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    reporter = Live()
    try:
        reporter.started(Path("run"), small_run(prune={"levels": 3, "rate": 0.5}), [])
        rows = []
        for number, (u, steps_take, end) in enumerate(((1.0, 10, 2), (0.5, 5, 2), (0.25, 2.5, 2))):
            reporter.level_started(level(number), 0, (3, 2, 2))
            now[0] += steps_take / 2
            reporter.stepped(level(number), 20)
            shown = view(reporter)
            if number == 0:  # levels of 10 s, or of 5, 2.5 and 1.25
                assert (
                    "5 s left in this level, 13 s to 35 s left in all, less if before then a hidden" in shown
                )
            if number == 2:  # 1.25 s, the end, then 1.25 s and an end
                assert ", about 6 s left in all" in shown
            now[0] += steps_take / 2
            reporter.stepped(level(number), 40)
            now[0] += end
            taken = {"level": number, "layer": 1, "nominal_density": u, "seconds": float(steps_take + end)}
            rows.append(taken)
            reporter.level_finished(rows)
    finally:
        reporter.close()


def test_undefined_locality_is_a_dash():
    row = {
        "level": 3, "nominal_density": 0.25, "best_val_accuracy": 0.5, "final_val_accuracy": 0.25,
        "locality": None, "locality_z": None, "seconds": 61.4,
    }  # fmt: skip
    assert level_line(row) == (
        "level  3  u  25.00 %  best 50.00 %  final 25.00 %  layer 1: weight density        -, locality -  61 s"
    )
    own = level_line(row | {"weight_density": 0.0702})
    assert "u  25.00 %" in own
    assert "layer 1: weight density   7.02 %, " in own
    local = row | {"locality": 1.5, "locality_z": 12.2}
    assert "locality 1.50 (z 12)" in level_line(local | {"null_shuffles": 50})
    assert "locality 1.50 (z 12, 20 shuffles)" in level_line(local)  # of version 0.1


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.9, "3 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7325, "2 h 02 min")]
)
def test_durations_in_words(seconds, text):
    assert span(seconds) == text
