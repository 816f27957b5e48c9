"""prunescope.sweep.scheduling with processes that do nothing: run with `pytest tests/sweep/test_scheduling.py`."""

import json
from dataclasses import replace
from typing import ClassVar

import pytest
from filelock import FileLock

import tiny
from prunescope.sweep import Job, crew, scheduling
from prunescope.sweep.planning import Plan, Planned, plan
from prunescope.sweep.reporting import SweepReporter
from prunescope.sweep.room import Room


class Heard(SweepReporter):
    """Keeps what it hears."""

    def __init__(self):
        self.log = []

    def started(self, run, pid, node=""):
        self.log.append(("started", run.path.name, pid))

    def ended(self, run, how, message):
        self.log.append((how, run.path.name))

    def stopping(self):
        self.log.append(("stopping",))


@pytest.fixture
def children(monkeypatch):
    """Fake processes; ``outcomes`` by the run's folder: what its attempts come to, "done" where nothing is said."""

    class Fake:
        outcomes: ClassVar[dict[str, list]] = {}
        born = 0

        def __init__(self, threads, device, messages):
            self.planned, self.threads, self.device, self.messages = None, threads, device, messages
            self.leaving = False
            Fake.born += 1
            self.pid = Fake.born

        def give(self, run, order):
            self.planned = run
            self.messages.put((self, {"event": "began", "pid": self.pid, "node": ""}))
            self.threads_given = order["experiment"]["run"]["threads"]
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

        def free(self, code):
            self.leaving = bool(code)
            if code:
                self.messages.put((self, None))

        def ask_to_stop(self):
            self.leaving = True

        def ended(self):
            return self.code, f"killed by signal {-self.code}"

        code = 0

    monkeypatch.setattr(crew, "Child", Fake)
    return Fake


def a_plan(folder, seconds, **like):
    cost = plan([Job(tiny.experiment(), 0)], "nowhere").runs[0].estimate
    runs = []
    for name, needed in seconds.items():
        other = {"prune": {"method": "random", "like": str(folder / like[name])}} if name in like else {}
        job = Job(tiny.experiment(**other), 0)
        runs.append(Planned(job, folder / name, "new", 0, needed, replace(cost, level_seconds=(needed,))))
    return Plan(folder, tuple(runs))


def go(found, at_once=1):
    heard = Heard()
    scheduler = scheduling.Scheduler(
        found, crew.LocalCrew(Room(9, 10**12, at_once=at_once), None), None, heard
    )
    scheduler.run()
    return scheduler, heard.log


def test_the_longest_goes_first_and_a_process_takes_run_after_run(children, tmp_path):
    _, log = go(a_plan(tmp_path, {"a": 1, "b": 3, "c": 2}))
    assert [entry[1] for entry in log if entry[0] == "started"] == ["b", "c", "a"]
    assert children.born == 1


def test_a_failure_stops_no_other_and_ends_its_process(children, tmp_path):
    children.outcomes = {"b": ["failed"]}
    scheduler, log = go(a_plan(tmp_path, {"a": 1, "b": 3, "c": 2}))
    assert scheduler.failed == {tmp_path / "b": "why"}
    assert [entry[0] for entry in log if entry[1] == "b"] == ["started", "failed"]
    assert {entry[1] for entry in log if entry[0] == "done"} == {"a", "c"}
    assert children.born == 2


def test_a_run_whose_process_is_killed_is_tried_twice_more(children, tmp_path):
    children.outcomes = {"a": [-9, -9, "done"], "b": [-9, -9, -9]}
    scheduler, log = go(a_plan(tmp_path, {"a": 1, "b": 3}))
    assert scheduler.failed == {tmp_path / "b": "killed by signal 9"}
    assert scheduler.retries == 4
    assert [entry[0] for entry in log if entry[1] == "a"] == ["started", "retry"] * 2 + ["started", "done"]


def test_a_run_waits_for_the_one_it_is_like(children, tmp_path):
    _, log = go(a_plan(tmp_path, {"after": 9, "before": 1, "other": 5}, after="before"), at_once=3)
    names = [entry[:2] for entry in log]
    assert names.index(("started", "after")) > names.index(("done", "before"))
    assert names.index(("started", "other")) < names.index(("started", "after"))


def test_a_run_that_another_process_holds_waits_for_it(children, tmp_path, monkeypatch):
    monkeypatch.setattr(scheduling, "BUSY", 0.0)
    found = a_plan(tmp_path, {"held": 9, "free": 1})
    (tmp_path / "held").mkdir()
    lock = FileLock(tmp_path / "held" / ".lock")
    lock.acquire()
    hear = scheduling.Scheduler._hear

    def release(self):
        if (tmp_path / "free" / "run.json").is_file():
            lock.release()
        hear(self)

    monkeypatch.setattr(scheduling.Scheduler, "_hear", release)
    _, log = go(found)
    assert [entry[:2] for entry in log] == [
        ("in use", "held"),
        ("started", "free"),
        ("done", "free"),
        ("started", "held"),
        ("done", "held"),
    ]


def test_a_started_run_keeps_its_threads(children, tmp_path):
    found = a_plan(tmp_path, {"a": 1})
    (tmp_path / "a").mkdir()
    about = {"name": "x", "identity": "x", "seed": 0, "status": "interrupted", "threads": 3}
    (tmp_path / "a" / "run.json").write_text(json.dumps(about))
    (tmp_path / "a" / "experiment.toml").touch()
    scheduler = scheduling.Scheduler(found, crew.LocalCrew(Room(9, 10**12), 2), 2, Heard())
    assert scheduler._resumable(found.runs[0]).run.threads == 3
