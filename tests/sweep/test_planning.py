"""prunescope.sweep.planning, with job_costs and run_shares: run with `pytest tests/sweep/test_planning.py`."""

from dataclasses import replace

import pytest
from filelock import FileLock

import tiny
from planned_runs import planned
from prunescope.errors import InputError
from prunescope.experiment import Place
from prunescope.pruning.running import run
from prunescope.runs.reporting import Reporter
from prunescope.sweep import Job, plan
from prunescope.sweep.job_costs import Costs
from prunescope.sweep.planning import Plan, _crowding, check_disk
from prunescope.sweep.run_shares import runs_a_card
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


def test_runs_of_other_machines_are_estimated_without_their_cards(images_file, tmp_path):
    fields = {"data": {"root": str(images_file)}, "train": {"steps": 6, "eval_every": 6, "precision": "tf32"}}
    jobs = [Job(tiny.experiment(run={"device": "cuda:999"}, prune={"levels": 1}, **fields), 0)]
    with pytest.raises(InputError, match=r"run\.device is 'cuda:999'"):
        plan(jobs, tmp_path)
    [run] = plan(jobs, tmp_path, here=False).runs
    assert run.seconds > 0
    assert run.job.experiment.run.device == "cuda:999"
