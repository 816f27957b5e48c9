"""Trackers beside a run that goes on: they cannot stop it. Run with `pytest tests/track/test_live.py`."""

import threading
from contextlib import ExitStack

import pytest

from prunescope.cli import main
from prunescope.errors import InputError
from prunescope.pruning.running import run as run_it
from prunescope.runs.directory import Run
from prunescope.runs.reporting import Reporter, silent
from prunescope.track import Destination, entries, send, tracked
from prunescope.track.live_upload import TrackingReporter
from prunescope.track.upload import upload
from track.fakes import MlflowServers


class Recording:
    """A sink that keeps what it is given; fails at the entry ``fails_at``."""

    def __init__(self, fails_at=None):
        self.got, self.calls, self._fails_at = [], 0, fails_at

    def start(self, about):
        self.about = about

    def send(self, found):
        self.calls += 1
        self.got += found
        if self._fails_at is not None and len(self.got) > self._fails_at:
            raise ConnectionError("the line is cut\nand more")

    def finish(self, status):
        self.status = status
        return "here"


def reporter_of(sink, said, inner=silent):
    return TrackingReporter(inner, {Destination("mlflow"): sink}, said.append)


def test_live_it_gets_what_the_files_hold_in_their_order(small_run, tmp_path):
    sink, said = Recording(), []
    reporter = reporter_of(sink, said)
    finished = run_it(small_run(), out=tmp_path, reporter=reporter)
    reporter.close()
    assert sink.got == entries(finished)
    assert [entry.kind for entry in sink.got[:5]] == ["evaluation"] * 3 + ["level", "evaluation"]
    assert (sink.status, said) == ("done", [])
    assert sink.about.title == f"{finished.path.parent.name}/seed-0"


@pytest.mark.parametrize("fails_at", [0, 5])
def test_a_tracker_that_fails_says_so_once_and_the_run_goes_on(fails_at, small_run, tmp_path):
    sink, said = Recording(fails_at), []
    reporter = reporter_of(sink, said)
    finished = run_it(small_run(), out=tmp_path, reporter=reporter)
    reporter.close()
    assert finished.status == "done"
    again = f"prunescope track {finished.path} --to mlflow"
    assert said == [
        f"mlflow failed (the line is cut); the run goes on without it; to send the run afterwards: {again}"
    ]


def test_a_tracker_that_hangs_does_not_hold_the_run(small_run, tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.track.live_upload.PATIENCE", 0.1)
    released, sink, said = threading.Event(), Recording(), []
    sink.start = lambda about: released.wait()
    reporter = reporter_of(sink, said)
    assert run_it(small_run(), out=tmp_path, reporter=reporter).status == "done"
    reporter.close()
    released.set()
    assert len(said) == 1
    assert said[0].startswith("mlflow has not taken everything in 0 s; to send the run afterwards: ")


def test_every_call_is_passed_on(small_run, tmp_path):
    heard = []

    class Hearing(Reporter):
        def __getattribute__(self, name):
            if not name.startswith("_"):
                heard.append(name)
            return super().__getattribute__(name)

    reporter = reporter_of(Recording(), [], Hearing())
    reporter.preparing(1, 2, "images")
    reporter.note("a line")
    run_it(small_run(), out=tmp_path, reporter=reporter)
    reporter.close()
    hooks = {name for name, value in vars(Reporter).items() if callable(value) and not name.startswith("_")}
    assert set(heard) == hooks


def test_two_senders_of_one_run_are_refused(finished_run):
    with (
        upload(finished_run, "mlflow", Recording()),
        pytest.raises(InputError, match="another process is sending it to mlflow"),
        upload(finished_run, "mlflow", Recording()),
    ):
        pass
    with upload(finished_run, "mlflow", Recording()) as feeding:
        assert feeding.finish() == "here"


def test_live_it_waits_for_the_process_that_had_the_run_before(small_run, tmp_path):
    experiment, sink, said = small_run(), Recording(), []
    with ExitStack() as before:

        class Ending(Reporter):
            def started(self, path, *rest):
                before.enter_context(upload(Run(path), "mlflow", Recording()))

        reporter = reporter_of(sink, said, Ending())
        finished = run_it(experiment, out=tmp_path, reporter=reporter)
        assert sink.got == []
    reporter.close()
    assert (sink.got, said) == (entries(finished), [])


def test_evaluations_of_a_level_wait_for_the_row_of_the_one_before(finished_run, monkeypatch):
    """levels.parquet was read before a level was stored, metrics.jsonl after the next one had begun."""
    whole = entries(finished_run)
    table = finished_run.table
    monkeypatch.setattr(type(finished_run), "table", table.filter(table["level"] < 2))
    early = entries(finished_run)
    assert early == whole[: len(early)]
    assert {entry.level for entry in early} == {0, 1, 2}


def test_names_are_checked_before_the_run_and_the_terminal_is_given_back():
    closed = []

    class Closing(Reporter):
        def close(self):
            closed.append(True)

    for names in (["mlflo"], ["tensorboard", "tensorboard=x"]):
        with pytest.raises(InputError):
            tracked(Closing(), names)
    assert len(closed) == 2
    assert tracked(silent, []) is silent


def test_a_run_that_is_done_is_sent_by_run_too(small_run, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    servers = MlflowServers()
    servers.install(monkeypatch)
    toml = tmp_path / "tiny.toml"
    toml.write_text(small_run().to_toml())
    finished = run_it(toml, out=tmp_path / "runs")
    for _ in range(2):
        with pytest.raises(SystemExit) as left:
            main(["run", str(toml), "--out", str(tmp_path / "runs"), "--track", "mlflow"])
        assert not left.value.code
        assert capsys.readouterr().out == f"{finished.path}\n"
    (run,) = servers.stores[None]["runs"].values()
    assert len(run["metrics"]) == sum(len(entry.values) for entry in entries(finished))
    before = len(run["metrics"])
    send(finished, Destination("mlflow"))
    assert len(run["metrics"]) == before
