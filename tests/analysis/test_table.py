"""prunescope.analysis.tables and the verb ``table``: run with `pytest tests/analysis/test_table.py`."""

import json
import shutil

import polars
import pytest

import prunescope as ps
import tiny
from prunescope.analysis import find_runs
from prunescope.cli import main
from prunescope.errors import InputError
from prunescope.experiment import field_names
from prunescope.pruning.running import run
from prunescope.runs.directory import Run
from prunescope.runs.reporting import Reporter


@pytest.fixture(scope="module")
def folder(images_file, tmp_path_factory):
    """Return the folder of two finished runs of two experiments and of one that was stopped at level 1."""
    out = tmp_path_factory.mktemp("runs")
    root = {"root": str(images_file)}
    run(tiny.experiment(data=root), seed=0, out=out)
    run(tiny.experiment("deep/er", data=root, prune={"levels": 1, "density": 0.25}), seed=1, out=out)

    class Stops(Reporter):
        def level_started(self, level, step, shape):
            if level.number == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny.experiment(data=root), seed=2, out=out, reporter=Stops())
    return out


def test_a_row_for_each_run_level_and_layer(folder):
    table = ps.table(folder)
    found = table.select("name", "seed", "status", "level", "layer").rows()
    wanted = [("deep/er", 1, "done", n, layer) for n in range(2) for layer in (1, 2)]
    wanted += [("tiny", 0, "done", n, layer) for n in range(4) for layer in (1, 2)]
    wanted += [("tiny", 2, "interrupted", 0, layer) for layer in (1, 2)]
    assert found == wanted


def test_the_numbers_are_those_of_the_runs(folder):
    table = ps.table(folder)
    for about in folder.rglob("run.json"):
        stored = Run(about.parent)
        rows = table.filter(path=str(stored.path))
        assert rows.select(stored.table.columns).equals(stored.table)
        assert set(rows["identity"]) == {stored.experiment.identity}


def test_every_field_is_a_column_under_its_dotted_name(folder):
    table = ps.table(folder)
    assert set(field_names()) <= set(table.columns)
    deeper = table.filter(name="deep/er").row(0, named=True)
    assert (deeper["prune.levels"], deeper["train.lr"], deeper["data.flip"]) == (1, 0.1, False)
    assert (deeper["prune.density"], json.loads(deeper["network.hidden"])) == ("0.25", [12, 10])
    assert deeper["prune.early_bird"] is None
    schema = table.schema
    assert schema["prune.early_bird"] == schema["train.lr"] == polars.Float64
    assert schema["prune.update_every"] == schema["seed"] == polars.Int64
    assert schema["prune.method"] == schema["prune.density"] == polars.String
    assert schema["prune.rewind"] == polars.Boolean


def test_columns_that_some_runs_have_not_are_null(folder, tmp_path):
    from prunescope.runs.columns import schema
    from prunescope.runs.writer import RunWriter

    shutil.copytree(folder, tmp_path / "runs")
    [older] = (tmp_path / "runs" / "deep").glob("*/seed-1")
    writer = RunWriter(older)
    schema = {name: kind for name, kind in schema().items() if name != "locality_z"}
    writer.write_table(writer.table.drop("locality_z").to_dicts(), schema)
    table = ps.table(tmp_path / "runs")
    assert table.filter(name="deep/er")["locality_z"].is_null().all()
    assert not table.filter(name="tiny", layer=1, level=3)["locality_z"].is_null().any()
    assert table.height == ps.table(folder).height


def test_a_run_is_found_once_and_alone(folder):
    [path] = folder.glob("tiny-*/seed-0")
    assert [found.path for found in find_runs([path, path, path.parent / "seed-0"]).runs] == [path]
    assert ps.table(path)["level"].n_unique() == 4


def test_damaged_runs_are_left_out_and_named(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "runs")
    [damaged] = (tmp_path / "runs").glob("tiny-*/seed-0")
    [stopped] = (tmp_path / "runs").glob("tiny-*/seed-2")
    (damaged / "levels.parquet").write_bytes(b"x")
    (stopped / "run.json").write_text("{")
    with pytest.raises(SystemExit) as left:
        main(["table", str(tmp_path / "runs")])
    stdout, stderr = capsys.readouterr()
    assert left.value.code == 0
    assert stdout == f"{tmp_path / 'runs' / 'runs.parquet'}\n"
    assert f"{damaged}" in stderr
    assert f"{stopped}" in stderr
    assert stderr.count("left out") == 2
    assert set(polars.read_parquet(tmp_path / "runs" / "runs.parquet")["name"]) == {"deep/er"}


def test_the_verb_writes_where_it_is_told_and_names_unfinished_runs(folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["table", str(folder), "--out", str(tmp_path / "new" / "all.parquet")])
    stdout, stderr = capsys.readouterr()
    assert (left.value.code, stdout) == (0, f"{tmp_path / 'new' / 'all.parquet'}\n")
    assert "seed-2: interrupted, its finished levels are in the table" in stderr
    assert "14 rows of 3 runs" in stderr
    assert polars.read_parquet(tmp_path / "new" / "all.parquet").equals(ps.table(folder))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["EMPTY"], "no run directory there or below"), (["RUNS", "--out", "x.csv"], "written as .parquet")],
)
def test_wrong_input_is_one_line(folder, tmp_path, capsys, arguments, message):
    places = {"EMPTY": str(tmp_path), "RUNS": str(folder)}
    with pytest.raises(SystemExit) as left:
        main(["table", *(places.get(argument, argument) for argument in arguments)])
    assert left.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_runs_without_a_level_make_no_table(tmp_path, small_run):
    class Stops(Reporter):
        def level_started(self, level, step, shape):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(small_run(), out=tmp_path, reporter=Stops())
    found = find_runs([tmp_path])
    assert (found.runs, list(found.problems.values())) == ([], ["no level is finished yet"])
    with pytest.raises(InputError, match="nothing to tabulate"):
        ps.table(tmp_path)


def test_a_seed_that_is_there_twice_is_taken_once_and_said(images_file, tmp_path, capsys):
    experiment = tiny.experiment(data={"root": str(images_file)}, prune={"levels": 1})
    first = run(experiment, seed=0, out=tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")  # the same run, copied
    [copied] = (tmp_path / "b").glob("*/seed-0")
    with pytest.raises(SystemExit) as ended:
        main(["table", str(tmp_path)])
    assert ended.value.code == 0
    said = capsys.readouterr().err
    assert f"prunescope: {copied}: seed 0 is there twice; {first.path} is taken\n" in said
    assert "4 rows of 1 run\n" in said
    table = polars.read_parquet(tmp_path / "runs.parquet")
    assert table.select("path", "level", "layer").rows() == [
        (str(first.path), level, layer) for level in range(2) for layer in (1, 2)
    ]
    with pytest.warns(UserWarning, match=r"seed 0 is there twice"):
        assert ps.table(tmp_path / "a", tmp_path / "b").equals(table)
