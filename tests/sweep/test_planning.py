"""prunescope.sweep.planning, capacity and status: run with `pytest tests/sweep/test_planning.py`."""

from dataclasses import dataclass, replace

import pytest
from filelock import FileLock

import tiny
from prunescope.errors import InputError
from prunescope.experiment import Place
from prunescope.pruning.running import run
from prunescope.runs.reporting import Reporter
from prunescope.sweep import Job, plan
from prunescope.sweep.capacity import Capacity, cuda_devices, machine_capacity
from prunescope.sweep.planning import (
    Costs,
    ExecutionOptions,
    Plan,
    PlannedRun,
    _crowding,
    check_disk,
    runs_a_card,
)
from prunescope.sweep.ray.cluster import Cluster, Node
from prunescope.sweep.status import SweepStatus


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
    starting = found.runs[3].estimate.starting
    assert [p.seconds for p in found.runs] == pytest.approx(
        [0, *(starting + left for left in (seconds[2:].sum(), seconds.sum(), seconds.sum()))]
    )
    assert plan(jobs[::-1], out).runs[0].estimate.level_seconds == tuple(seconds)  # in whichever order


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
    cost = replace(
        cost, level_seconds=seconds, memory_bytes=memory, disk_bytes=10**9, levels=len(seconds) - 1
    )
    cost = replace(cost, starting=0.0, preparing=0.0, checkpoint_bytes=0)
    return PlannedRun(job, path, "new", 0, cost.seconds, cost)


def test_the_time_of_a_plan_is_that_of_the_longest_first(tmp_path):
    found = Plan(tmp_path, tuple(planned(tmp_path / str(s), s) for s in (1, 2, 3, 4, 5)))
    assert [found.seconds(n) for n in (1, 2, 5, 9)] == [15, 8, 5, 5]


def test_runs_at_a_time_are_slower_unless_learned_from_such(tmp_path):
    runs = tuple(planned(tmp_path / str(s), s) for s in (2, 4))
    crowded = Plan(tmp_path, runs, crowding=lambda at_once: 1.5 if at_once > 1 else 1.0)
    assert [crowded.seconds(n) for n in (1, 2)] == [6, 6]
    status = SweepStatus(crowded, slots=2)
    assert status.all_left() == 6
    learned = tuple(replace(run, estimate=replace(run.estimate, learned=True)) for run in runs)
    crowded = replace(crowded, runs=learned)
    assert [crowded.seconds(n) for n in (1, 2)] == [6, 4]
    assert SweepStatus(crowded, slots=2).all_left() == 4


def test_starting_counts_for_every_run_and_preparing_for_each_data_set(tmp_path):
    runs = [planned(tmp_path / str(s), s) for s in (1, 2)]
    costs = [replace(run.estimate, starting=1.0, preparing=10.0) for run in runs]
    runs = [
        replace(run, estimate=cost, seconds=run.seconds + 1) for run, cost in zip(runs, costs, strict=True)
    ]
    assert Plan(tmp_path, tuple(runs)).seconds(1) == 15
    status = SweepStatus(Plan(tmp_path, tuple(runs)), slots=1)
    assert status.all_left() == 5
    status.started(runs[0])
    assert status.updated(runs[0], {"event": "stepped", "level": 0, "step": 1, "steps": 2}).left == 0.5


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


def test_what_a_checkpoint_holds_of_a_level_is_not_left(some_done):
    class StopsInside(Reporter):
        def stepped(self, level, step):
            if step == 15:
                raise KeyboardInterrupt

    jobs, out = some_done
    job = Job(jobs[0].experiment.model_copy(update={"run": Place(checkpoint_seconds=1e-9)}), 7)
    with pytest.raises(KeyboardInterrupt):
        run(job.experiment, seed=7, out=out, reporter=StopsInside())
    (found,) = plan([job], out).runs
    cost = found.estimate
    share = 15 / job.experiment.train.steps
    assert found.seconds == pytest.approx(
        cost.starting + sum(cost.level_seconds) - share * cost.level_seconds[0]
    )


def test_a_disk_that_does_not_hold_the_runs_is_said(tmp_path, monkeypatch):
    found = Plan(tmp_path / "not" / "there", tuple(planned(tmp_path / str(s), s) for s in (1, 2)))
    monkeypatch.setattr("prunescope.sweep.planning.free_disk", lambda folder: 2 * 10**9)
    check_disk(found)
    monkeypatch.setattr("prunescope.sweep.planning.free_disk", lambda folder: 19 * 10**8)
    with pytest.raises(InputError, match=r"1\.90 GB are free and the runs will write about 2\.00 GB"):
        check_disk(found)


