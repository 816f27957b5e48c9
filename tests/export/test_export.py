"""Exported files, each read by the library that owns its format: run with `pytest tests/export/test_export.py`."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.torch
import scipy.sparse
import torch

import tiny
from export_recipes import FORMATS, logits_of
from prunescope.data import open_dataset
from prunescope.errors import InputError
from prunescope.export import ENDINGS, export
from prunescope.export.export_form import ExportForm
from prunescope.network.forward import forward, network_inputs, torch_averages, torch_layers
from prunescope.pruning.running import run as train
from stored_runs import write_run

CLOSE = 1e-4  # Images whose two highest logits are closer than this may be classified otherwise.
FORMS = [ExportForm(), ExportForm("layers"), ExportForm("folded", "prune"), ExportForm("layers", "prune")]
WITH_MASKS = ("pt", "safetensors", "npz")


@pytest.fixture(scope="module")
def runs(images_file, tmp_path_factory):
    """A finished run for each place of the norm, whose last level has disconnected units; some pixels never vary."""
    made = {}
    for place in ("before", "after", "none"):
        experiment = tiny.experiment(
            name=place,
            data={"root": str(images_file)},
            network={"norm": place, "hidden": [14, 12]},
            train={"steps": 40, "lr": 0.05},
            prune={"levels": 2, "rate": 0.75, "stop_units": 0.0},
        )
        made[place] = train(experiment, seed=1, out=tmp_path_factory.mktemp("runs"))
    return made


def validation_of(run):
    """The validation images float32 [N, C, H, W], their bytes and their labels."""
    dataset = open_dataset(run.experiment.data, run.seed, split_rule=run.split_rule)
    pixels = np.array(dataset.validation.pixels)
    return pixels.astype(np.float32).reshape(-1, *dataset.shape), pixels, dataset


def evaluated(run, level):
    """The logits of the validation images by the run's own evaluation."""
    _, pixels, dataset = validation_of(run)
    cpu, model = torch.device("cpu"), run.model(level)
    layers = torch_layers(model, run.ticket(level), dataset.live_pixels, cpu)
    inputs = network_inputs(torch.from_numpy(pixels), torch.from_numpy(dataset.mean))
    return forward(layers, inputs, run.experiment.network.norm, torch_averages(model, cpu))[0].numpy()


def clear(logits):
    """Which images have two highest logits that are not close."""
    highest = np.sort(logits, axis=1)
    return highest[:, -1] - highest[:, -2] > CLOSE


def check_predictions(run, level, logits):
    """Compare logits image by image with the evaluation, and with what the run stored of it."""
    own, (_, _, dataset) = evaluated(run, level), validation_of(run)
    np.testing.assert_allclose(logits, own, rtol=1e-4, atol=1e-4)
    decided = clear(own)
    assert decided.mean() > 0.9
    np.testing.assert_array_equal(logits.argmax(1)[decided], own.argmax(1)[decided])
    right = logits.argmax(1) == dataset.validation.labels
    np.testing.assert_array_equal(right[decided], run.right(level, "validation", "end")[decided])


def test_the_runs_have_what_is_disconnected(runs):
    for run in runs.values():
        live = run.ticket(2).live_inputs(run.network_input().live)
        assert int((~live[0]).sum()) == len(tiny.DEAD_PIXELS)
        assert not all(x.all() for x in live[1:])
        assert live[-1].any()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.norm}-{form.masks}")
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("place", ["before", "after", "none"])
def test_a_file_predicts_every_validation_image_as_the_run_does(runs, tmp_path, place, kind, form):
    if form.masks == "prune" and kind not in WITH_MASKS:
        return
    run = runs[place]
    images, _, _ = validation_of(run)
    for level in (0, 2):
        path, _ = export(run, level, kind, tmp_path / f"{level}{ENDINGS[kind]}", form)
        check_predictions(run, level, logits_of(kind, path, images))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.norm}-{form.masks}")
def test_the_module_predicts_every_validation_image_as_the_run_does(runs, form):
    for run in runs.values():
        for level in run.levels:
            images, _, _ = validation_of(run)
            with torch.no_grad():
                logits = run.torch(level, norm=form.norm, masks=form.masks)(torch.from_numpy(images))
            check_predictions(run, level, logits.numpy())


