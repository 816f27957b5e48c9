"""Methods through the driver, interrupted between levels, on both engines: `pytest tests/pruning/test_method_runs.py`."""

import numpy as np
import pytest

from native.problems import ENGINES
from prunescope.errors import InputError
from prunescope.pruning.running import run
from prunescope.runs.arrays import read_arrays
from prunescope.runs.directory import Run
from prunescope.runs.reporting import Reporter
from prunescope.runs.writer import run_path

METHODS = {
    "imp": {"layer_rates": [0.5, 0.0], "levels": 2},
    "oneshot": {"density": [0.4, 0.1]},
    "snip": {"density": [0.4, 0.1], "score_images": 60},
    "grasp": {"density": [0.4, 0.1], "score_images": 60},
    "synflow": {"density": [0.4, 0.1], "rounds": 10, "score_pool": "all"},
    "random": {"density": [0.4, 0.1], "layout": "erk"},
    "progressive": {"levels": 3, "rate": 0.5},
}


class Killed(BaseException):
    """The process is gone between two levels."""


class KillAt(Reporter):
    """Kills when a level starts."""

    def __init__(self, level):
        self.level = level

    def level_started(self, level, step, shape):
        if level.number == self.level:
            raise Killed


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", METHODS)
def test_a_killed_run_goes_on_to_the_same_masks_and_weights(method, engine, small_run, tmp_path):
    experiment = small_run(prune={"method": method} | METHODS[method], run={"engine": engine})
    whole = run(experiment, seed=2, out=tmp_path / "whole")
    assert whole.status == "done"
    assert whole.levels[0] == (1 if method in ("snip", "grasp", "synflow", "random") else 0)
    assert len(whole.levels) >= 2
    assert set(whole.table["engine"]) == {engine}
    with pytest.raises(Killed):
        run(experiment, seed=2, out=tmp_path / "killed", reporter=KillAt(2))
    killed = Run(run_path(experiment, 2, tmp_path / "killed"))
    assert killed.levels == [number for number in whole.levels if number < 2]
    resumed = run(experiment, seed=2, out=tmp_path / "killed")
    assert resumed.levels == whole.levels
    for level in whole.levels:
        assert resumed.ticket(level) == whole.ticket(level)
        other = whole.model(level).to_arrays()
        for name, array in resumed.model(level).to_arrays().items():
            np.testing.assert_array_equal(array, other[name])


def shuffle(small_run, like, **sections):
    prune = {"method": "random", "layout": "shuffle", "like": str(like)}
    return small_run(prune=prune, name="shuffled", **sections)


def test_a_shuffled_run_has_the_other_runs_fan_ins_and_rewinds_where_it_does(
    small_run, finished_run, tmp_path
):
    like = finished_run.path.parent / "seed-{seed}"
    moved = run(shuffle(small_run, like), seed=3, out=tmp_path)
    assert moved.levels == [1, 2, 3]
    for level in moved.levels:
        own, theirs = moved.ticket(level), finished_run.ticket(level)
        for mask, other in zip(own.masks, theirs.masks, strict=True):
            np.testing.assert_array_equal(mask.fan_in, other.fan_in)
            assert mask != other
        assert all((a == b).all() for a, b in zip(own.biases, theirs.biases, strict=True))
    for column in ("nominal_density", "density", "units_alive"):
        theirs = finished_run.table.filter(finished_run.table["level"] > 0)[column]
        assert moved.table[column].to_list() == theirs.to_list()


def test_what_a_shuffled_run_starts_from(small_run, finished_run, tmp_path):
    from prunescope.model import initial
    from prunescope.pruning.like import like_run
    from prunescope.training.levels import Setting

    sizes = (108, 12, 10, 3)
    start = like_run(Setting(shuffle(small_run, finished_run.path), sizes, 0, None)).start.to_arrays()
    kept, _ = read_arrays(finished_run.path / "rewind.safetensors")
    for name, array in start.items():
        expected = np.zeros_like(array) if name.endswith(("mean", "variance")) else kept[name]
        np.testing.assert_array_equal(array, expected)
    without = run(small_run(prune={"rewind": False, "levels": 1}), seed=5, out=tmp_path)
    start = like_run(Setting(shuffle(small_run, without.path), sizes, 0, None)).start.to_arrays()
    for name, array in initial(sizes, "before", 5).to_arrays().items():
        np.testing.assert_array_equal(start[name], array)


def test_a_run_to_be_like_that_does_not_fit_is_said_in_a_line(small_run, finished_run, tmp_path):
    def fails(match, experiment, seed=0):
        with pytest.raises(InputError, match=match) as caught:
            run(experiment, seed=seed, out=tmp_path / "refused")
        assert "\n" not in str(caught.value)

    fails(r"^prune\.like is not given", shuffle(small_run, ""))
    fails(r"^prune\.like is '.*seed-7': not a run directory", shuffle(small_run, "seed-{seed}"), seed=7)
    wider = shuffle(small_run, finished_run.path, network={"hidden": [12, 11]})
    fails(r"has layers of 108-12-10-3 units; this experiment has 108-12-11-3", wider)
    bare = shuffle(small_run, finished_run.path, network={"norm": "none"})
    fails(r"has network\.norm=before; this experiment has none", bare)
    dense = run(small_run(prune={"levels": 0}), out=tmp_path)
    fails(r"has no pruned level", shuffle(small_run, dense.path))
    with pytest.raises(Killed):
        run(small_run(prune={"levels": 2}), out=tmp_path, reporter=KillAt(2))
    unfinished = run_path(small_run(prune={"levels": 2}), 0, tmp_path)
    fails(r"seed-0 is (failed|running|interrupted): finish that run first", shuffle(small_run, unfinished))
    assert not list((tmp_path / "refused").glob("*/*"))
