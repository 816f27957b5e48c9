"""Every bad input ends in exit code 2 and one line that helps: run with `pytest tests/cli/test_bad_input.py`."""

import json
import os
import re
import shutil

import numpy as np
import pytest

import tiny
from prunescope.cli import main
from prunescope.runs.directory import Run


@pytest.fixture
def toml(small_run, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(small_run().to_toml())
    return path


@pytest.fixture
def copied(finished_run, tmp_path, toml):
    """A copy of the finished run that says it is not done, and the command that goes on with it."""
    out = tmp_path / "runs"
    shutil.copytree(finished_run.path.parent.parent, out)
    [path] = out.glob("*/seed-3")
    about = json.loads((path / "run.json").read_text()) | {"status": "interrupted"}
    (path / "run.json").write_text(json.dumps(about, indent=2) + "\n")
    return path, ("run", toml, "--seed", "3", "--out", out)


def contents(path):
    return {f: f.read_bytes() for f in path.rglob("*") if f.is_file() and f.name != ".lock"}


USAGE = {
    ("run",): "Missing argument 'EXPERIMENT'; see prunescope run --help",
    ("rum",): "No such command 'rum'",
    ("run", "quickstart", "--sed", "1"): "No such option: --sed",
    ("run", "quickstart", "--seed", "one"): "--seed",
    ("run", "quickstart", "--seed", "-1"): "seed is -1; it must be 0 or more",
    ("run", "quickstart", "--seed", "-1", "--dry-run"): "seed is -1; it must be 0 or more",
    ("run", "quickstart", "--seed", str(10**30)): "seed is 1e+30; it must be at most 9223372036854775807",
    ("run", "quickstart", "network.hidden=[1000000000]", "--dry-run"): "GB are available",
    ("figure", "masks", "--levels", "²"): "--levels is '²': give whole numbers",
    ("run", "quickstrat"): "unknown experiment 'quickstrat': did you mean 'quickstart'?",
    ("run", "quickstart", "train.step=3"): "unknown field 'train.step': did you mean 'train.steps'?",
    ("run", "quickstart", "train.steps=0"): "train.steps is 0: give a whole number of at least 1",
    ("run", "quickstart", "steps"): "'steps' is not key=value",
    (
        "run",
        "quickstart",
        "--train.steps=3",
    ): "No such option: --train.steps: fields have no dashes, write train.steps=VALUE",
    (
        "run",
        "quickstart",
        "network.hidden=[64,",
        "64]",
    ): "'network.hidden=[64,' is cut off: put a list with blanks in quotes",
    ("run", "quickstart", "prune.method=snpi"): "no pruning method 'snpi': did you mean 'snip'?",
    ("run", "quickstart", "prune.method=SNIP"): "no pruning method 'SNIP': did you mean 'snip'?",
    ("figure", "3A"): "unknown figure '3A': did you mean '3a'",
    ("run", "no/such.toml"): "no/such.toml: No such file",
    ("run", "cifar10"): "data.source=cifar10 needs data.root=FOLDER",
    ("run", "cifar10", "data.root=/no/such"): "data.root=/no/such: no such file or folder",
    ("run", "cifar10", "data.root=/no/such", "--dry-run"): "data.root=/no/such: no such file or folder",
    ("run", "cifar10", "--dry-run", "run.device=tpu9"): "run.device is 'tpu9'",
    ("show", "/no/such"): "/no/such: no such file or folder",
    ("observe", "/no/such.npy"): "/no/such.npy: no such file",
    ("report", "/no/such"): "/no/such: no such file or folder",
    ("figure", "1a", "/no/such"): "/no/such: no such file or folder",
    ("data", "info", "/no/such"): "/no/such",
}


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_wrong_usage_is_one_line_and_writes_nothing(refused, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert USAGE[arguments] in refused(*arguments)
    assert [f for f in tmp_path.rglob("*") if f.is_file() or f.name != "runs"] == []


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("run.device=tpu9", "run.device is 'tpu9': use cpu, cuda, or cuda:0"),
        ("run.device=gpu", "run.device is 'gpu': did you mean 'cuda'?"),
        ("run.device=hpu", "run.device is 'hpu': torch has no such device here; use cpu"),
        (
            "train.precision=tf32",
            "train.precision=tf32 needs an NVIDIA card; run.device is 'cpu': use float32 or bf16",
        ),
    ],
)
def test_a_device_that_is_not_there_is_refused_before_data_are_opened(
    refused, toml, tmp_path, override, said
):
    missing = f"data.root={tmp_path / 'no-such.npz'}"
    for more in ((), ("--dry-run",)):
        assert said in refused("run", toml, override, "--out", tmp_path / "runs", *more)
    assert said in refused("run", toml, override, missing, "--out", tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_bad_toml_is_refused(refused, toml):
    toml.write_text("[train\n")
    assert f"{toml}: not TOML" in refused("run", toml)


def test_a_folder_that_cannot_be_written_is_refused(refused, toml, tmp_path):
    (tmp_path / "file").write_text("")
    assert "choose another --out" in refused("run", toml, "--out", tmp_path / "file")
    assert "choose another --out" in refused("run", toml, "--out", "/proc/prunescope")


@pytest.mark.parametrize("train", [0, 1, 2])
def test_data_without_an_image_of_a_class_is_refused(refused, toml, tmp_path, train):
    path = tiny.write_images(tmp_path / "few.npz", train=train)
    assert str(path) in refused("run", toml, f"data.root={path}", "--out", tmp_path / "runs") or train
    assert list((tmp_path / "runs").iterdir()) == []


def test_data_without_validation_images_is_refused(refused, toml, tmp_path):
    path = tiny.write_images(tmp_path / "blind.npz", validation=0)
    assert "validation" in refused("run", toml, f"data.root={path}", "--out", tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_on_other_images_is_refused(refused, copied, tmp_path):
    path, command = copied
    before = contents(path)
    other = tiny.write_images(tmp_path / "other.npz", seed=9)
    assert re.search(
        r"was run on other images .*choose another --out",
        refused(*command, f"data.root={other}", "name=tiny"),
    )
    assert contents(path) == before


def test_a_directory_of_another_experiment_is_refused(refused, copied, small_run):
    path, command = copied
    (path / "experiment.toml").write_text(small_run(train={"lr": 0.3}).to_toml())
    before = contents(path)
    assert re.search(r"holds another run .*choose another --out", refused(*command))
    assert contents(path) == before


def damage(path, how):
    whole = path.read_bytes()
    if how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(whole[:-7] + bytes([whole[-7] ^ 1]) + whole[-6:])


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty"])
@pytest.mark.parametrize(
    "name",
    ["level-002/masks.safetensors", "level-001/weights.safetensors", "rewind.safetensors", "levels.parquet"],
)
def test_damaged_files_of_finished_levels_are_named(refused, copied, name, how):
    path, command = copied
    damage(path / name, how)
    assert re.search(rf"{name}: damaged", refused(*command))


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_is_named_and_deleting_it_helps(refused, copied, small_run, how, capsys):
    path, command = copied
    run = Run(path)
    [level] = [n for n in run.levels if n == 3]
    (path / "checkpoint.safetensors").write_bytes((path / "rewind.safetensors").read_bytes())
    table = run.table.filter(run.table["level"] < level)
    (path / "levels.parquet").unlink()
    about = json.loads((path / "run.json").read_text())
    about.pop("tables", None)
    (path / "run.json").write_text(json.dumps(about))
    table.write_parquet(path / "levels.parquet")
    damage(path / "checkpoint.safetensors", how)
    line = refused(*command)
    assert re.search(r"checkpoint\.safetensors: damaged .*; delete it to start level 3 again", line)
    (path / "checkpoint.safetensors").unlink()
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in command])
    assert left.value.code == 0


