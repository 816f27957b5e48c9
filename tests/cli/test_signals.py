"""Signals end every verb with one line and the signal's code: run with `pytest tests/cli/test_signals.py`."""

import os
import signal

import pytest

from prunescope.cli import main
from prunescope.pruning.running import run
from prunescope.runs.directory import Run

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
LAST = "prunescope: interrupted; run the same command to go on"


@pytest.fixture
def stopped(monkeypatch, capsys):
    """Send this process a signal where a function is called, and run a command; returns the code."""

    def command(place, number, *arguments):
        before = [signal.getsignal(each) for each in SIGNALS]
        with monkeypatch.context() as patch:
            patch.setattr(place, lambda *_, **__: signal.raise_signal(number))
            with pytest.raises(SystemExit) as left:
                main([str(a) for a in arguments])
        stdout, stderr = capsys.readouterr()
        assert stdout == ""
        assert stderr.splitlines()[-1] == LAST
        assert "Traceback" not in stderr
        assert [signal.getsignal(each) for each in SIGNALS] == before
        return left.value.code

    return command


@pytest.mark.parametrize("number", SIGNALS)
def test_a_new_run_that_is_stopped_while_images_are_prepared_leaves_no_directory(
    toml, tmp_path, monkeypatch, stopped, number
):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    runs = tmp_path / "runs"
    code = stopped("prunescope.data.prepared.writing._fill", number, "run", toml, "--out", runs)
    assert code == 128 + number
    assert os.listdir(runs) == []
    assert [name for name in os.listdir(tmp_path / "cache") if not name.endswith(".lock")] == []


@pytest.mark.parametrize("number", SIGNALS[1:])
@pytest.mark.parametrize(
    "place", ["prunescope.runs.level_measurements.level_observations", "prunescope.training.make_engine"]
)
def test_a_run_that_is_stopped_outside_training_says_so_and_goes_on(toml, tmp_path, stopped, place, number):
    assert stopped(place, number, "run", toml, "--out", tmp_path / "runs") == 128 + number
    [path] = (tmp_path / "runs").glob("*/seed-0")
    assert Run(path).status == "interrupted"
    assert run(toml, out=tmp_path / "runs").status == "done"


PLACES = {
    "prunescope.cli.entry._invoked": ("list",),
    "prunescope.pruning.running.estimate": ("run", "TOML", "--dry-run"),
    "prunescope.sweep.execution.open_data": ("sweep", "TOML", "--seeds", "2", "--out", "OUT"),
    "prunescope.report.page.html": ("report", "RUN", "--out", "OUT/report.html"),
    "prunescope.figures.parts.drawing._write_data": ("figure", "1a", "RUN", "--out", "OUT"),
    "prunescope.analysis.tables.write_bytes": ("table", "RUN", "--out", "OUT/runs.parquet"),
    "prunescope.data.prepared.preparation.open_raw": ("data", "prepare", "TOML", "--out", "OUT/prepared"),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_verb_ends_with_the_code_of_the_signal_and_leaves_nothing(
    toml, finished_run, tmp_path, stopped, place
):
    (tmp_path / "out").mkdir()
    words = {"TOML": str(toml), "RUN": str(finished_run.path)}
    arguments = [words.get(word, word.replace("OUT", str(tmp_path / "out"))) for word in PLACES[place]]
    assert stopped(place, signal.SIGTERM, *arguments) == 143
    assert os.listdir(tmp_path / "out") == []


def test_under_nohup_a_run_goes_on_when_the_terminal_is_closed(toml, tmp_path, monkeypatch, capsys):
    append = "prunescope.runs.writer.append_text"
    monkeypatch.setattr(append, lambda *_: signal.raise_signal(signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as left:
            main(["run", str(toml), "--out", str(tmp_path / "runs")])
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert left.value.code == 0
    assert Run(capsys.readouterr().out.strip()).status == "done"
