"""draw(): every figure of the registry is written as PDF, PNG and data, and wrong options are refused."""

import re
import subprocess
import sys
import zlib

import matplotlib
import numpy as np
import polars
import pytest
from PIL import Image

from prunescope.analysis.groups import FigureOptions
from prunescope.errors import InputError
from prunescope.figures import FIGURES, draw
from prunescope.figures.paper.connectivity import figure_1c, figure_10
from prunescope.figures.parts.texts import drawable, quiet_about_glyphs
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run
from stored_runs import write_run


def _fonts(pdf: bytes) -> bytes:
    """Return the PDF followed by its compressed parts, decompressed."""
    parts = [pdf]
    for part in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            parts.append(zlib.decompress(part))
        except zlib.error:
            continue
    return b"".join(parts)


# Options that make a figure faster to draw.
OPTIONS = {"gabor": {"levels": [9]}, "videos": {"levels": [2, 9]}}


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_is_written(figure, seeds, progressive, tmp_path):
    before = dict(matplotlib.rcParams)
    runs = {"16": [progressive], "table1": []}.get(figure, seeds)
    pdf, png, *movies, data = draw(figure, runs, tmp_path / "new" / "folder", **OPTIONS.get(figure, {}))
    assert all(path.suffix == ".mp4" and path.stat().st_size > 1000 for path in movies)
    assert [path.name for path in (pdf, png)] == [f"figure-{figure}.pdf", f"figure-{figure}.png"]
    assert data.name in (f"figure-{figure}.csv", f"figure-{figure}.npz")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert b"/Type3" not in _fonts(pdf.read_bytes())
    assert b"/FontFile2" in _fonts(pdf.read_bytes())
    with Image.open(png) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert np.unique(np.asarray(image.convert("L"))).size > 10
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("figure", ["2b", "g", "3b", "10"])
def test_figures_of_grey_images(figure, grey, tmp_path):
    *_, data = draw(figure, [grey], tmp_path)
    if figure == "2b":
        with np.load(data) as arrays:
            assert arrays.files
            assert not any("different" in name for name in arrays.files)


@pytest.mark.parametrize("figure", ["levels", "1a", "10", "11"])
def test_several_experiments(figure, seeds, grey, tmp_path):
    *_, data = draw(figure, [*seeds, grey], tmp_path)
    if data.suffix == ".csv":
        assert set(polars.read_csv(data)["experiment"]) == {"synthetic", "grey"}


def test_formulas_in_texts_of_several_lines_or_with_signs_that_fonts_lack_are_silent(caplog):
    assert drawable("$S$\nof $u$") == "$S$\nof $u$"
    with quiet_about_glyphs():
        assert drawable("$S$ of \u65e5\n$u$ = 3") == "$S$ of \u65e5\n$u$ = 3"
        assert drawable("$a\nb$ c") == r"\$a" + "\n" + r"b\$ c"
    assert not caplog.records


def test_same_run_draws_the_same_bytes(grey, tmp_path):
    first = [path.read_bytes() for path in draw("1a", [grey], tmp_path / "a")]
    assert [path.read_bytes() for path in draw("1a", [grey], tmp_path / "b")] == first


def test_a_run_of_the_dense_level_alone(tmp_path):
    run = write_run(tmp_path / "runs", levels=1, hidden=(8, 8))
    for figure in ("1a", "1b", "g", "11", "12"):
        assert all(path.stat().st_size for path in draw(figure, [run], tmp_path / "out"))


