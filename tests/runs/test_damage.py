"""Runs whose files are damaged, or another run's: run with `pytest tests/runs/test_damage.py`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars
import pytest

from prunescope.errors import InputError
from prunescope.runs.arrays import HEADER_LIMIT, read_arrays, write_arrays
from prunescope.runs.directory import Run, sha256
from prunescope.sweep.planning import _state
from stored_runs import write_run

SIZES = {"shape": (1, 6, 6), "hidden": (8, 6), "levels": 3}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of one experiment."""
    out = tmp_path_factory.mktemp("runs")
    return [write_run(out, seed=seed, **SIZES).path for seed in (0, 1)]


@pytest.fixture
def path(runs, tmp_path):
    """A copy of the first."""
    return Path(shutil.copytree(runs[0], tmp_path / "copy"))


def read_all(path):
    """Read everything that a run has."""
    run = Run(path)
    run.check()
    for level in run.levels:
        run.ticket(level), run.model(level), run.observations(level)
    return run.metrics


def refusal(path):
    """The line that reading is refused with."""
    with pytest.raises(InputError) as found:
        read_all(path)
    assert "\n" not in str(found.value)
    return str(found.value)


def test_a_copy_by_another_name_is_read(path):
    assert len(read_all(path)) == 12


WRONG = {
    "seed": ["x", [1], 1.5, -1, True, None, 2**63],
    "status": [1, None, ""],
    "data": [[], 1, {"shape": [1, 2]}, {"shape": [0, 1, 1]}, {"classes": [1]}, {"notes": "x"}],
    "tables": [1, "x", [1]],
    "threads": ["x", 0, 1.5],
    "engine": [["torch"]],
    "ended": [5],
    "versions": [{"torch": 1}],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_entry_of_the_description_is_named(path, name, value):
    about = json.loads((path / "run.json").read_text()) | {name: value}
    (path / "run.json").write_text(json.dumps(about))
    assert refusal(path).startswith(f"{path / 'run.json'}: damaged ({name}")


def test_numbers_beyond_json_and_deep_nests_are_refused(path):
    whole = (path / "run.json").read_text()
    for text in (whole.replace('"seed": 0', '"seed": 1e400'), "[" * 100_000, "1" * 5000):
        (path / "run.json").write_text(text)
        assert "run.json: damaged" in refusal(path)


def store_table(path, table):
    """Put a table in place of a run's, with its checksum."""
    table.write_parquet(path / "levels.parquet")
    about = json.loads((path / "run.json").read_text())
    about["tables"] = [sha256((path / "levels.parquet").read_bytes())]
    (path / "run.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop("nominal_density"), "no column nominal_density"),
        (lambda t: t.head(0), "no rows"),
        (lambda t: polars.concat([t, t]), "two rows of one level and layer"),
        (lambda t: t.head(1).vstack(t.tail(2)), "3 rows of 2 levels with 2 layers each"),
        (lambda t: t.with_columns(level=polars.col("level") * 10**9), "level is 1000000000"),
        (lambda t: t.with_columns(level=polars.col("level") - 1), "level is -1"),
        (lambda t: t.with_columns(layer=polars.lit("x")), "column 'layer' holds String"),
        (lambda t: t.with_columns(best_val_accuracy=polars.lit(float("nan"))), "best_val_accuracy is nan"),
        (lambda t: t.with_columns(locality=polars.lit(1e308)), "locality is 1e+308"),
        (
            lambda t: t.with_columns(nominal_density=polars.lit(None, polars.Float64)),
            "nominal_density is None",
        ),
        (lambda t: t.with_columns(more=polars.lit(b"x")), "column 'more' holds Binary"),
    ],
)
def test_a_wrong_table_is_refused(path, change, said):
    store_table(path, change(Run(path).table))
    assert refusal(path) == f"{path / 'levels.parquet'}: damaged ({said})"


@pytest.mark.parametrize(
    "line", ["[]", "1", "{}", '{"level": "x", "step": 1}', '{"level": 0, "step": 1, "val_loss": []}']
)
def test_a_wrong_evaluation_is_refused(path, line):
    text = (path / "metrics.jsonl").read_text()
    (path / "metrics.jsonl").write_text(f"{line}\n{text}")
    assert refusal(path).startswith(f"{path / 'metrics.jsonl'}: damaged (line 1")


def stored(path, name, change):
    """Change the arrays and the metadata of a file of level 1."""
    file = path / "level-001" / f"{name}.safetensors"
    arrays, notes = read_arrays(file)
    write_arrays(file, *change(arrays, notes))
    return file


@pytest.mark.parametrize("shape", ["2x²", "10x10x10", "", "0x5", "9999999999x9999999999", "6x48", "١x٢"])
def test_a_wrong_shape_of_a_mask_is_refused(path, shape):
    file = stored(path, "masks", lambda arrays, notes: (arrays, notes | {"layer1.weight_mask": shape}))
    assert refusal(path).startswith(f"{file}: damaged (")