def test_the_checkpoint_of_the_largest_run_needs_disk_too(tmp_path, monkeypatch):
    runs = [planned(tmp_path / str(s), s) for s in (1, 2)]
    costs = [replace(run.estimate, checkpoint_bytes=10**8 * n) for n, run in enumerate(runs)]
    found = Plan(tmp_path, tuple(replace(run, estimate=cost) for run, cost in zip(runs, costs, strict=True)))
    monkeypatch.setattr("prunescope.sweep.planning.free_disk", lambda folder: 21 * 10**8)
    check_disk(found)
    monkeypatch.setattr("prunescope.sweep.planning.free_disk", lambda folder: 2 * 10**9)
    with pytest.raises(InputError, match=r"about 2\.10 GB"):
        check_disk(found)


@pytest.mark.parametrize(
    ("place", "cards", "at_once", "a_card"),
    [
        ({"device": "cuda"}, 4, 4, 1),
        ({"device": "cuda"}, 4, 3, 1),
        ({"device": "cuda", "gpus": 0.25}, 2, 8, 4),
        ({"device": "cuda", "gpus": 0.25}, 2, 5, 3),
        ({"device": "cuda:1"}, 4, 3, 3),
        ({"device": "cuda", "gpus": 0.5}, 0, 8, 2),  # cards of other machines
        ({"device": "cuda", "gpus": 0.0}, 0, 8, 8),
    ],
)
def test_runs_that_share_a_card_take_turns(tmp_path, monkeypatch, place, cards, at_once, a_card):
    monkeypatch.setattr("torch.cuda.device_count", lambda: cards)
    experiment = tiny.experiment(run=place)
    assert runs_a_card(experiment, at_once) == a_card
    run = replace(planned(tmp_path, 10.0), job=Job(experiment, 0))
    assert _crowding((run,), None, at_once) == a_card


def test_what_a_run_took_on_a_cpu_says_nothing_of_a_card(some_done):
    jobs, out = some_done
    costs = Costs()
    for device, known in (("cuda", 0), ("cpu", 1)):
        costs.learn(jobs[0].experiment.model_copy(update={"run": Place(device=device)}), jobs[0].path(out))
        assert len(costs._taken) == known


@dataclass
class Occupant:
    """What Capacity reads of a worker."""

    planned: PlannedRun
    threads: int = 1
    device: str | None = None


def test_runs_share_cores_and_memory(tmp_path):
    one, big = planned(tmp_path / "1", 1, memory=4), planned(tmp_path / "2", 1, memory=8)
    capacity = Capacity(cores=3, memory=12)
    assert capacity.has_space(one, [Occupant(one), Occupant(one)])
    assert not replace(capacity, threads=2).has_space(one, [Occupant(one), Occupant(one)])
    assert not capacity.has_space(one, [Occupant(one)] * 3)
    assert capacity.has_space(big, [Occupant(one)])
    assert not capacity.has_space(big, [Occupant(one), Occupant(one)])
    assert Capacity(1, 0, threads=4).has_space(big, [])  # a run that is alone always fits
    assert not Capacity(9, 99, at_once=1).has_space(one, [Occupant(one)])


def test_slots_are_as_many_as_fit(tmp_path):
    runs = tuple(planned(tmp_path / str(n), 1, memory=4) for n in range(5))
    found = Plan(tmp_path, runs)
    assert Capacity(4, 100).slots(found) == 4
    assert Capacity(4, 100, threads=2).slots(found) == 2
    assert Capacity(4, 9).slots(found) == 2
    assert Capacity(1, 1, threads=8).slots(found) == 1
    assert Capacity(4, 9, at_once=9).slots(found) == 5


def test_cuda_devices_are_dealt_out(tmp_path):
    run = planned(tmp_path / "1", 1, device="cuda")
    capacity = Capacity(cores=1, memory=1, devices=("0", "3"))
    first = Occupant(run, device=capacity.device(run, []))
    assert first.device == "0"
    assert capacity.has_space(run, [first])
    second = Occupant(run, device=capacity.device(run, [first]))
    assert second.device == "3"
    assert not capacity.has_space(run, [first, second])
    assert capacity.device(run, [second]) == "0"
    assert Capacity(2, 99).device(planned(tmp_path / "2", 1), []) is None


def test_a_run_gets_the_cores_and_the_share_of_a_device_that_it_asks_for(tmp_path):
    wide = planned(tmp_path / "1", 1, cpus=3)
    assert Capacity(4, 99).slots(Plan(tmp_path, (wide, wide))) == 1
    assert Capacity(6, 99).has_space(wide, [Occupant(wide)])
    assert not Capacity(5, 99).has_space(wide, [Occupant(wide)])
    half = planned(tmp_path / "2", 1, device="cuda", gpus=0.5)
    capacity = Capacity(cores=1, memory=1, devices=("0",))
    assert capacity.has_space(half, [Occupant(half, device="0")])
    assert not capacity.has_space(half, [Occupant(half, device="0")] * 2)
    assert capacity.slots(Plan(tmp_path, (half,) * 9)) == 2


