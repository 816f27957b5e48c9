"""prunescope.cli: run with `pytest tests/cli/test_cli.py`."""

import json
import subprocess
import sys

import numpy as np
import polars
import pytest

import tiny
from prunescope.cli import main
from prunescope.data import prepare
from prunescope.experiment import Data, field_names, preset_names
from prunescope.pruning.running import run
from prunescope.runs.directory import Run
from stored_runs import write_run


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from prunescope.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as left: assert left.code == 0\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *shown, loaded = done.stdout.splitlines()
    heavy = {"torch", "polars", "matplotlib", "numpy", "scipy", "skimage", "sklearn", "pydantic", "pandas"}
    assert not heavy & set(loaded.split())
    for verb in ("run", "list", "show", "observe", "figure", "report", "bench", "data"):
        assert any(verb in line for line in shown)


@pytest.mark.parametrize("verb", ["run", "list", "show", "observe", "figure", "report", "bench"])
def test_every_verb_has_help(succeed, verb):
    assert f"prunescope {verb}" in succeed(verb, "--help")


@pytest.mark.parametrize("arguments", [[], ["data"]])
def test_without_a_verb_the_help_goes_to_stderr(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    stdout, stderr = capsys.readouterr()
    assert (left.value.code, stdout) == (2, "")
    assert stderr.startswith("Usage: prunescope ")
    assert "Commands:" in stderr


def test_run_prints_the_directory_last_and_is_idempotent(succeed, toml, tmp_path, capsys):
    command = ("run", toml, "train.steps=8", "train.eval_every=4", "--seed", "2", "--out", tmp_path / "runs")
    path = succeed(*command).splitlines()[-1]
    assert path.startswith(str(tmp_path / "runs" / "tiny-"))
    assert path.endswith("/seed-2")
    run = Run(path)
    assert run.status == "done"
    table = (run.path / "levels.parquet").read_bytes()
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in command])
    stdout, stderr = capsys.readouterr()
    assert left.value.code == 0
    assert stdout.splitlines() == [path]
    assert "done before; nothing to do" in stderr
    assert (run.path / "levels.parquet").read_bytes() == table


def test_progress_goes_to_stderr_as_plain_lines(toml, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["run", str(toml), "--out", str(tmp_path / "runs")])
    stdout, stderr = capsys.readouterr()
    assert len(stdout.splitlines()) == 1
    assert [line.split()[1] for line in stderr.splitlines() if line.startswith("level")] == ["0", "1"]
    assert "\x1b" not in stderr


