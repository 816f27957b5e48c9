"""docs/export.md, whose blocks are executed as they stand: run with `pytest tests/docs/test_export.py`."""

import re
import shlex
import shutil
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

import export_recipes
from export_recipes import FORMATS, PAGE, block
from prunescope.cli import main
from prunescope.data import open_dataset
from prunescope.runs.arrays import read_arrays, write_arrays
from prunescope.runs.directory import Run
from prunescope.runs.packed_weights import packed


@pytest.fixture
def here(finished_run, tmp_path, monkeypatch):
    """A folder with a run of three levels after the dense one, called as on the page."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished_run.path, tmp_path / "RUN")
    return tmp_path


def test_the_module(here, finished_run):
    names: dict[str, Any] = {}
    exec(block("## As a torch module"), names)
    dataset = open_dataset(finished_run.experiment.data, finished_run.seed)
    images = torch.from_numpy(np.array(dataset.validation.pixels)).float().reshape(-1, *dataset.shape)
    right = names["model"](images).argmax(1).numpy() == dataset.validation.labels
    assert (right != finished_run.right(3, "validation", "end")).sum() <= 1
    torch.testing.assert_close(names["pruned"](images), names["model"](images), rtol=1e-4, atol=1e-4)


def test_console_commands(here, capsys):
    lines = re.search(r"```console\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()
    assert len(lines) == 3
    for line in lines:
        with pytest.raises(SystemExit) as left:
            main(shlex.split(line)[1:])
        stdout, stderr = capsys.readouterr()
        assert not left.value.code, stderr
        [path] = stdout.splitlines()
        assert (here / path).is_file()
        assert (
            "level 3: it takes pixels from 0 to 255, float32 [N, 3, 6, 6], and returns logits [N, 3]"
            in stderr
        )


@pytest.mark.parametrize("kind", FORMATS)
def test_files(here, finished_run, capsys, kind):
    with pytest.raises(SystemExit):
        main(["export", "RUN", "--to", kind])
    ending = ".csr.npz" if kind == "csr" else f".{kind}"
    shutil.copy(capsys.readouterr().out.strip(), f"level-003{ending}")
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 6, 6)).astype(np.float32)
    names: dict[str, Any] = {"images": images}
    exec(block(f"### {kind}"), names)
    expected = finished_run.torch(3)(torch.from_numpy(images)).detach()
    torch.testing.assert_close(torch.as_tensor(names["logits"]), expected, rtol=1e-4, atol=1e-4)


def test_masks_with_numpy_alone(here, finished_run):
    text = block("## The files of a run")
    assert len(text.splitlines()) <= 12
    assert re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE) == ["json", "numpy"]
    names: dict[str, Any] = {}
    exec(text, names)
    assert len(names["masks"]) == 2
    for number, mask in enumerate(finished_run.ticket(3).masks, 1):
        np.testing.assert_array_equal(names["masks"][f"layer{number}.weight_mask"], mask.array)


def test_packed_weights(here, finished_run):
    arrays, shapes = packed(finished_run.model(3).to_arrays())
    write_arrays(here / "packed.safetensors", arrays, shapes)
    n_out, n_in = map(int, shapes["layer1.weight"].split("x"))
    stored = safetensors.numpy.load_file(here / "packed.safetensors")
    names: dict[str, Any] = {"read": stored.__getitem__, "np": np, "n_out": n_out, "n_in": n_in}
    exec(
        block(
            "Unpacking a packed matrix takes three lines more, in which `read` returns an array of the file:"
        ),
        names,
    )
    np.testing.assert_array_equal(names["weight"], finished_run.model(3).layers[0].weight)


def test_every_file_of_a_run_is_in_the_table_with_its_arrays(here):
    run = Run("RUN")
    tables = PAGE.partition("## The files of a run")[2].partition("### Observations")
    rows = dict(re.findall(r"^\| `([\w./-]+)` \| (.*) \|$", tables[0], re.MULTILINE))
    files = {
        str(file.relative_to("RUN"))
        for file in run.path.rglob("*")
        if file.is_file() and file.name != ".lock"
    }
    assert {re.sub(r"level-\d+", "level-NNN", file) for file in files} | {
        "checkpoint.safetensors"
    } == rows.keys()
    for name in ("masks", "weights"):
        arrays, _ = read_arrays(run.path / "level-003" / f"{name}.safetensors")
        for field in {array.partition(".")[2] for array in arrays}:
            assert field in rows[f"level-NNN/{name}.safetensors"], field
    for array in read_arrays(run.path / "inputs.safetensors")[0]:
        assert f"`{array}`" in rows["inputs.safetensors"]
    for key in run.metrics[0]:
        assert f"`{key}`" in rows["metrics.jsonl"] or key in ("identity", "seed")
    assert set(re.findall(r"`(\w+)`", tables[2].partition("[Science]")[0])) == set(run.observations(3))


def test_formats_have_a_row_and_a_recipe():
    assert re.findall(
        r"^\| `(\w+)` \|.*\|.*\|$", PAGE.partition("## As a file")[2].partition("###")[0], re.M
    ) == list(FORMATS)
    assert not any("prunescope" in export_recipes.block(f"### {kind}") for kind in FORMATS)
