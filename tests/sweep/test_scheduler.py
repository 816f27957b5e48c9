"""prunescope.sweep.scheduler with processes that do nothing: run with `pytest tests/sweep/test_scheduler.py`."""

import json
import signal
from dataclasses import replace
from typing import ClassVar

import pytest
from filelock import FileLock

import tiny
from prunescope.sweep import Job, executor, scheduler
from prunescope.sweep.capacity import Capacity
from prunescope.sweep.planning import Plan, PlannedRun, plan
from prunescope.sweep.status import SweepReporter


class Recorder(SweepReporter):
    """Keeps what it is told."""

    def __init__(self):
        self.log = []

    def started(self, run, pid, node=""):
        self.log.append(("started", run.path.name, pid))

    def ended(self, run, how, message):
        self.log.append((how, run.path.name))

    def stopping(self):
        self.log.append(("stopping",))


@pytest.fixture
def processes(monkeypatch):
    """Fake processes; ``outcomes`` by the run's folder: what its attempts come to, "done" where nothing is said."""

    class Fake:
        outcomes: ClassVar[dict[str, list]] = {}
        born = 0

        def __init__(self, threads, device, messages):
            self.planned, self.threads, self.device, self.messages = None, threads, device, messages
            self.stopping = False
            Fake.born += 1
            self.pid = Fake.born

        def start(self, run, request):
            self.planned = run
            self.messages.put((self, {"event": "began", "pid": self.pid, "node": ""}))
            self.threads_given = request["experiment"]["run"]["threads"]
            outcome = (Fake.outcomes.get(run.path.name) or ["done"]).pop(0)
            if outcome == "done":
                run.path.mkdir(parents=True, exist_ok=True)
                about = {"name": "x", "identity": "x", "seed": 0, "status": "done"}
                (run.path / "run.json").write_text(json.dumps(about))
                (run.path / "experiment.toml").touch()
            if outcome in ("done", "failed"):
                self.messages.put(
                    (self, {"event": "ended", "code": int(outcome != "done"), "message": "why"})
                )
            else:
                self.code = outcome
                self.messages.put((self, None))

        def run_ended(self, code):
            self.stopping = bool(code)
            if code:
                self.messages.put((self, None))

        def request_stop(self):
            self.stopping = True

        def wait(self):
            return self.code, f"killed by signal {-self.code}"

        code = 0

    monkeypatch.setattr(executor, "WorkerProcess", Fake)
    return Fake


def a_plan(folder, seconds, **like):
    cost = plan([Job(tiny.experiment(), 0)], "nowhere").runs[0].estimate
    runs = []
    for name, needed in seconds.items():
        other = {"prune": {"method": "random", "like": str(folder / like[name])}} if name in like else {}
        job = Job(tiny.experiment(**other), 0)
        runs.append(PlannedRun(job, folder / name, "new", 0, needed, replace(cost, level_seconds=(needed,))))
    return Plan(folder, tuple(runs))


def go(found, at_once=1):
    recorder = Recorder()
    keeper = scheduler.Scheduler(
        found, executor.LocalExecutor(Capacity(9, 10**12, at_once=at_once)), None, recorder
    )
    keeper.run()
    return keeper, recorder.log


def test_the_longest_goes_first_and_a_process_takes_run_after_run(processes, tmp_path):
    _, log = go(a_plan(tmp_path, {"a": 1, "b": 3, "c": 2}))
    assert [entry[1] for entry in log if entry[0] == "started"] == ["b", "c", "a"]
    assert processes.born == 1


def test_a_failure_stops_no_other_and_ends_its_process(processes, tmp_path):
    processes.outcomes = {"b": ["failed"]}
    scheduler, log = go(a_plan(tmp_path, {"a": 1, "b": 3, "c": 2}))
    assert scheduler.failed == {tmp_path / "b": "why"}
    assert [entry[0] for entry in log if entry[1] == "b"] == ["started", "failed"]
    assert {entry[1] for entry in log if entry[0] == "done"} == {"a", "c"}
    assert processes.born == 2


def test_a_run_whose_process_is_killed_is_tried_twice_more(processes, tmp_path):
    processes.outcomes = {"a": [-9, -9, "done"], "b": [-9, -9, -9]}
    scheduler, log = go(a_plan(tmp_path, {"a": 1, "b": 3}))
    assert scheduler.failed == {tmp_path / "b": "killed by signal 9"}
    assert scheduler.retries == 4
    assert [entry[0] for entry in log if entry[1] == "a"] == ["started", "retry"] * 2 + ["started", "done"]


