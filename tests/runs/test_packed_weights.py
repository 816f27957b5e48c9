"""prunescope.runs.packed_weights: run with `pytest tests/runs/test_packed_weights.py`."""

import shutil

import numpy as np
import pytest

import prunescope.memory
import tiny
from prunescope.errors import InputError
from prunescope.pruning.running import run
from prunescope.runs.arrays import read_arrays, write_arrays
from prunescope.runs.directory import Run
from prunescope.runs.packed_weights import NONZERO, VALUES, is_packed, packed, packed_bytes, unpacked
from prunescope.runs.reporting import Reporter

WIDE = {"hidden": [60, 40]}


@pytest.fixture(scope="module")
def both(images_file, tmp_path_factory):
    """The same run with its weights stored whole and packed."""
    out = tmp_path_factory.mktemp("runs")

    def stored(weights):
        place = {"threads": 1, "weights": weights}
        return run(experiment(images_file, place), out=out / weights)

    return stored("whole"), stored("packed")


def experiment(images_file, place):
    return tiny.experiment(data={"root": str(images_file)}, network=WIDE, run=place)


def size(path):
    return sum(file.stat().st_size for file in path.rglob("weights.safetensors"))


def test_a_packed_run_reads_as_a_whole_one(both):
    whole, lean = both
    assert whole.path.name == lean.path.name
    assert whole.experiment.identity == lean.experiment.identity
    assert whole.levels == lean.levels == [0, 1, 2, 3]
    for level in whole.levels:
        expected, found = whole.model(level).to_arrays(), lean.model(level).to_arrays()
        assert expected.keys() == found.keys()
        for name, array in expected.items():
            assert np.array_equal(found[name], array)
            assert found[name].dtype == array.dtype
    assert size(lean.path) < 0.75 * size(whole.path)


def test_a_dense_level_is_stored_whole(both):
    names = read_arrays(both[1].level_path(0) / "weights.safetensors")[0].keys()
    assert not any(name.endswith((VALUES, NONZERO)) for name in names)


def test_a_packed_run_goes_on_to_the_same_numbers(both, images_file, tmp_path):
    class Stops(Reporter):
        def level_started(self, level, step, shape):
            if level.number == 2:
                raise KeyboardInterrupt

    wanted = experiment(images_file, {"threads": 1, "weights": "packed"})
    with pytest.raises(KeyboardInterrupt):
        run(wanted, out=tmp_path, reporter=Stops())
    resumed = run(wanted, out=tmp_path)
    for level in resumed.levels:
        file = "weights.safetensors"
        assert (resumed.level_path(level) / file).read_bytes() == (
            both[1].level_path(level) / file
        ).read_bytes()


def test_only_large_networks_are_packed_unless_told():
    assert is_packed("auto", 5_000_000)
    assert not is_packed("auto", 4_999_999)
    assert is_packed("packed", 1)
    assert not is_packed("whole", 10**9)


def test_what_packing_would_enlarge_stays_as_it_is():
    rng = np.random.default_rng(0)
    full = rng.normal(size=(16, 16)).astype(np.float32)
    sparse = np.where(rng.random((16, 16)) < 0.3, full, np.float32(0))
    sparse[0, 0] = -0.0
    found, shapes = packed({"a": full, "b": sparse, "c": np.zeros(5, np.float32)})
    assert shapes == {"b": "16x16"}
    assert set(found) == {"a", "b" + VALUES, "b" + NONZERO, "c"}
    assert (
        sum(array.nbytes for array in found.values())
        == 4 * 256 + packed_bytes(256, np.count_nonzero(sparse)) + 4 * 5
    )


@pytest.fixture
def file(both, tmp_path):
    """A file of packed weights that may be changed, and the run that it is of."""
    path = shutil.copytree(both[1].path, tmp_path / "copy")
    return Run(path), Run(path).level_path(2) / "weights.safetensors"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays, notes: arrays.update({f"layer1.weight{VALUES}": np.zeros(3, np.float32)}), "a number for each"),
        (lambda arrays, notes: arrays.pop(f"layer1.weight{VALUES}"), "a number for each"),
        (
            lambda arrays, notes: arrays.update({f"layer1.weight{NONZERO}": np.zeros(3, np.uint8)}),
            "a bit for each of 60x108",
        ),
        (lambda arrays, notes: notes.update({"layer1.weight": "60x0"}), "shape of layer1.weight is '60x0'"),
        (lambda arrays, notes: notes.pop("layer1.weight"), "shape of layer1.weight is ''"),
        (lambda arrays, notes: arrays.pop(f"layer1.weight{NONZERO}"), "where the run has models of 3 layers"),
        (
            lambda arrays, notes: arrays.update(
                {f"layer1.weight{VALUES}": np.full_like(arrays[f"layer1.weight{VALUES}"], np.nan)}
            ),
            "not finite",
        ),
    ],
)  # fmt: skip
def test_damage_is_refused_in_one_line(file, change, words):
    of, path = file
    arrays, notes = read_arrays(path)
    change(arrays, notes)
    write_arrays(path, arrays, notes)
    with pytest.raises(InputError) as refused:
        of.model(2)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_the_memory_does_not_hold_is_refused_before_it_is_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(prunescope.memory, "available_memory", lambda: 10**9)
    arrays = {"w" + NONZERO: np.zeros(20_000 * 20_000 // 8, np.uint8), "w" + VALUES: np.zeros(0, np.float32)}
    with pytest.raises(InputError, match="its weights would take"):
        unpacked(tmp_path / "file", arrays, {"w": "20000x20000"})
