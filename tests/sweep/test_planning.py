"""prunescope.sweep.planning, costs, room and board: run with `pytest tests/sweep/test_planning.py`."""

from dataclasses import dataclass, replace

import pytest
from filelock import FileLock

import tiny
from prunescope.errors import InputError
from prunescope.pruning.running import run
from prunescope.runs.reporting import Reporter
from prunescope.sweep import Job, plan
from prunescope.sweep.board import Board
from prunescope.sweep.planning import Plan, Planned, check_room
from prunescope.sweep.room import Room


class StopsAt(Reporter):
    """Interrupts a run at a level."""

    def __init__(self, number):
        self.number = number

    def level_started(self, level, step, shape):
        if level.number == self.number:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def some_done(images_file, tmp_path_factory):
    """Jobs of seeds 0 to 3 and a folder where 0 is done, 1 stopped after two of four levels, 2 failed."""
    out = tmp_path_factory.mktemp("runs")
    experiment = tiny.experiment(data={"root": str(images_file)})
    run(experiment, seed=0, out=out)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, seed=1, out=out, reporter=StopsAt(2))

    class Fails(Reporter):
        def level_started(self, level, step, shape):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        run(experiment, seed=2, out=out, reporter=Fails())
    return [Job(experiment, seed) for seed in range(4)], out


def test_a_plan_says_what_is_done_and_what_goes_on(some_done):
    jobs, out = some_done
    found = plan(jobs, out)
    assert [(p.status, p.levels) for p in found.runs] == [
        ("done", 4),
        ("interrupted", 2),
        ("failed", 0),
        ("new", 0),
    ]
    assert [p.path for p in found.runs] == [job.path(out) for job in jobs]
    assert [p.job.seed for p in found.todo] == [1, 2, 3]
    assert [p.estimate is None for p in found.runs] == [True, False, False, False]


def test_the_time_of_a_done_run_stands_for_those_of_its_experiment(some_done):
    from prunescope.runs.directory import Run

    jobs, out = some_done
    found = plan(jobs, out)
    seconds = Run(jobs[0].path(out)).table.filter(layer=1).sort("level")["seconds"]
    assert [p.seconds for p in found.runs] == pytest.approx(
        [0, seconds[2:].sum(), seconds.sum(), seconds.sum()]
    )


def test_a_directory_that_is_locked_is_in_use(some_done):
    jobs, out = some_done
    with FileLock(jobs[1].path(out) / ".lock"):
        assert plan(jobs[1:2], out).runs[0].status == "in use"


def test_a_job_given_twice_is_planned_once(some_done):
    jobs, out = some_done
    assert len(plan([*jobs, jobs[0]], out).runs) == 4


def planned(path, *seconds, memory=1, **place):
    """A new run whose levels take so long and that needs so much."""
    cost = plan([Job(tiny.experiment(), 0)], "nowhere").runs[0].estimate
    job = Job(tiny.experiment(run={"threads": 0, **place}), 0)
    cost = replace(cost, level_seconds=seconds, memory_bytes=memory, disk_bytes=10**9)
    return Planned(job, path, "new", 0, cost.seconds, cost)


def test_the_time_of_a_plan_is_that_of_the_longest_first(tmp_path):
    found = Plan(tmp_path, tuple(planned(tmp_path / str(s), s) for s in (1, 2, 3, 4, 5)))
    assert [found.seconds(n) for n in (1, 2, 5, 9)] == [15, 8, 5, 5]


def test_a_disk_that_does_not_hold_the_runs_is_said(tmp_path, monkeypatch):
    found = Plan(tmp_path / "not" / "there", tuple(planned(tmp_path / str(s), s) for s in (1, 2)))
    monkeypatch.setattr("prunescope.sweep.resources.free_disk", lambda folder: 2 * 10**9)
    check_room(found)
    monkeypatch.setattr("prunescope.sweep.resources.free_disk", lambda folder: 19 * 10**8)
    with pytest.raises(InputError, match=r"1\.90 GB are free and the runs will write about 2\.00 GB"):
        check_room(found)


@dataclass
class Child:
    """What Room looks at of a process."""

    planned: Planned
    threads: int = 1
    device: str | None = None