@pytest.mark.parametrize("verb", [("show",), ("observe",), ("figure", "1a")])
@pytest.mark.parametrize("how", ["truncated", "flipped"])
def test_readers_name_a_damaged_table(refused, copied, verb, how, tmp_path):
    path, _ = copied
    damage(path / "levels.parquet", how)
    options = ("--out", tmp_path / "figures") if verb[0] == "figure" else ()
    assert "levels.parquet: damaged" in refused(*verb, path, *options)
    assert not list((tmp_path / "figures").glob("*"))


def test_readers_name_damaged_masks_levels_and_layers(refused, copied):
    path, _ = copied
    assert "no level 9; finished levels are [0, 1, 2, 3]" in refused("observe", path, "--level", 9)
    assert "no layer 3; hidden layers are 1 to 2" in refused("observe", path, "--layer", 3)
    assert "--shape is for mask files" in refused("observe", path, "--shape", "3x6x6")
    assert "a run knows its own" in refused("observe", path, "--zeros", "always")
    damage(path / "level-003" / "masks.safetensors", "flipped")
    assert "masks.safetensors: damaged" in refused("observe", path)
    damage(path / "run.json", "truncated")
    assert "run.json: damaged" in refused("show", path)


@pytest.mark.parametrize(
    "shape",
    ["3x0x0", "-1", "²x2x3", "1,1000000,1000000", "1x1000000x1000000", "9" * 5000 + "x1x1", "x", "3x6x6x1"],
)
def test_absurd_shapes_are_refused(refused, tmp_path, shape):
    np.save(tmp_path / "mask.npy", np.eye(12))
    line = refused("observe", tmp_path / "mask.npy", f"--shape={shape}")
    assert "--shape" in line
    assert len(line) < 400


def test_a_pipe_of_masks_is_refused_at_once(refused, tmp_path):
    os.mkfifo(tmp_path / "mask.pt")
    assert "is a pipe, not a file" in refused("observe", tmp_path / "mask.pt")