def test_nothing_heavy_is_imported_before_drawing_and_no_pyplot_after(grey, tmp_path):
    program = (
        "import sys; from pathlib import Path; import prunescope.figures as f, prunescope.report\n"
        "assert not {'matplotlib', 'polars', 'scipy', 'torch'} & set(sys.modules)\n"
        "from prunescope.runs.directory import Run\n"
        "f.draw('1b', [Run(sys.argv[1])], Path(sys.argv[2]))\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(grey.path), str(tmp_path)], check=True)


@pytest.mark.parametrize(
    ("figure", "options", "message"),
    [
        (7, {}, "unknown figure 7: did you mean '7'?"),
        ("7z", {}, "unknown figure '7z': did you mean '7'? (prunescope list --figures"),
        ("2b", {"levels": [3, 40]}, "no level 40; finished levels are [0, 1, 2"),
        ("3a", {"levels": []}, "no level given"),
        ("3b", {"nodes": [4000]}, "no top images of node 4000; it holds those of ["),
        ("3b", {"nodes": []}, "no node given"),
    ],
)
def test_wrong_options(figure, options, message, seeds, tmp_path):
    with pytest.raises(InputError) as caught:
        draw(figure, seeds, tmp_path, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", [("nodes", "top_images", "top_activations"), ("top_images",)])
def test_a_run_without_top_images_is_refused_in_a_line(missing, grey, tmp_path, monkeypatch):
    read = Run.observations
    monkeypatch.setattr(
        Run,
        "observations",
        lambda run, level: {name: value for name, value in read(run, level).items() if name not in missing},
    )
    with pytest.raises(
        InputError, match=r"level \d+ holds no top images, which this figure shows; figure 3a"
    ):
        draw("3b", [grey], tmp_path)
    assert not list(tmp_path.iterdir())


def described(figure, runs, out, **options):
    [png] = [path for path in draw(figure, runs, out, **options) if path.suffix == ".png"]
    with Image.open(png) as picture:
        return picture.text.get("Description", ""), picture.size


def test_below_a_figure_are_its_images_its_layer_and_why_it_shows_a_level(seeds, tmp_path):
    told, (_, height) = described("1c", seeds, tmp_path)
    assert told == (
        "Accuracies are on 200 validation images, the same for all seeds. "
        "Shown is level\u00a09\u00a0(u\u00a0=\u00a04\u00a0%): that of the best validation accuracy."
    )
    given, (_, lower) = described("1c", seeds[:1], tmp_path / "one", levels=[7])
    assert given == "Accuracies are on 200 validation images."
    assert lower < height  # The notes lie below the figure, a line for each that they need.
    assert described("1a", seeds, tmp_path / "a")[0] == told.partition(" Shown")[0]
    maps, _ = described("2b", seeds, tmp_path / "b")
    assert maps.startswith(
        "Masks are those of layer 1, the first hidden layer. Levels are chosen around level"
    )
    assert described("2a", [], tmp_path / "none")[0] == ""


def test_a_figure_of_a_run_whose_best_masks_are_dense_says_so(tmp_path):
    run = write_run(tmp_path / "runs", hidden=(8,), shape=(1, 6, 6))
    best = polars.when(polars.col("level") == 1).then(0.99).otherwise("best_val_accuracy")
    with open_run(run.experiment, 0, tmp_path / "runs") as writer:
        writer.write_table(run.table.with_columns(best_val_accuracy=best).to_dicts(), run.table.schema)
    told, _ = described("3a", [Run(run.path)], tmp_path)
    assert (
        "Shown is level\u00a011\u00a0(u\u00a0=\u00a02\u00a0%): the level nearest u = 1 %, validation accuracy "
        in told
    )
    assert (
        "; the best, 99.0 % of 200 images, is at level 1, u = 70 %, with masks that are still dense." in told
    )


def test_no_runs(tmp_path):
    with pytest.raises(InputError, match="figure 1a needs runs"):
        draw("1a", [], tmp_path)


@pytest.mark.parametrize("figure", ["1b", "1c", "2b", "g"])
def test_figures_of_one_experiment_refuse_two(figure, seeds, grey, tmp_path):
    with pytest.raises(
        InputError, match=f"figure {figure} takes runs of one experiment, got 2: synthetic, grey"
    ):
        draw(figure, [*seeds, grey], tmp_path)


def test_out_is_a_file(grey, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write there"):
        draw("1a", [grey], tmp_path / "file")


@pytest.mark.parametrize("figure", [figure for figure, spec in FIGURES.items() if spec.fewest])
def test_a_run_without_a_finished_level(figure, grey, tmp_path):
    with (
        open_run(grey.experiment, 7, tmp_path / "runs") as unfinished,
        pytest.raises(InputError, match="no level"),
    ):
        draw(figure, [unfinished], tmp_path / "out")


def test_a_table_is_refused_with_the_figures_that_need_no_geometry(tmp_path):
    changes = {"data": {"source": "npz", "root": "t.npz", "geometry": "none"}}
    run = write_run(tmp_path / "runs", shape=(1, 1, 20), levels=3, changes=changes)
    names = "levels, 1a, 1b, 1c, gain, methods, 6, densities, flow, kurtosis"
    with pytest.raises(InputError, match=f"which figure 2b needs; figures that need none are {names}"):
        draw("2b", [run], tmp_path)
    for name in ("levels", "1a", "1b", "1c", "gain", "methods", "6", "densities"):
        assert draw(name, [run], tmp_path / "drawn")


def test_the_legend_of_removed_nodes_lies_outside_of_the_panels(seeds):
    drawing = figure_1c(seeds, FigureOptions())
    assert drawing.figure.axes[0].get_legend() is None
    assert [text.get_text() for text in drawing.figure.legends[0].get_texts()][-1] == "guessing"


def test_fan_out_of_images_and_series_together_is_maps_and_curves(seeds, tmp_path):
    changes = {"data": {"source": "npz", "root": "s.npz", "geometry": "series"}}
    series = write_run(tmp_path, shape=(2, 1, 24), levels=12, changes=changes)
    maps, curves, bar = figure_10([seeds[0], series], FigureOptions()).figure.axes
    assert (len(maps.images), len(curves.images)) == (1, 0)
    assert len(curves.lines) == 3  # one for each channel, and 1
    assert bar.get_ylabel().endswith("its mean")