@pytest.mark.parametrize("name", ["masks", "weights", "observations"])
@pytest.mark.parametrize("change", [lambda a: a[:-1], lambda a: a.astype(np.complex64), lambda a: a[None]])
def test_arrays_of_other_types_and_sizes_are_refused(path, name, change):
    for array in read_arrays(path / "level-001" / f"{name}.safetensors")[0]:
        copy = Path(shutil.copytree(path, path.with_name("again")))
        file = stored(
            copy, name, lambda arrays, notes, array=array: (arrays | {array: change(arrays[array])}, notes)
        )
        assert refusal(copy).startswith(f"{file}: damaged ("), array
        shutil.rmtree(copy)


def test_what_is_asked_for_and_missing_is_named(path):
    file = stored(path, "observations", lambda arrays, notes: ({}, notes))
    with pytest.raises(InputError, match=r"damaged \(no array nodes\)") as found:
        _ = Run(path).observations(1)["nodes"]
    assert str(found.value).startswith(str(file))


FILES = ("run.json", "experiment.toml", "levels.parquet", "metrics.jsonl", "level-001/masks.safetensors")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_refused_at_once(path, name, make):
    (path / name).unlink()
    make(path / name)
    assert str(path) in refusal(path)


def test_absurd_sizes_are_refused_before_they_are_read(path):
    file = path / "level-001" / "masks.safetensors"
    whole = file.read_bytes()
    file.write_bytes((HEADER_LIMIT + 1).to_bytes(8, "little") + whole[8:])
    assert "its header would have 10,000,001 bytes" in refusal(path)
    file.write_bytes(whole)
    os.truncate(file, 10**13)  # It has no blocks on the disk.
    assert "would take 10,000.0 GB of memory" in refusal(path)
    os.truncate(path / "levels.parquet", 10**13)
    assert "levels.parquet: damaged (more than 100 MB)" in refusal(path)


# --- whose a file is ---

ARRAYS = [f"level-001/{name}.safetensors" for name in ("masks", "weights", "observations")]


@pytest.mark.parametrize("name", [*ARRAYS, "metrics.jsonl"])
def test_a_file_of_another_seed_is_refused(runs, path, name):
    shutil.copy(runs[1] / name, path / name)
    identity = Run(path).owner.identity
    said = refusal(path)
    assert said.startswith(f"{path / name}: belongs to identity {identity}, seed 1")
    assert f"not here, to identity {identity}, seed 0" in said


@pytest.mark.parametrize("name", ARRAYS)
def test_a_file_of_another_level_is_refused(path, name):
    shutil.copy(path / name.replace("001", "002"), path / name)
    assert refusal(path).startswith(f"{path / name}: belongs to identity ")


@pytest.mark.parametrize("name", ["run.json", "levels.parquet"])
def test_a_description_or_a_table_of_another_seed_is_refused(runs, path, name):
    shutil.copy(runs[1] / name, path / name)
    assert refusal(path).startswith(str(path))


def test_a_rewind_point_and_weights_are_not_taken_for_each_other(path):
    shutil.copy(path / "level-001" / "weights.safetensors", path / "rewind.safetensors")
    with pytest.raises(InputError, match=r"rewind\.safetensors: belongs to .* level 1, and not here"):
        Run(path).read_rewind()


def test_files_that_do_not_say_whose_they_are_are_read_with_one_line(path, capsys):
    for file in path.rglob("*.safetensors"):
        arrays, notes = read_arrays(file)
        write_arrays(file, arrays, {k: v for k, v in notes.items() if k not in ("identity", "seed", "level")})
    for _ in range(2):
        read_all(path)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"prunescope: {path}: an earlier version wrote its files")


# --- the same bytes ---

PROGRAM = """
import sys
sys.path[:0] = [{tests!r}]
import tiny
from pathlib import Path
from prunescope.pruning.running import run
print(run(tiny.experiment(data={{"root": {data!r}}}), seed=3, out={out!r}).path)
"""


def test_two_runs_in_two_processes_leave_the_same_bytes(finished_run, images_file, tmp_path):
    program = PROGRAM.format(tests=str(Path(__file__).parents[1]), data=str(images_file), out=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    other = Path(done.stdout.strip())
    names, same = (
        {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
        for path in (other, finished_run.path)
    )
    assert names == {
        name for name in same if not name.startswith(".track-")
    }  # Trackers lock a run that they send.
    for name in sorted(names - {"run.json", "levels.parquet"}):
        assert (other / name).read_bytes() == (finished_run.path / name).read_bytes(), name
    assert Run(other).table.drop("seconds").equals(finished_run.table.drop("seconds"))


def test_a_damaged_run_is_planned_as_failed_and_does_not_end_a_sweep(path, capsys):
    (path / "run.json").write_text("{")
    assert _state(path) == ("failed", 0)
    assert capsys.readouterr().err == f"prunescope: {path / 'run.json'}: damaged (not JSON)\n"