def test_runs_share_cores_and_memory(tmp_path):
    one, big = planned(tmp_path / "1", 1, memory=4), planned(tmp_path / "2", 1, memory=8)
    room = Room(cores=3, memory=12)
    assert room.has_room(one, [Child(one), Child(one)], None)
    assert not room.has_room(one, [Child(one), Child(one)], 2)
    assert not room.has_room(one, [Child(one)] * 3, None)
    assert room.has_room(big, [Child(one)], None)
    assert not room.has_room(big, [Child(one), Child(one)], None)
    assert Room(1, 0).has_room(big, [], 4)  # alone, anything
    assert not Room(9, 99, at_once=1).has_room(one, [Child(one)], None)


def test_slots_are_as_many_as_fit(tmp_path):
    runs = tuple(planned(tmp_path / str(n), 1, memory=4) for n in range(5))
    found = Plan(tmp_path, runs)
    assert Room(4, 100).slots(found, None) == 4
    assert Room(4, 100).slots(found, 2) == 2
    assert Room(4, 9).slots(found, None) == 2
    assert Room(1, 1).slots(found, 8) == 1
    assert Room(4, 9, at_once=9).slots(found, None) == 5


def test_cuda_devices_are_dealt_out(tmp_path):
    run = planned(tmp_path / "1", 1, device="cuda")
    room = Room(cores=1, memory=1, devices=("0", "3"))
    first = Child(run, device=room.device(run, []))
    assert first.device == "0"
    assert room.has_room(run, [first], None)
    second = Child(run, device=room.device(run, [first]))
    assert second.device == "3"
    assert not room.has_room(run, [first, second], None)
    assert room.device(run, [second]) == "0"
    assert Room(2, 99).device(planned(tmp_path / "2", 1), []) is None


def test_a_run_gets_the_cores_and_the_share_of_a_device_that_it_asks_for(tmp_path):
    wide = planned(tmp_path / "1", 1, cpus=3)
    assert Room(4, 99).slots(Plan(tmp_path, (wide, wide)), None) == 1
    assert Room(6, 99).has_room(wide, [Child(wide)], None)
    assert not Room(5, 99).has_room(wide, [Child(wide)], None)
    half = planned(tmp_path / "2", 1, device="cuda", gpus=0.5)
    room = Room(cores=1, memory=1, devices=("0",))
    assert room.has_room(half, [Child(half, device="0")], None)
    assert not room.has_room(half, [Child(half, device="0")] * 2, None)
    assert room.slots(Plan(tmp_path, (half,) * 9), None) == 2


def test_cuda_without_a_device_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.sweep.room.cuda_devices", list)
    with pytest.raises(InputError, match=r"run.device is cuda and no CUDA device is here"):
        Room.of_this_machine(Plan(tmp_path, (planned(tmp_path / "1", 1, device="cuda"),)))


def test_the_board_counts_and_tells_the_time_left(tmp_path):
    runs = tuple(planned(tmp_path / str(n), 5.0, 2.0, 1.0) for n in range(3))
    board = Board(Plan(tmp_path, runs), slots=2)
    assert board.all_left() == 16
    state = board.started(runs[0])
    board.heard(runs[0], {"event": "stepped", "level": 0, "step": 6, "steps": 30})
    assert state.left == pytest.approx(7)
    board.heard(runs[0], {"event": "level_finished", "level": 0, "levels": 1})
    assert state.left == 3
    board.ended(runs[0], "retry", "killed by signal 9")
    assert board.counts == {"waiting": 3}
    board.ended(runs[0], "done", "")
    board.ended(runs[1], "failed", "no")
    assert board.counts == {"done": 1, "failed": 1, "waiting": 1}
    assert board.all_left() == 8


def test_the_time_left_goes_by_the_pace_of_levels_that_get_cheaper(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("prunescope.sweep.board.time.monotonic", lambda: now[0])
    run = planned(tmp_path / "0", 50.0, 20.0, 10.0)
    board = Board(Plan(tmp_path, (run,)), slots=1)
    board.started(run)
    now[0] += 30  # images are read
    board.heard(run, {"event": "level_started", "level": 0, "step": 15, "steps": 30})  # resumed inside
    now[0] += 50  # twice as long as was estimated
    board.heard(run, {"event": "level_finished", "level": 0, "levels": 1})
    assert board.all_left() == pytest.approx(60)
    now[0] += 40
    board.heard(run, {"event": "level_finished", "level": 1, "levels": 2})
    assert board.all_left() == pytest.approx(20)