def test_masks_in_files_are_those_of_the_run(runs, tmp_path):
    run = runs["before"]
    mask = run.mask(2).array
    readers = {
        "pt": lambda path: torch.load(path, weights_only=True)["layer1.weight_mask"].numpy(),
        "safetensors": lambda path: safetensors.torch.load_file(path)["layer1.weight_mask"].numpy(),
        "npz": lambda path: np.load(path)["layer1.weight_mask"],
    }
    for kind, read in readers.items():
        path, _ = export(run, 2, kind, tmp_path / f"network{ENDINGS[kind]}", ExportForm(masks="prune"))
        np.testing.assert_array_equal(read(path), mask)
    path, _ = export(run, 2, "csr", tmp_path / "network.npz")
    with np.load(path) as file:
        parts = tuple(file[f"layer1.{field}"] for field in ("data", "indices", "indptr"))
        matrix = scipy.sparse.csr_array(parts, tuple(file["layer1.shape"]))
        output = file["layer3.shape"].tolist()
    matrix.check_format()
    assert (matrix.nnz, output) == (mask.sum(), [3, 12])
    np.testing.assert_array_equal(np.diff(matrix.indptr), mask.sum(1))
    kept = np.zeros(mask.shape, bool)
    kept[np.repeat(np.arange(len(mask)), mask.sum(1)), matrix.indices] = True
    np.testing.assert_array_equal(kept, mask)  # dead pixels too, whose entries are 0


def test_onnx_is_checked_and_tells_its_sizes(runs, tmp_path):
    path, sentence = export(runs["before"], 2, "onnx", tmp_path / "network.onnx")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {node.op_type for node in model.graph.node} == {"Flatten", "Gemm", "Relu"}
    assert [entry.version for entry in model.opset_import] == [13]
    session = onnxruntime.InferenceSession(path)
    [pixels], [logits] = session.get_inputs(), session.get_outputs()
    assert (pixels.name, pixels.shape, pixels.type) == ("pixels", ["N", 3, 6, 6], "tensor(float)")
    assert (logits.name, logits.shape) == ("logits", ["N", 3])
    assert session.get_modelmeta().custom_metadata_map["sizes"] == "108x14x12x3"
    assert sentence == "it takes pixels from 0 to 255, float32 [N, 3, 6, 6], and returns logits [N, 3]"
    layers, _ = export(runs["before"], 2, "onnx", tmp_path / "layers.onnx", ExportForm("layers"))
    assert {node.op_type for node in onnx.load(layers).graph.node} >= {"BatchNormalization"}


def test_safetensors_say_whose_they_are(runs, tmp_path):
    run = runs["before"]
    path, _ = export(run, 1, "safetensors", tmp_path / "network.safetensors", ExportForm("layers"))
    with safetensors.safe_open(path, "pt") as file:
        notes = file.metadata()
    assert notes["sizes"] == "108x14x12x3"
    assert (notes["identity"], notes["seed"], notes["level"]) == (run.experiment.identity, "1", "1")
    assert notes["parts"].split()[:3] == ["norm1", "layer1", "relu1"]
    assert float(notes["norm1.eps"]) == pytest.approx(1e-10 * 255**2, rel=1e-12)
    assert float(notes["norm2.eps"]) == 1e-10


def test_a_state_dict_fits_a_module_of_the_same_form(runs, tmp_path):
    for form in FORMS:
        path, _ = export(runs["before"], 2, "pt", tmp_path / "network.pt", form)
        module = runs["before"].torch(0, norm=form.norm, masks=form.masks)
        module.load_state_dict(torch.load(path, weights_only=True))
        other = runs["before"].torch(2, norm=form.norm, masks=form.masks)
        for name, tensor in other.state_dict().items():
            assert torch.equal(tensor, module.state_dict()[name]), name


