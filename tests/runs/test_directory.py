"""prunescope.runs.directory and prunescope.runs.arrays: run with `pytest tests/runs/test_directory.py`."""

import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tiny
from prunescope.errors import InputError
from prunescope.files import replacing, write_text
from prunescope.mask import Mask
from prunescope.model import Ticket, initial
from prunescope.pruning.running import run
from prunescope.runs.arrays import read_arrays, write_arrays
from prunescope.runs.checkpoint import Checkpoint
from prunescope.runs.directory import Run, is_done, is_in_use
from prunescope.runs.writer import open_run, run_path
from prunescope.training.loop import Progress
from prunescope.training.state import EngineState

SIZES = (20, 9, 7, 3)


def random_ticket(seed=0):
    rng = np.random.default_rng(seed)
    return Ticket(
        (Mask(rng.random((9, 20)) < 0.3), Mask(rng.random((7, 9)) < 0.3)),
        (rng.random(9) < 0.5, rng.random(7) < 0.5),
    )


@pytest.fixture
def writer(tmp_path):
    with open_run(tiny.experiment(network={"hidden": SIZES[1:-1]}), 0, tmp_path) as run:
        yield run


NAMED = st.dictionaries(
    st.text("abc.", min_size=1, max_size=5),
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.uint8, np.int64, np.bool_]),
        arrays.array_shapes(min_dims=0, min_side=0),
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(NAMED)
def test_arrays_come_back_as_they_went(tmp_path, named):
    write_arrays(tmp_path / "a.safetensors", named, {"note": "2x3"})
    found, notes = read_arrays(tmp_path / "a.safetensors")
    assert notes == {"note": "2x3"}
    assert found.keys() == named.keys()
    for name, array in named.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def fail(error, _done):
    """Raise, after what stands in the second place is done."""
    raise error


def attempt(path):
    try:
        return read_arrays(path)
    except InputError as error:
        return error