def test_a_run_waits_for_the_one_it_is_like(processes, tmp_path):
    _, log = go(a_plan(tmp_path, {"after": 9, "before": 1, "other": 5}, after="before"), at_once=3)
    names = [entry[:2] for entry in log]
    assert names.index(("started", "after")) > names.index(("done", "before"))
    assert names.index(("started", "other")) < names.index(("started", "after"))


def test_a_run_that_another_process_holds_waits_for_it(processes, tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "RETRY_LOCK", 0.0)
    found = a_plan(tmp_path, {"held": 9, "free": 1})
    (tmp_path / "held").mkdir()
    lock = FileLock(tmp_path / "held" / ".lock")
    lock.acquire()
    take = scheduler.Scheduler._take_event

    def release(self):
        if (tmp_path / "free" / "run.json").is_file():
            lock.release()
        take(self)

    monkeypatch.setattr(scheduler.Scheduler, "_take_event", release)
    _, log = go(found)
    assert [entry[:2] for entry in log] == [
        ("in use", "held"),
        ("started", "free"),
        ("done", "free"),
        ("started", "held"),
        ("done", "held"),
    ]


def test_a_started_run_keeps_its_threads(processes, tmp_path):
    found = a_plan(tmp_path, {"a": 1})
    (tmp_path / "a").mkdir()
    about = {"name": "x", "identity": "x", "seed": 0, "status": "interrupted", "threads": 3}
    (tmp_path / "a" / "run.json").write_text(json.dumps(about))
    (tmp_path / "a" / "experiment.toml").touch()
    keeper = scheduler.Scheduler(found, executor.LocalExecutor(Capacity(9, 10**12, threads=2)), 2, Recorder())
    assert keeper._resumable(found.runs[0]).run.threads == 3


class Busy:
    """A process whose run ends only when it is asked to, or, where it is ``stuck``, when it is killed."""

    stuck = False
    stopping = False
    code = None
    signals: ClassVar[list] = []  # that come while its end is waited for
    pid = 1

    def __init__(self, threads, device, messages):
        self.planned, self.threads, self.device, self.messages = None, threads, device, messages

    def start(self, run, request):
        self.planned = run
        self.messages.put((self, {"event": "began", "pid": self.pid, "node": ""}))

    def request_stop(self):
        self.stopping = True
        if not self.stuck:
            self._end(130)

    def kill(self):
        self._end(-9)

    def _end(self, code):
        if self.code is None:
            self.code = code
            self.messages.put((self, None))

    def wait(self):
        for number in self.signals:
            assert self.code is None
            signal.raise_signal(number)
        return self.code, "ended"


STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def stopped(folder, recorder):
    """Do a run in a ``Busy`` process with signals received; return the scheduler."""
    local = executor.LocalExecutor(Capacity(9, 10**12, at_once=1))
    keeper = scheduler.Scheduler(a_plan(folder, {"a": 2, "b": 1}), local, None, recorder)
    with scheduler.receiving_signals(keeper):
        keeper.run()
    return keeper


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("stuck", [False, True])
def test_a_signal_lets_runs_save_and_a_second_one_kills_them(tmp_path, monkeypatch, number, stuck):
    class Signalled(Recorder):
        def started(self, run, pid, node=""):
            super().started(run, pid, node)
            signal.raise_signal(number)

        def stopping(self):
            super().stopping()
            if stuck:
                signal.raise_signal(number)

    monkeypatch.setattr(Busy, "stuck", stuck)
    monkeypatch.setattr(executor, "WorkerProcess", Busy)
    recorder = Signalled()
    keeper = stopped(tmp_path, recorder)
    assert keeper.stopping == 1 + stuck
    assert recorder.log == [("started", "a", 1), ("stopping",), ("stopped", "a")]  # and b is not started


def test_a_second_signal_ends_the_wait_for_what_does_not_end_when_a_sweep_breaks(tmp_path, monkeypatch):
    class Broken(Recorder):
        def started(self, run, pid, node=""):
            raise RuntimeError("broken")

    monkeypatch.setattr(Busy, "stuck", True)
    monkeypatch.setattr(Busy, "signals", [signal.SIGTERM, signal.SIGTERM])
    monkeypatch.setattr(executor, "WorkerProcess", Busy)
    kills = []
    monkeypatch.setattr(Busy, "kill", lambda process: kills.append(process))
    with pytest.raises(RuntimeError, match="broken"):
        stopped(tmp_path, Broken())
    assert len(kills) == 1