def test_a_folder_that_holds_a_model_is_read_as_one(refused, tmp_path, capsys):
    from safetensors.numpy import save_file

    kept = np.random.default_rng(0).random((6, 8)) < 0.5
    save_file({"fc.weight_mask": kept}, tmp_path / "model.safetensors")
    with pytest.raises(SystemExit) as ended:
        main(["observe", str(tmp_path), "--json"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out)[0]["density"] == kept.mean()
    (tmp_path / "model.safetensors").unlink()
    assert "not a run directory, and none is below it" in refused("observe", tmp_path)


def test_masks_of_a_wrong_shape_and_empty_masks_are_refused(refused, tmp_path):
    path = tmp_path / "mask.npy"
    np.save(path, np.ones((4, 12), bool))
    line = refused("observe", path, "--shape", "3x3x3")
    assert re.search(r"has 12 inputs; --shape 3x3x3 holds 27: give C, H, W", line)
    assert "--shape is '3x': give CxHxW, as in 3x32x32" in refused("observe", path, "--shape", "3x")
    assert "no layer 2; it holds 1" in refused("observe", path, "--layer", 2)
    assert "--level is for runs" in refused("observe", path, "--level", 0)
    np.save(path, np.zeros((4, 12), bool))
    assert "keeps no weight" in refused("observe", path)
    np.save(path, np.ones((27, 12), bool))
    assert "it may be transposed, a mask is [n_out, n_in]" in refused("observe", path, "--shape", "3x3x3")
    np.save(path, np.ones(12, bool))
    assert "a mask must have 2 axes [n_out, n_in] or more, got shape (12,)" in refused("observe", path)
    np.save(path, np.full((4, 12), 0.5))
    assert "must hold only 0 and 1" in refused("observe", path)
    path.write_bytes(path.read_bytes()[:90])
    assert "damaged" in refused("observe", path)


def test_figures_refuse_what_they_do_not_know(refused, finished_run, tmp_path):
    out = tmp_path / "figures"
    path = finished_run.path
    assert "(prunescope list --figures names them all)" in refused("figure", "99", path, "--out", out)
    assert "--levels is 'x'" in refused("figure", "1b", path, "--levels", "x", "--out", out)
    assert "9" in refused("figure", "1b", path, "--levels", "9", "--out", out)
    assert not list(out.glob("*"))


def test_results_that_cannot_be_written_are_refused(refused, finished_run, tmp_path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refused(
        "figure", "1a", finished_run.path, "--out", tmp_path / "file" / "in"
    )
    assert str(tmp_path / "file") in refused(
        "report", finished_run.path, "--out", tmp_path / "file" / "page.html"
    )


NEEDS = {
    "prune.method=snip": "prune.density is not given: prune.method=snip needs what is to be kept, as in prune.density=0.1",
    "prune.method=oneshot": "prune.density is not given: prune.method=oneshot needs",
    "prune.method=set prune.density=0.1 prune.layout=shuffle": "prune.layout is 'shuffle': prune.method=set takes uniform or erk",
    "prune.method=gradual prune.density=0.1 prune.update_every=30": "prune.update_every is 30 (default 100): with train.steps = 30 it must be at most 22",
    "prune.method=rigl prune.density=0.1": "prune.update_every is 100 (default 100): with train.steps = 30 it must be at most 22",
    "prune.method=random prune.layout=shuffle": "prune.like is not given",
    "prune.layer_rates=[0.5]": "prune.layer_rates is [0.5]: the network has 2 hidden layers, give a number for each",
    "prune.layer_rates=[0,0]": "prune.layer_rates is [0.0, 0.0]: at least one must be above 0",
}


@pytest.mark.parametrize("fields", NEEDS)
def test_what_a_method_lacks_is_said_before_images_are_opened(refused, toml, tmp_path, fields):
    images = tmp_path / "no-such-images.npz"
    line = refused("run", toml, f"data.root={images}", *fields.split(), "--out", tmp_path / "runs")
    assert NEEDS[fields] in line


def test_a_field_that_the_method_does_not_read_is_said(toml, tmp_path, capsys):
    command = ["run", str(toml), "prune.method=snip", "prune.density=0.5", "prune.rate=0.4", "train.lr=0.2"]
    with pytest.raises(SystemExit) as left:
        main([*command, "--out", str(tmp_path)])
    assert not left.value.code
    said = [line for line in capsys.readouterr().err.splitlines() if "is not read" in line]
    assert said == [
        "prunescope: prune.rate is not read by prune.method=snip (it is part of the experiment's identity all the same)"
    ]


def test_a_layer_without_a_weight_is_named_and_the_others_are_measured(tmp_path, capsys):
    path = tmp_path / "masks.npz"
    np.savez(path, dead=np.zeros((4, 12), bool), alive=np.eye(4, dtype=bool), line=np.ones(3, bool))
    with pytest.raises(SystemExit) as left:
        main(["observe", str(path), "--json"])
    assert not left.value.code
    stdout, stderr = capsys.readouterr()
    assert [(entry["mask"], entry["density"]) for entry in json.loads(stdout)] == [("alive", 0.25)]
    assert stderr.splitlines() == [
        f"prunescope: {path}: line: a mask must have 2 axes [n_out, n_in] or more, got shape (3,)",
        f"prunescope: {path}: dead keeps no weight: not measured",
        "prunescope: --shape is not given: where inputs lie, as locality needs, is not known",
    ]
