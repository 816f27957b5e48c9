"""What values show of themselves in a notebook: run with `pytest tests/notebook/test_values.py`."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

import prunescope as ps
from prunescope import _views
from prunescope.layers.quantities import quantity
from prunescope.notebook.pictures import LARGEST, matrix_uri, node_uri
from prunescope.pruning.running import run
from stored_runs import write_run


class Page(HTMLParser):
    """The text, the tags and the pictures of HTML; it fails where tags are not closed in their order."""

    def __init__(self, source):
        super().__init__()
        self.texts, self.images, self.open, self.tags = [], [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs)["src"])
        elif not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


def decoded(uri):
    assert uri.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.fixture
def mask():
    return ps.Mask(np.random.default_rng(0).random((20, 108)) < 0.2)


def test_a_mask_shows_its_numbers_and_all_of_itself(mask):
    page = Page(mask._repr_html_())
    assert f"20 units × 108 inputs: {mask.kept} kept, density {100 * mask.density:.3g} %" in page.text
    assert f"{mask.fan_in.min()} to {mask.fan_in.max()}" in page.text
    [uri] = page.images
    np.testing.assert_array_equal(decoded(uri) == 255, mask.array)
    assert "white is kept" in page.text


def test_a_large_mask_is_shown_by_blocks():
    array = np.zeros((1000, 3000), bool)
    array[:500] = np.random.default_rng(1).random((500, 3000)) < 0.5
    uri, brightest, width = matrix_uri(ps.Mask(array))
    assert width == 2 * LARGEST
    pixels = decoded(uri)
    assert pixels.shape == (LARGEST, 2 * LARGEST)
    assert 0.5 < brightest <= 1
    assert pixels[: LARGEST // 2 - 1].min() > 0 == pixels[LARGEST // 2 + 1 :].max()


@pytest.mark.parametrize(
    ("shape", "size"),
    [((3, 6, 6), (6, 6, 3)), ((1, 6, 18), (6, 18)), ((2, 6, 9), (6, 9)), ((4, 1, 27), (4, 27))],
    ids=["colour", "grey", "two channels", "series"],
)
def test_a_nodes_mask_is_an_image(shape, size, mask):
    row = mask.array[3]
    pixels = decoded(node_uri(row, shape))
    assert pixels.shape == size
    image = row.reshape(shape)
    expected = {2: image.mean(0), 3: image.transpose(1, 2, 0)}[len(size)] if shape[1] > 1 else image[:, 0]
    np.testing.assert_array_equal(pixels, np.round(255 * expected))


def test_observables_show_every_scalar_with_its_null(mask):
    found = ps.measure(mask, (3, 6, 6))
    page = Page(found._repr_html_())
    for name, value in found.to_dict().items():
        if isinstance(value, dict):
            assert name.replace("_", " ") in page.text
            if value["value"] is not None:
                assert f"{value['value']:z.3f}" in page.text
            if value["z"] is not None:
                assert f"{value['null_mean']:z.3f} ± {value['null_sd']:z.3f}" in page.text
                assert f"{value['z']:z.1f}" in page.text
    assert "exact" in page.texts
    assert "50" in page.texts
    assert page.tags.count("circle") == sum(
        isinstance(v, dict) and v["z"] is not None for v in found.to_dict().values()
    )
    without = Page(ps.measure(mask, None)._repr_html_())
    assert "nan" not in without.text


def test_what_was_observed_shows_one_layer_in_full_and_several_by_rank(mask):
    few = ps.observe(mask, shape=(3, 6, 6))
    page = Page(few._repr_html_())
    for name in few[0].scalars:
        assert quantity(name).title in page.texts
    rows = len(few[0].scalars)
    assert Page(few[0]._repr_html_()).tags.count("tr") == 1 + rows + (rows > 12)
    assert page.texts.index(quantity(few[0].farthest[0]).title) < min(page.texts.index(quantity(name).title) for name in few[0].scalars if name != few[0].farthest[0])  # fmt: skip
    layers = tuple(replace(few[0], name=f"<layer {number}>") for number in range(40))
    page = Page(replace(few, layers=layers, notes=("<note>",))._repr_html_())
    assert page.tags.count("tr") == 1 + 30
    assert {"<layer 0>", "<note>", "and 10 layers nearer to their nulls"} <= set(page.texts)
    assert quantity(few[0].farthest[0]).title in page.texts


def test_what_two_networks_share_is_shown_as_stored_and_matched(mask):
    found = ps.overlap(mask, mask.array[::-1])
    page = Page(found._repr_html_())
    assert page.tags.count("tr") == 1 + 2
    assert {"share", "share, units matched", f"{mask.kept} and {mask.kept}", "50"} <= set(page.texts)
    assert "1.0000" in page.texts  # once matched the masks are the same
    layers = tuple(replace(found[0], names=(f"<layer {n}>", "")) for n in range(40))
    page = Page(replace(found, layers=layers, notes=("<note>",))._repr_html_())
    assert page.tags.count("tr") == 1 + 2 * 30
    assert {"<layer 0>", "<note>", "and 10 layers nearer to chance"} <= set(page.texts)
    alone = Page(ps.overlap(mask, mask.array[::-1], match=False)._repr_html_())
    assert "share, units matched" not in alone.texts


def test_a_run_shows_what_it_is_its_levels_and_its_masks(finished_run):
    page = Page(finished_run._repr_html_())
    assert "tiny" in page.text
    assert "seed 3, done" in page.text
    assert "60 validation images" in page.text
    assert page.tags.count("tr") == 1 + 4  # the titles and levels 0 to 3
    assert len(page.images) == 8
    assert all(decoded(uri).shape == (6, 6, 3) for uri in page.images)


def test_nothing_of_a_run_is_taken_for_markup(tmp_path):
    run = write_run(tmp_path, levels=2, hidden=(8,), shape=(1, 6, 6))
    about = json.loads((run.path / "run.json").read_text("utf-8"))
    evil = "<script>alert('&')</script>\x1b[31m" + "x" * 10_000
    (run.path / "run.json").write_text(json.dumps(about | {"error": evil}), "utf-8")
    source = ps.load(run.path)._repr_html_()
    page = Page(source)
    assert "script" not in page.tags
    assert "<script>alert('&')</script>\\x1b[31m" in page.text
    assert len(source) < 100_000
    moved = tmp_path / "<b>&"
    shutil.move(run.path, moved)
    assert "<b>&" in Page(ps.load(moved)._repr_html_()).text


@pytest.mark.parametrize(
    "file", ["experiment.toml", "run.json", "levels.parquet", "level-001/masks.safetensors"]
)
def test_a_damaged_run_shows_what_it_can(file, tmp_path):
    run = write_run(tmp_path, levels=2, hidden=(8,), shape=(1, 6, 6))
    opened = ps.load(run.path)
    for contents in (b"", b"\x00 damaged <b>"):
        (run.path / file).write_bytes(contents)
        assert "damaged" in Page(opened._repr_html_()).text or file in Page(opened._repr_html_()).text
    (run.path / file).unlink()
    assert Page(opened._repr_html_()).text
    shutil.rmtree(run.path)
    assert "no such file" in Page(opened._repr_html_()).text.lower()


def test_a_run_that_has_just_begun_says_so(small_run, tmp_path):
    from prunescope.runs.reporting import Reporter

    pages = []

    class Watch(Reporter):
        def started(self, path, experiment, rows, engine=""):
            self.path = path

        def evaluated(self, evaluation):
            pages.append(Page(ps.load(self.path)._repr_html_()))

    run(small_run(prune={"levels": 1}), out=tmp_path, reporter=Watch())
    assert "no level is finished yet" in pages[0].text
    assert "running" in pages[0].text
    assert pages[-1].tags.count("tr") == 2


def test_series_and_tables_are_shown_too(tmp_path):
    series = write_run(tmp_path / "a", levels=2, hidden=(8,), shape=(2, 1, 18), changes={"data": {"source": "npz", "geometry": "series"}})  # fmt: skip
    assert decoded(Page(series._repr_html_()).images[0]).shape == (2, 18)
    table = write_run(tmp_path / "b", levels=2, hidden=(8,), shape=(36, 1, 1), changes={"data": {"source": "npz", "geometry": "none"}})  # fmt: skip
    page = Page(table._repr_html_())
    assert page.images == []
    assert page.tags.count("tr") == 3


def test_a_view_that_fails_is_the_repr(mask, monkeypatch):
    monkeypatch.setitem(_views._homes, "Mask.html", "prunescope.notebook.masks:nothing")
    assert Page(mask._repr_html_()).text.startswith("Mask(20x108, ")


def test_a_mask_is_an_array_to_numpy(mask):
    assert np.asarray(mask) is mask.array
    assert np.array(mask, copy=True).flags.writeable
    assert np.asarray(mask, dtype=np.float32).sum() == mask.kept
    with pytest.raises(ValueError, match="as float64 it has to be copied"):
        np.asarray(mask, dtype=float, copy=False)
    np.testing.assert_array_equal(np.where(mask, 2, 0) == 2, mask.array)


@pytest.mark.parametrize("convert", [torch.as_tensor, torch.tensor, torch.from_dlpack])
def test_a_mask_is_a_tensor_to_torch(convert, mask):
    tensor = convert(mask)
    assert tensor.dtype == torch.bool
    np.testing.assert_array_equal(tensor.numpy(), mask.array)
    tensor[:] = False  # it is the tensor's own memory
    assert mask.kept > 0
    assert ps.Mask.of(torch.as_tensor(mask)) == mask


def test_tables_go_to_pandas_without_further_packages(finished_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    frame = finished_run.to_pandas()
    assert list(frame.columns) == finished_run.table.columns
    assert len(frame) == len(finished_run.table)
    assert frame["density"].tolist() == finished_run.table["density"].to_list()
    assert frame["engine"].tolist() == finished_run.table["engine"].to_list()


def test_the_face_has_its_names_and_its_version():
    assert set(ps.__all__) <= set(dir(ps))
    assert {"__version__", "run", "load", "Mask"} <= set(dir(ps))
    assert not {"annotations", "TYPE_CHECKING"} & set(dir(ps))
    assert re.fullmatch(r"\d+\.\d+\.\d+", ps.__version__)
    assert "__version__" not in ps.__all__


def test_a_package_that_is_not_installed_has_an_unknown_version(monkeypatch):
    from importlib import metadata

    from prunescope import _version

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(_version, "version", missing)
    assert _version.installed() == "0+unknown"


def test_showing_a_mask_loads_neither_matplotlib_nor_torch():
    code = "import sys, prunescope as ps; ps.Mask([[1, 0]])._repr_html_(); print(*{n.split('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"matplotlib", "torch"} & set(done.stdout.split())


def test_a_value_has_the_digits_that_its_sd_needs():
    from prunescope.notebook.scalars import scalar_cells
    from prunescope.observables.measure import Scalar

    assert scalar_cells("a", Scalar(0.49712, 0.4961, 0.000068, 50))[1:4] == [
        "0.497120",
        "0.496100 ± 0.000068",
        "15.0",
    ]
    assert scalar_cells("a", Scalar(2.0, 1.5, 0.25, 50))[1:3] == ["2.000", "1.500 ± 0.250"]
    assert scalar_cells("a", Scalar(2.0))[1:3] == ["2.000", "–"]
