"""How many runs fit at once: run with `pytest tests/sweep/test_capacity.py`."""

from dataclasses import dataclass, replace

import pytest

from planned_runs import planned
from prunescope.errors import InputError
from prunescope.sweep.capacity import Capacity, cuda_devices, machine_capacity
from prunescope.sweep.options import ExecutionOptions
from prunescope.sweep.planning import Plan, PlannedRun
from prunescope.sweep.ray.cluster import Cluster, Node


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