def test_any_flipped_byte_and_any_missing_tail_is_noticed(tmp_path):
    path = tmp_path / "a.safetensors"
    write_arrays(path, {"w": np.arange(6, dtype=np.float32), "b": np.ones(3, bool)}, {"level": "1"})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        read = attempt(path)
        if isinstance(read, InputError):
            assert "damaged" in str(read)
            assert "\n" not in str(read)
        else:  # a blank of the header: nothing that was stored
            assert read[1] == {"level": "1"}
            np.testing.assert_array_equal(read[0]["w"], np.arange(6))
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="damaged"):
            read_arrays(path)


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "run.json"
    write_text(path, "old")
    with pytest.raises(OSError, match="full"), replacing(path) as temporary:
        fail(OSError("full"), temporary.write_text("half of the n"))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.json"]
    write_text(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_what_a_level_wrote_is_read_back(writer):
    ticket, model = random_ticket(), initial(SIZES, "before", 0)
    writer.write_level(4, ticket, model, {"nodes": np.arange(3)})
    writer.write_rewind(model)
    assert writer.ticket(4) == ticket
    for found in (writer.model(4), writer.read_rewind()):
        for name, array in found.to_arrays().items():
            np.testing.assert_array_equal(array, model.to_arrays()[name])
    np.testing.assert_array_equal(writer.observations(4)["nodes"], [0, 1, 2])
    assert writer.levels == []  # until the table has its rows


def test_masks_are_bit_packed_with_their_shape_beside(writer):
    writer.write_level(0, random_ticket(), initial(SIZES, "before", 0), {})
    found, notes = read_arrays(writer.level_path(0) / "masks.safetensors")
    assert found["layer1.weight_mask"].dtype == np.uint8
    assert found["layer1.weight_mask"].size == -(-9 * 20 // 8)
    assert notes["layer1.weight_mask"] == "9x20"


def test_a_checkpoint_belongs_to_its_level(writer):
    assert writer.read_checkpoint(0) is None
    state = EngineState(initial(SIZES, "before", 0), random_ticket(), steps=5)
    writer.write_checkpoint(2, Checkpoint(Progress(step=5), state, 1.5))
    assert writer.read_checkpoint(1) is None
    found = writer.read_checkpoint(2)
    assert (found.progress, found.engine.steps, found.seconds) == (Progress(step=5), 5, 1.5)
    writer.drop_checkpoint()
    assert writer.read_checkpoint(2) is None


def test_evaluations_after_the_checkpoint_are_dropped_and_half_lines_too(writer):
    for level, step in [(0, 10), (0, 20), (1, 10), (1, 20), (1, 30)]:
        writer.append_metrics({"level": level, "step": step, "val_accuracy": 0.1 + step})
    with (writer.path / "metrics.jsonl").open("a") as file:
        file.write('{"level": 1, "st')
    assert len(writer.metrics) == 5
    writer.truncate_metrics(1, 20)
    assert [(m["level"], m["step"]) for m in writer.metrics] == [(0, 10), (0, 20), (1, 10), (1, 20)]
    assert (writer.path / "metrics.jsonl").read_text().endswith("}\n")
    writer.truncate_metrics(1, 0)
    assert [(m["level"], m["step"]) for m in writer.metrics] == [(0, 10), (0, 20)]


def test_a_directory_is_of_one_experiment_and_one_seed(tmp_path):
    first, other = tiny.experiment(), tiny.experiment(train={"lr": 0.2})
    assert run_path(first, 0, tmp_path) != run_path(other, 0, tmp_path) != run_path(other, 1, tmp_path)
    assert run_path(first, 7, tmp_path) == tmp_path / f"tiny-{first.identity}" / "seed-7"
    with open_run(first, 0, tmp_path) as run:
        run.write_about(levels=1)
    path = run_path(first, 0, tmp_path)
    (path / "experiment.toml").write_text(other.to_toml())
    with (
        pytest.raises(
            InputError, match=rf"holds another run \(identity {other.identity}.*choose another --out"
        ),
        open_run(first, 0, tmp_path),
    ):
        pass
    assert (path / "experiment.toml").read_text() == other.to_toml()
    (path / "experiment.toml").write_text(first.to_toml())
    (path / "run.json").write_text(json.dumps({"name": "tiny", "identity": "x", "seed": 3, "status": "done"}))
    with pytest.raises(InputError, match="seed 3"), open_run(first, 0, tmp_path):
        pass


def test_what_killed_writers_left_is_removed(tmp_path):
    with open_run(tiny.experiment(), 0, tmp_path) as run:
        run.write_level(0, random_ticket(), initial(SIZES, "before", 0), {})
        files = sorted(f.name for f in run.path.rglob("*"))
        for place in (
            run.path / ".checkpoint.safetensors.ab12_x90.tmp",
            run.level_path(0) / ".weights.0123abcd.tmp",
        ):
            place.write_text("half")
    with open_run(tiny.experiment(), 0, tmp_path) as run:
        assert sorted(f.name for f in run.path.rglob("*")) == files


def test_a_directory_is_in_use_while_its_writer_lives(tmp_path):
    path = run_path(tiny.experiment(), 0, tmp_path)
    assert not is_in_use(path)
    with open_run(tiny.experiment(), 0, tmp_path):
        assert is_in_use(path)
    assert not is_in_use(path)


def test_a_second_writer_is_refused(tmp_path):
    with open_run(tiny.experiment(), 0, tmp_path):
        second = open_run(tiny.experiment(), 0, tmp_path)
        with pytest.raises(InputError, match="another process is running this"), second:
            pass
        with open_run(tiny.experiment(), 1, tmp_path):
            pass
    with open_run(tiny.experiment(), 0, tmp_path):
        pass


def test_bad_input_at_the_start_leaves_no_directory_and_later_all_of_it(tmp_path):
    out = tmp_path / "runs"
    experiment = tiny.experiment(name="group/tiny")
    path = run_path(experiment, 0, out)
    with pytest.raises(InputError, match="no data"), open_run(experiment, 0, out):
        raise InputError("no data")
    assert list(out.iterdir()) == []
    with open_run(experiment, 1, out):
        pass
    with pytest.raises(InputError, match="no data"), open_run(experiment, 0, out):
        raise InputError("no data")
    assert [p.name for p in path.parent.iterdir()] == ["seed-1"]
    with pytest.raises(InputError, match="late"), open_run(experiment, 0, out) as run:
        fail(InputError("late"), run.append_metrics({"level": 0, "step": 1}))
    assert (path / "run.json").is_file()
    with pytest.raises(InputError, match="again"), open_run(experiment, 1, out):
        raise InputError("again")
    assert (run_path(experiment, 1, out) / "run.json").is_file()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a run directory"):
        Run(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"name": "x"}'])
def test_a_damaged_description_is_refused(writer, text):
    (writer.path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json: damaged"):
        _ = writer.status


def test_damaged_metrics_are_refused(writer):
    (writer.path / "metrics.jsonl").write_text('{"level": 0}\nrubbish\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl: damaged"):
        _ = writer.metrics


KINDS = {"level": polars.Int64, "layer": polars.Int64}
KINDS |= dict.fromkeys(("nominal_density", "best_val_accuracy", "seconds"), polars.Float64)


def table_row(level, layer, **more):
    """A row of levels.parquet with what every table has."""
    return {"level": level, "layer": layer, "nominal_density": 0.7**level, "best_val_accuracy": 0.5} | more


ROWS = [table_row(level, layer, seconds=0.5) for level in range(2) for layer in (1, 2)]


def test_a_table_is_read_once_and_again_when_another_stands_in_its_place(writer, monkeypatch):
    read = []
    of_polars = polars.read_parquet
    monkeypatch.setattr(polars, "read_parquet", lambda file: read.append(file) or of_polars(file))
    writer.write_table(ROWS[:2], KINDS)
    reader = Run(writer.path)
    ticket, model = random_ticket(), initial(SIZES, "before", 0)
    for level in range(2):
        writer.write_level(level, ticket, model, {})
    assert [reader.mask(0, layer) == ticket.masks[layer - 1] for layer in (1, 2)] == [True, True]
    with pytest.raises(InputError, match=r"no level 1; finished levels are \[0\]"):
        reader.mask(1)
    assert len(read) == 1
    writer.write_table(ROWS, KINDS)
    assert reader.levels == [0, 1]
    assert reader.mask(1) == ticket.masks[0]
    assert reader.table.to_dicts() == ROWS
    assert len(read) == 2


def test_as_many_bytes_in_a_table_that_was_written_anew_are_read_too(writer):
    reader, other = Run(writer.path), [row | {"seconds": 0.25} for row in ROWS]
    sizes = []
    for rows in (ROWS, other, ROWS):
        writer.write_table(rows, KINDS)
        os.utime(writer.path / "levels.parquet", ns=(1, 1))
        sizes.append((writer.path / "levels.parquet").stat().st_size)
        assert reader.table.to_dicts() == rows
    assert len(set(sizes)) == 1


def test_what_one_does_to_a_table_the_next_does_not_see(writer):
    writer.write_table(ROWS, KINDS)
    writer.table.insert_column(0, polars.Series("mine", [1, 2, 3, 4]))
    assert writer.table.columns == list(KINDS)


def test_a_damaged_table_is_refused(writer):
    writer.write_table([table_row(n, 1, seconds=0.7**n) for n in range(40)], KINDS)
    assert writer.levels == list(range(40))
    path = writer.path / "levels.parquet"
    whole = path.read_bytes()
    for size in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"levels\.parquet: damaged"):
            _ = writer.levels
    for place in range(0, len(whole), 7):  # some flips would make polars abort the process
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"levels\.parquet: damaged"):
            _ = writer.levels


def test_a_table_written_elsewhere_needs_its_columns(writer):
    polars.DataFrame({"a": [1]}).write_parquet(writer.path / "levels.parquet")
    with pytest.raises(InputError, match="no column level"):
        _ = writer.levels
    (writer.path / "levels.parquet").write_text("not a table")
    with pytest.raises(InputError, match=r"levels\.parquet: damaged"):
        _ = writer.levels


def test_a_crash_before_the_new_table_is_in_place_leaves_the_old_one_good(writer, monkeypatch):
    writer.write_table([table_row(0, 1)], KINDS)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", lambda *_: (_ for _ in ()).throw(OSError("full")))
        for _ in range(2):
            with pytest.raises(OSError, match="full"):
                writer.write_table([table_row(n, 1) for n in range(2)], KINDS)
    assert writer.levels == [0]
    writer.write_table([table_row(n, 1) for n in range(3)], KINDS)
    assert writer.levels == [0, 1, 2]


def test_levels_and_layers_that_are_not_there_are_named(finished_run):
    with pytest.raises(InputError, match=r"no level 9; finished levels are \[0, 1, 2, 3\]"):
        finished_run.mask(9)
    with pytest.raises(InputError, match="no layer 3; hidden layers are 1 to 2"):
        finished_run.mask(0, 3)
    assert finished_run.mask(np.int64(2)) == finished_run.mask(2)
    for level in (True, 1.0, "1", [1]):
        with pytest.raises(InputError, match=r"level is .*: give a whole number; finished levels are"):
            finished_run.torch(level)
    assert finished_run.mask(2, 2).array.shape == (10, 12)


def test_a_table_that_was_deleted_is_not_taken_for_a_run_without_a_level(finished_run, tmp_path):
    path = Path(shutil.copytree(finished_run.path, tmp_path / "seed-3"))
    (path / "levels.parquet").unlink()
    run = Run(path)
    for read in (lambda: run.table, lambda: run.levels, lambda: run.mask(1), lambda: is_done(path)):
        with pytest.raises(
            InputError, match=r"levels\.parquet: missing, but the run has finished levels: restore"
        ):
            read()


def test_a_table_that_was_about_to_be_written_is_not_missed(writer):
    writer.write_about(tables=["0" * 64])
    assert writer.levels == []
    assert not is_done(writer.path)


def test_run_json_is_parsed_once_and_again_when_it_is_replaced(writer, monkeypatch):
    from prunescope.runs import directory

    read = []
    monkeypatch.setattr(
        directory, "read_record", lambda path, real=directory.read_record: read.append(path) or real(path)
    )
    run = Run(writer.path)
    path = run.path / "run.json"
    assert [run.seed, run.status, run.owner.seed] == [
        json.loads(path.read_text())["seed"],
        "running",
        run.seed,
    ]
    assert len(read) == 1
    write_text(path, path.read_text().replace('"running"', '"interrupted"'))
    assert run.status == "interrupted"
    assert len(read) == 2
    path.write_text("[]")
    with pytest.raises(InputError, match="damaged"):
        _ = run.status


@pytest.mark.parametrize("seed", ["1", 1.5, True, None])
def test_a_seed_that_is_no_whole_number_is_refused_before_anything_is_written(seed, small_run, tmp_path):
    with pytest.raises(InputError, match=r"seed is .*; it must be a whole number of at least 0"):
        run_path(small_run(), seed, tmp_path)


def test_a_seed_may_be_a_whole_number_of_numpy(small_run, tmp_path):
    made = run(small_run(prune={"levels": 0}), seed=np.int64(4), out=tmp_path)
    assert (type(made.seed), made.seed) == (int, 4)