def test_runs_on_a_card_that_they_name_share_it_with_the_others(tmp_path):
    second = planned(tmp_path / "1", 1, device="cuda:1")
    capacity = Capacity(cores=9, memory=99, devices=("0", "3"))
    assert capacity.device(second, []) is None  # It sees all of them, and its own number is the right one.
    assert not capacity.has_space(second, [Occupant(second)])
    other = planned(tmp_path / "2", 1, device="cuda")
    assert capacity.device(other, [Occupant(second)]) == "0"
    assert capacity.has_space(other, [Occupant(second)])
    assert not capacity.has_space(second, [Occupant(other, device="3")])
    assert capacity.has_space(second, [Occupant(other, device="0")])
    assert not capacity.has_space(other, [Occupant(second), Occupant(other, device="0")])


def test_shares_of_a_device_add_up(tmp_path):
    tenth = planned(tmp_path / "1", 1, device="cuda", gpus=0.1)
    capacity = Capacity(cores=1, memory=1, devices=("0",))
    assert capacity.has_space(tenth, [Occupant(tenth, device="0")] * 9)
    assert not capacity.has_space(tenth, [Occupant(tenth, device="0")] * 10)
    most = planned(tmp_path / "2", 1, device="cuda", gpus=0.6)
    assert replace(capacity, devices=("0", "1", "2")).slots(Plan(tmp_path, (most,) * 9)) == 3


def test_a_run_with_no_share_of_a_device_goes_by_cores(tmp_path):
    none = planned(tmp_path / "1", 1, device="cuda", gpus=0)
    capacity = Capacity(cores=2, memory=99, devices=("0",))
    assert capacity.has_space(none, [Occupant(none, device="0")])
    assert not capacity.has_space(none, [Occupant(none, device="0")] * 2)


@pytest.mark.parametrize("device", ["cuda", "cuda:3", "gpu"])
def test_a_device_that_is_not_here_is_refused_with_the_run_that_wants_it(tmp_path, device):
    runs = (planned(tmp_path / "1", 1), planned(tmp_path / "2", 1, device=device))
    with pytest.raises(InputError) as error:
        machine_capacity(Plan(tmp_path, runs), ExecutionOptions())
    assert str(error.value).startswith(f"{tmp_path / '2'}: run.device is '{device}': ")


def test_a_cluster_chooses_the_cards_itself(tmp_path):
    node = Node("a", "10.0.0.1", cpus=4, gpus=2, memory=9e9)
    first, second = (
        Plan(tmp_path, (planned(tmp_path / place, 1, device=place),)) for place in ("cuda:0", "cuda:1")
    )
    assert Cluster((node,), local=False).capacity(first, ExecutionOptions()).devices == ("0", "1")
    with pytest.raises(InputError, match=r"cuda:1: run\.device is cuda:1 and Ray gives each run its card"):
        Cluster((node,), local=False).capacity(second, ExecutionOptions())
    with pytest.raises(InputError, match="no node has a GPU"):
        Cluster((replace(node, gpus=0),), local=False).capacity(first, ExecutionOptions())


@pytest.mark.parametrize(
    ("named", "count", "devices"),
    [
        (None, 2, ["0", "1"]),
        ("", 0, []),
        ("-1", 0, []),
        ("0,0", 0, []),  # CUDA takes none where one is there twice.
        ("3", 1, ["3"]),
        (" 0, 2 ", 2, ["0", "2"]),
        ("0,1,", 2, ["0", "1"]),
        ("1,-1,0", 1, ["1"]),  # CUDA takes those before the first that is wrong.
        ("0,9", 1, ["0"]),
        ("GPU-5ebe9af1", 1, ["GPU-5ebe9af1"]),
        ("MIG-c7d4fb8a,MIG-0e0b2b5f", 1, ["MIG-c7d4fb8a"]),  # One process sees one MIG instance.
        ("x", 0, []),
    ],
)
def test_the_devices_that_this_process_may_use(monkeypatch, named, count, devices):
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert cuda_devices() == devices


def test_runs_of_other_machines_are_estimated_without_their_cards(images_file, tmp_path):
    fields = {"data": {"root": str(images_file)}, "train": {"steps": 6, "eval_every": 6, "precision": "tf32"}}
    jobs = [Job(tiny.experiment(run={"device": "cuda:999"}, prune={"levels": 1}, **fields), 0)]
    with pytest.raises(InputError, match=r"run\.device is 'cuda:999'"):
        plan(jobs, tmp_path)
    [run] = plan(jobs, tmp_path, here=False).runs
    assert run.seconds > 0
    assert run.job.experiment.run.device == "cuda:999"


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
