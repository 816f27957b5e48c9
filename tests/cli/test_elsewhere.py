"""Pages and figures of masks from elsewhere, from the command line: run with `pytest tests/cli/test_elsewhere.py`."""

import numpy as np
import pytest

from commands import called

RNG = np.random.default_rng(6)


@pytest.fixture
def masks(tmp_path):
    """A file of two masks, the first on images."""
    file = tmp_path / "masks.npz"
    np.savez(file, first=RNG.random((10, 48)) < 0.3, second=RNG.random((5, 10)) < 0.5)
    return file


def test_reports_of_two_files_are_two_pages(succeed, masks):
    other = masks.with_name("other.npz")
    other.write_bytes(masks.read_bytes())
    paths = [succeed("report", file).strip() for file in (masks, other, masks)]
    assert paths == [str(masks.parent / f"{name}-report.html") for name in ("masks", "other", "masks")]
    # A folder has one.
    folder = masks.parent / "model"
    folder.mkdir()
    masks.rename(folder / masks.name)
    assert succeed("report", folder).strip() == str(folder / "report.html")


def test_files_that_differ_in_their_ending_have_pages_of_their_own(succeed, masks):
    other = masks.with_suffix(".npy")
    np.save(other, RNG.random((10, 48)) < 0.3)
    pages = [succeed("report", file).strip() for file in (masks, other)]
    assert pages == [str(masks.parent / f"masks.{ending}-report.html") for ending in ("npz", "npy")]


def test_pages_replace_pages_of_prunescope_alone(succeed, refused, masks):
    page = masks.with_name("masks-report.html")
    for foreign in (
        "<!doctype html><title>mine</title>",
        "<html>by prunescope</html>",
        "<!doctype html>" + "x" * 99999,
    ):
        page.write_text(foreign, "utf-8")
        said = "is there, and is no page that prunescope wrote; give the page another file name"
        assert said in refused("report", masks)
        assert said in refused("observe", masks, "--page", page)
        assert page.read_text("utf-8") == foreign
    # As pages of 0.1.0 were, which name no generator.
    page.write_text("<!doctype html>\n<html><head><title>masks · prunescope</title></head></html>", "utf-8")
    succeed("report", masks)
    assert page.read_text("utf-8").count('<meta name="generator" content="prunescope">') == 1


def test_report_of_a_mask_file_is_a_page_of_its_layers(succeed, masks):
    path = succeed("report", masks).strip()
    assert path == str(masks.parent / "masks-report.html")
    page = (masks.parent / "masks-report.html").read_text("utf-8")
    assert "--shape CxHxW" in page
    succeed("report", masks, "--shape", "3x4x4", "--out", masks.parent / "other.html")
    page = (masks.parent / "other.html").read_text("utf-8")
    assert "--shape CxHxW" not in page
    assert "radius_of_gyration" in page


def test_observe_writes_the_page_too(succeed, masks):
    printed = succeed("observe", masks, "--page", masks.parent / "page.html")
    assert "first" in printed
    assert "<title>masks.npz" in (masks.parent / "page.html").read_text("utf-8")


def test_a_page_replaces_nothing_but_a_page(succeed, refused, masks):
    before, pages = masks.read_bytes(), masks.parent / "page.html"
    assert "is there, and is no page in HTML" in refused("observe", masks, "--page", masks)
    assert "is there, and is no page in HTML" in refused("report", masks, "--out", masks)
    assert "is a folder; give the page" in refused("observe", masks, "--page", masks.parent)
    assert masks.read_bytes() == before
    pages.touch()
    for _ in range(2):
        succeed("report", masks, "--out", pages)


def test_a_source_that_is_not_there_and_a_folder_without_a_model(refused, masks):
    assert "nothing.pt: no such file" in refused("observe", masks.parent / "nothing.pt")
    assert "nothing.pt: no such file" in refused("report", masks.parent / "nothing.pt")
    folder = masks.parent / "folder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for verb in ("observe", "report"):
        assert "holds no model such as model.safetensors; it is no run directory either" in refused(
            verb, folder
        )


def test_figures_of_a_mask_file(succeed, refused, masks):
    out = masks.parent / "figures"
    printed = succeed("figure", "layers-densities", masks, "--out", out).splitlines()
    assert [line.rpartition("/")[2] for line in printed] == [
        f"figure-layers-densities.{ending}" for ending in ("pdf", "png", "csv")
    ]
    assert "figures of masks from elsewhere are layers-densities" in refused("figure", "1a", masks)
    ranking = ("figure", "layers-ranking", masks, "--shape", "3x4x4", "--out", out)
    assert "no layer 7; it has 2" in refused(*ranking, "--layers", "7")
    assert "needs one run, or one file" in refused("figure", "layers-ranking", masks, masks)


def test_figures_and_pages_of_runs_stay_theirs(succeed, refused, finished_run, masks, tmp_path):
    succeed("figure", "layers-densities", finished_run.path, "--levels", "1", "--out", tmp_path)
    assert "a run knows its own" in refused("report", finished_run.path, "--shape", "3x6x6")
    assert "a run knows its own" in refused("figure", "layers-densities", finished_run.path, "--heads", "2")
    assert "a page shows runs, or one file" in refused("report", finished_run.path, masks)
    assert "--layers, --shape, … are for" in refused("figure", "1b", finished_run.path, "--layers", "1")


def test_figures_are_listed(succeed):
    listed = {line.split()[0] for line in succeed("list", "--figures").splitlines()}
    assert {"layers-densities", "layers-ranking", "layers-connections", "layers-kinds", "densities"} <= listed


ADVICE = "--shape is not given"
NETWORKS = {
    "linear": ({"a": (10, 48), "b": (5, 10)}, [], True),
    "patches": ({"a": (10, 48), "b": (5, 10)}, ["--patch", "4"], False),
    "vit": ({"patch_embed.proj.weight": (16, 3, 4, 4), "mlp.fc1.weight": (32, 16)}, [], False),
    "recurrent": ({"weight_hh_l0": (96, 32), "weight_ih_l0": (96, 20), "fc": (5, 32)}, [], False),
    "volume": ({"conv": (8, 2, 3, 3, 3), "fc": (5, 8)}, [], False),
    "encoder": ({"self_attn.in_proj_weight": (96, 32), "linear1.weight": (64, 32)}, [], False),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_shape_is_advised_where_a_linear_layer_may_take_images(network, tmp_path, capsys):
    shapes, options, advised = NETWORKS[network]
    np.savez(tmp_path / "masks.npz", **{name: RNG.random(shape) < 0.4 for name, shape in shapes.items()})
    code, _, stderr = called(capsys, "observe", tmp_path / "masks.npz", "--json", *options)
    assert code == 0
    assert (ADVICE in stderr) == advised