@pytest.mark.usefixtures("little_is_measured")
@pytest.mark.parametrize("preset", preset_names())
def test_a_dry_run_plans_every_preset_and_writes_nothing(succeed, preset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    plan = succeed("run", preset, "--dry-run", "--seed", "4")
    for word in ("[train]", "steps = ", "identity ", "time ", "memory ", "disk ", f"{preset}-"):
        assert word in plan
    assert "/seed-4" in plan
    assert list(tmp_path.iterdir()) == []


def test_the_plan_of_the_papers_experiment_counts_its_steps(succeed, monkeypatch):
    monkeypatch.setattr("prunescope.runs.trials.steps.MEASURED_STEPS", 1)
    plan = succeed("run", "paper/main", "prune.levels=20", "--dry-run")
    assert "21, 2,100,000 steps in all" in plan
    weights = 3072 * 1024 + 1024 * 1024 * 2 + 1024 * 1000 + 3 * 1024 + 1000
    assert f"{weights:,}" in plan


def test_show_json_is_the_contract(succeed, finished_run):
    shown = json.loads(succeed("show", finished_run.path, "--json"))
    assert list(shown) == ["name", "identity", "seed", "status", "levels"]
    assert (shown["name"], shown["seed"], shown["status"]) == ("tiny", 3, "done")
    assert shown["identity"] == finished_run.experiment.identity
    assert [level["level"] for level in shown["levels"]] == [0, 1, 2, 3]
    rows = [row for level in shown["levels"] for row in level["layers"]]
    assert polars.DataFrame(rows, schema=finished_run.table.schema).equals(finished_run.table)


def test_show_prints_a_line_a_level(succeed, finished_run):
    heading, *lines = succeed("show", finished_run.path).splitlines()
    assert "tiny, seed 3, done" in heading
    assert [line.split()[:2] for line in lines] == [["level", str(n)] for n in range(4)]


def test_u_is_the_nominal_density_and_the_layers_own_has_its_name(succeed, small_run, tmp_path):
    """SNIP keeps 30 and 10 % of all hidden weights together, and of the first layer's another share."""
    path = run(small_run(prune={"method": "snip", "density": [0.3, 0.1], "levels": None}), out=tmp_path).path
    own = Run(path).table.filter(layer=1)["weight_density"].to_list()
    assert min(abs(share - u) for share, u in zip(own, (0.3, 0.1), strict=True)) > 0.002
    lines = succeed("show", path).splitlines()[1:]
    for line, u, share in zip(lines, (" 30.00 %", " 10.00 %"), own, strict=True):
        assert f"  u {u}  best" in line
        assert f"  layer 1: weight density {100 * share:6.2f} %, locality" in line
    rows = [row for level in json.loads(succeed("show", path, "--json"))["levels"] for row in level["layers"]]
    assert [row["nominal_density"] for row in rows] == [0.3, 0.3, 0.1, 0.1]
    [observed, *_] = succeed("observe", path).splitlines()
    assert observed.endswith(f"weight density {own[1]:.4g}; u of the level 0.1")


def test_list_shows_presets_and_figures(succeed):
    assert [line.split()[0] for line in succeed("list").splitlines()] == preset_names()
    fields = succeed("list", "--fields").splitlines()
    assert [line.split()[0] for line in fields] == field_names()
    [steps] = [line for line in fields if line.startswith("train.steps ")]
    assert steps.split(maxsplit=2)[1:] == ["100000", "a whole number of at least 1"]
    figures = {line.split()[0] for line in succeed("list", "--figures").splitlines()}
    assert {"1a", "1b", "1c", "2b", "3a", "3b", "10", "11", "12"} <= figures


def test_observe_measures_a_run_and_the_same_mask_in_a_file(succeed, finished_run, tmp_path):
    [from_run] = json.loads(succeed("observe", finished_run.path, "--level", "2", "--json"))
    assert from_run["mask"] == "level 2, layer 1"
    np.save(tmp_path / "mask.npy", finished_run.mask(2).array)
    [from_file] = json.loads(succeed("observe", tmp_path / "mask.npy", "--shape", "3x6x6", "--json"))
    assert from_file["scaled_participation"]["value"] is None  # a run knows its weights, a mask file none
    assert from_run["scaled_participation"]["value"] >= 1
    apart = {"mask": "", "scaled_participation": None}
    assert {**from_file, **apart} == {**from_run, **apart}
    row = finished_run.table.filter(level=2, layer=1).row(0, named=True)
    for name in ("locality", "anisotropy", "radius_of_gyration"):
        assert from_run[name]["value"] == row[name]
        assert from_run[name]["null_mean"] == row[f"{name}_null"]
    assert from_run["locality"]["null_sd"] == row["locality_null_sd"]
    assert from_run["locality"]["z"] == row["locality_z"]
    assert from_run["radius_of_gyration"]["shuffles"] == row["null_shuffles"] == 50
    assert from_run["density"] == row["weight_density"]
    packed = finished_run.level_path(2) / "masks.safetensors"
    first, second = json.loads(succeed("observe", packed, "--shape", "3x6x6", "--json"))
    assert first["locality"]["value"] == row["locality"]
    assert second["shape"] == [10, 12]
    assert (
        succeed("show", finished_run.path).splitlines()[0].endswith("; z from the exact sd of shuffled masks")
    )


def test_observe_says_how_many_shuffles_each_null_comes_from(succeed, finished_run):
    lines = succeed("observe", finished_run.path, "--level", "2").splitlines()
    assert lines[1].split() == ["value", "null", "sd", "z", "shuffles"]
    last = {line[:34].strip(): line.split()[-1] for line in lines[2:]}
    expected = {
        "fan in variance ratio": "exact",
        "locality": "exact",
        "half width": "-",
        "radius of gyration": "50",
        "scaled participation": "exact",
    }
    assert {name: last[name] for name in expected} == expected
    half_width = next(line for line in lines if "half width" in line).split()
    assert half_width[3:] == ["-", "-", "-", "-"]


def test_observe_takes_the_last_level_unless_told(succeed, finished_run):
    assert succeed("observe", finished_run.path).startswith("level 3, layer 1: 12 units, 108 inputs")
    assert succeed("observe", finished_run.path, "--layer", "2").startswith(
        "level 3, layer 2: 10 units, 12 inputs"
    )


def test_figure_draws_into_a_folder_and_prints_the_files(succeed, finished_run, tmp_path):
    drawn = succeed("figure", "1a", finished_run.path, "--out", tmp_path / "figures").splitlines()
    assert {line.rsplit(".", 1)[1] for line in drawn} >= {"pdf", "png"}
    assert all((tmp_path / "figures" / line.rsplit("/", 1)[1]).stat().st_size for line in drawn)


def test_data_is_prepared_shown_and_verified(succeed, toml, tmp_path):
    folder = succeed("data", "prepare", toml, "--out", tmp_path / "prepared").strip()
    assert "120" in succeed("data", "info", folder)
    assert json.loads(succeed("data", "info", folder, "--json"))
    assert "as prepared" in succeed("data", "verify", folder)


@pytest.mark.parametrize(
    ("geometry", "shape", "size", "rows"),
    [
        ("series", (2, 1, 24), "24 samples, 2 channels", "series"),
        ("none", (1, 1, 20), "20 features", "rows"),
    ],
)
def test_show_and_observe_name_series_and_features(succeed, tmp_path, geometry, shape, size, rows):
    changes = {"data": {"source": "npz", "root": "s.npz", "geometry": geometry, "size": 32}}
    path = str(write_run(tmp_path, shape=shape, levels=2, changes=changes).path)
    assert f"accuracies on 200 validation {rows}" in succeed("show", path)
    inputs = int(np.prod(shape))
    assert f"40 units, {inputs} inputs ({size}), weight density" in succeed("observe", path)
    assert "24 units, 40 inputs, weight density" in succeed("observe", path, "--layer", "2")


def test_data_info_names_series(succeed, tmp_path):
    values, labels = np.random.default_rng(0).normal(size=(20, 9)), np.arange(20) % 2
    np.savez(tmp_path / "s.npz", x_train=values, y_train=labels, x_test=values[:6], y_test=labels[:6])
    folder = prepare(Data(source="npz", root=str(tmp_path / "s.npz"), geometry="series"))
    lines = succeed("data", "info", str(folder)).splitlines()
    assert "inputs: 9 samples, 1 channel" in lines
    assert lines[lines.index("series:") + 1] == "  train: 20"
    facts = json.loads(succeed("data", "info", str(folder), "--json"))
    assert (facts["shape"], facts["images"]) == ([1, 1, 9], {"train": 20, "validation": 6})


def test_errors_of_the_machine_are_one_line_and_exit_1(toml, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["run", str(toml), "train.lr=1e30", "--out", str(tmp_path / "runs")])
    *_, line = capsys.readouterr().err.splitlines()
    assert left.value.code == 1
    assert line.startswith("prunescope: level 0, step 10: the training loss is nan; lower train.lr")


def test_the_python_face_is_the_same_run(small_run, finished_run):
    import prunescope as ps

    assert ps.load(finished_run.path).levels == [0, 1, 2, 3]
    assert ps.run(small_run(), seed=3, out=finished_run.path.parent.parent).path == finished_run.path
    assert ps.fan_in(ps.Mask.ones(2, 3)).tolist() == [3, 3]
    with pytest.raises(AttributeError, match="nothing"):
        _ = ps.nothing
    assert finished_run.shape == tiny.SHAPE


def test_the_version_is_printed(capsys):
    import prunescope
    from prunescope.cli.entry import run_command_line

    assert run_command_line(["--version"]) == 0
    assert capsys.readouterr().out == f"prunescope {prunescope.__version__}\n"