def test_images_with_a_white_frame_are_centred_in_every_format(tmp_path):
    (x, y), (held, held_labels) = tiny.images(300, 0), tiny.images(120, 1)
    for pixels in (x, held):
        frame = np.ones(tiny.SHAPE, bool)
        frame[:, 1:5, 1:5] = False
        pixels[:, frame.ravel()] = 255
        pixels[::50, frame.ravel()] = 253
    arrays = {"x_train": x, "y_train": y, "x_test": held, "y_test": held_labels}
    rows = {
        name: a.reshape(-1, *tiny.SHAPE).transpose(0, 2, 3, 1) if a.ndim > 1 else a
        for name, a in arrays.items()
    }
    np.savez(tmp_path / "data.npz", **rows)
    experiment = tiny.experiment(
        data={"root": str(tmp_path / "data.npz")}, prune={"levels": 1, "rewind_step": 5}
    )
    run = train(experiment, seed=0, out=tmp_path)
    images, _, _ = validation_of(run)
    for form in FORMS[:2]:
        for kind in FORMATS:
            path, _ = export(run, 1, kind, tmp_path / f"network{ENDINGS[kind]}", form)
            check_predictions(run, 1, logits_of(kind, path, images))
    assert np.load(tmp_path / "network.npz")["parts"][0] == "centre"
    assert {node.op_type for node in onnx.load(tmp_path / "network.onnx").graph.node} >= {"Sub"}


def test_bf16_on_a_cpu_is_evaluated_in_float32(images_file, tmp_path):
    for engine in ("torch", "auto"):
        experiment = tiny.experiment(
            name=engine,
            data={"root": str(images_file)},
            train={"precision": "bf16"},
            prune={"levels": 1, "rewind_step": 5},
            run={"engine": engine},
        )
        run = train(experiment, seed=0, out=tmp_path)
        images, _, _ = validation_of(run)
        with torch.no_grad():
            check_predictions(run, 0, run.torch(0)(torch.from_numpy(images)).numpy())


@pytest.mark.parametrize("geometry", ["series", "none"])
def test_series_and_tables(tmp_path, geometry):
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 3
    values = rng.standard_normal((80, 2, 9) if geometry == "series" else (80, 18)).astype(np.float32)
    values += labels.reshape(-1, *[1] * (values.ndim - 1)) / 2
    np.savez(
        tmp_path / "data.npz",
        x_train=values[:50],
        y_train=labels[:50],
        x_test=values[50:],
        y_test=labels[50:],
    )
    experiment = tiny.experiment(
        data={"root": str(tmp_path / "data.npz"), "geometry": geometry, "validation": 20},
        prune={"levels": 1, "rate": 0.6, "stop_units": 0.0, "rewind_step": 5},
    )
    run = train(experiment, seed=0, out=tmp_path)
    dataset = open_dataset(experiment.data, 0, split_rule=run.split_rule)
    shape = (-1, 2, 9) if geometry == "series" else (-1, 18)
    images = np.array(dataset.validation.pixels).reshape(shape)
    for kind in FORMATS:
        path, sentence = export(run, 1, kind, tmp_path / f"network{ENDINGS[kind]}")
        check_predictions(run, 1, logits_of(kind, path, images))
        assert sentence.startswith(
            "it takes values of the data, float32 [N, 2, 9]" if geometry == "series" else "it takes"
        )
    assert onnxruntime.InferenceSession(tmp_path / "network.onnx").get_inputs()[0].shape == ["N", *shape[1:]]


def test_streams_go_in_as_they_are(tmp_path):
    experiment = tiny.experiment(
        data={"source": "nlgp", "size": 6, "validation": 40, "heldout": 10},
        prune={"levels": 1, "rewind_step": 5},
    )
    run = train(experiment, seed=0, out=tmp_path)
    images = np.array(open_dataset(experiment.data, 0).validation.pixels).reshape(-1, 1, 6, 6)
    path, _ = export(run, 1, "npz", tmp_path / "network.npz")
    check_predictions(run, 1, logits_of("npz", path, images))


def test_the_file_is_in_the_run_directory_unless_told(tmp_path):
    run = write_run(tmp_path, shape=(1, 6, 6), hidden=(8, 6), levels=3)
    for kind in FORMATS:
        path, _ = export(run, 2, kind)
        assert path == run.path / f"level-002{ENDINGS[kind]}"
        assert path.is_file()
    run.check()
    assert run.mask(2) == run.mask(2)
    deep = tmp_path / "new" / "folder" / "network.pt"
    assert export(run, 1, "pt", deep)[0] == deep
    first = deep.read_bytes()
    export(run, 2, "pt", deep)
    assert deep.read_bytes() != first


def test_files_of_the_run_stay(tmp_path):
    run = write_run(tmp_path, shape=(1, 6, 6), hidden=(8, 6), levels=3)
    files = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    for path in files:
        with pytest.raises(InputError, match="is a file of a run directory"):
            export(run, 1, "safetensors", path)
    (tmp_path / "link.pt").symlink_to(run.path / "level-001" / "weights.safetensors")
    with pytest.raises(InputError, match="is a file of a run directory"):
        export(run, 1, "pt", tmp_path / "link.pt")
    assert {path: path.read_bytes() for path in files} == files
    other = write_run(tmp_path / "other", shape=(1, 6, 6), hidden=(8, 6), levels=2)
    with pytest.raises(InputError, match="is a file of a run directory"):
        export(other, 1, "pt", run.path / "level-001" / "masks.safetensors")
    with pytest.raises(InputError, match="is a folder; give a file name, such as"):
        export(run, 1, "pt", run.path)


@pytest.mark.parametrize(
    ("level", "kind", "form", "words"),
    [
        (7, "pt", ExportForm(), r"no level 7; finished levels are \[0, 1, 2\]"),
        (1, "onx", ExportForm(), "no format 'onx' to export to: did you mean 'onnx'?"),
        (1, "keras", ExportForm(), "no format 'keras' to export to: use pt, safetensors, onnx, npz or csr"),
        (1, "onnx", ExportForm(masks="prune"), "files of onnx hold weights alone"),
        (1, "csr", ExportForm(masks="prune"), "files of csr hold weights alone"),
        (1, "pt", ExportForm("layer"), "norm is 'layer': use folded or layers"),
        (1, "pt", ExportForm(masks="none"), "masks is 'none': use baked or prune"),
    ],
)
def test_what_there_is_not_is_refused(tmp_path, level, kind, form, words):
    run = write_run(tmp_path, shape=(1, 6, 6), hidden=(8, 6), levels=3)
    with pytest.raises(InputError, match=words):
        export(run, level, kind, tmp_path / "file", form)
    assert not (tmp_path / "file").exists()


def test_without_onnx_the_line_to_install_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    run = write_run(tmp_path, shape=(1, 6, 6), hidden=(8, 6), levels=2)
    with pytest.raises(
        InputError, match=r"onnx: its package is not installed .*: pip install 'prunescope\[onnx\]'"
    ):
        export(run, 1, "onnx", tmp_path / "network.onnx")


def test_a_network_too_large_for_onnx_or_the_memory_is_refused(tmp_path, monkeypatch):
    run = write_run(tmp_path, shape=(1, 6, 6), hidden=(8, 6), levels=2)
    monkeypatch.setattr("prunescope.export.onnx_file.LARGEST", 1000)
    with pytest.raises(InputError, match="more than 2 GB, which a file of ONNX cannot hold"):
        export(run, 1, "onnx", tmp_path / "network.onnx")
    monkeypatch.setattr("prunescope.export.exported.LARGEST_UNASKED", 100)
    monkeypatch.setattr("prunescope.memory.available_memory", lambda: 1000)
    with pytest.raises(InputError, match=r"the network would take .* GB of memory"):
        export(run, 1, "pt", tmp_path / "network.pt")


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    run = write_run(tmp_path, shape=(1, 6, 6), hidden=(8, 6), levels=2)
    path, _ = export(run, 1, "npz", tmp_path / "network.npz")
    before = path.read_bytes()

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for kind in FORMATS:
        with pytest.raises(OSError, match="No space left") as raised:
            export(run, 0, kind, path, replace(ExportForm(), norm="layers"))
        assert raised.value.filename == str(path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*tmp"))
