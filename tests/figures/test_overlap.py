"""The figures of what masks share: run with `pytest tests/figures/test_overlap.py`."""

import numpy as np
import polars
import pytest
from matplotlib import rc_context

from prunescope.analysis.groups import FigureOptions
from prunescope.figures import draw
from prunescope.figures.extra.overlap import figure_overlap
from prunescope.figures.layer_overlaps import draw_overlap, overlap_drawing
from prunescope.figures.parts.style import STYLE
from prunescope.layers import overlap
from reference.overlaps import ragged
from stored_runs import write_run

pytestmark = pytest.mark.usefixtures("coarse")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return [write_run(out, seed=seed, shape=(1, 5, 5), hidden=(8, 6), levels=4) for seed in range(2)]


def curves(axes, colour):
    """The curves with markers of a colour."""
    return [line for line in axes.get_lines() if line.get_color() == colour and line.get_marker() != "None"]


def test_the_figure_of_runs_draws_what_its_table_says(runs):
    with rc_context(STYLE):
        drawing = figure_overlap(runs, FigureOptions(levels=(2, 3)))
    top, bottom = np.array(drawing.figure.axes).reshape(2, 2)
    rows = drawing.data.filter(layer=2).sort("level")
    for colour, side in (("#0072B2", ""), ("#D55E00", "matched_")):
        share, null = (rows[f"{side}{name}_mean"].to_numpy() for name in ("share", "null"))
        (curve,) = curves(top[1], colour)
        assert curve.get_ydata() == pytest.approx(100 * share)
        assert curve.get_xdata() == pytest.approx([0.49, 0.343])
        (curve,) = curves(bottom[1], colour)
        assert curve.get_ydata() == pytest.approx(share / null)
    assert [one.get_title() for one in top] == ["layer 1", "layer 2"]
    names = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert names[-1] == "seeds of synthetic"


def test_a_run_alone_has_no_matched_units(runs, tmp_path):
    paths = draw("overlap", runs[:1], tmp_path)
    assert [path.name for path in paths] == [f"figure-overlap.{end}" for end in ("pdf", "png", "csv")]
    assert polars.read_csv(paths[-1])["matched_share_mean"].null_count() == 4


def test_the_figure_of_layers_draws_points_and_chance(runs, tmp_path):
    found = overlap(*runs, levels=2)
    with rc_context(STYLE):
        axes = overlap_drawing(found).figure.axes[0]
    points = [line.get_xdata() for line in axes.get_lines() if line.get_marker() == "o"]
    assert points[0] == pytest.approx([100 * layer.stored.share.value for layer in found])
    assert points[1] == pytest.approx([100 * layer.matched.share.value for layer in found])
    bar = axes.patches[0]
    null = found[0].stored.share
    assert bar.get_x() + bar.get_width() == pytest.approx(100 * (null.null_mean + 2 * null.null_sd))
    assert [text.get_text() for text in axes.get_yticklabels()] == ["layer 1  8x25", "layer 2  6x8"]
    assert found.plot()._repr_png_()[1:4] == b"PNG"
    paths = draw_overlap(found, tmp_path)
    table = polars.read_csv(paths[-1])
    assert table["matched_share"].to_list() == [layer.matched.share.value for layer in found]


def test_of_many_layers_the_farthest_from_chance_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.figures.layer_overlaps.MOST_LAYERS", 2)
    names = ("alike", "other", "long" * 20)
    first = {name: ragged(8, 12, 0.3, seed=n).array for n, name in enumerate(names)}
    second = first | {"other": ragged(8, 12, 0.3, seed=9).array}
    np.savez(tmp_path / "a.npz", **first)
    np.savez(tmp_path / "b.npz", **second)
    with rc_context(STYLE):
        drawing = overlap_drawing(overlap(tmp_path / "a.npz", tmp_path / "b.npz", match=False))
    labels = [text.get_text() for text in drawing.figure.axes[0].get_yticklabels()]
    assert [label.split()[0] for label in labels] == ["alike", f"…{names[2][-33:]}"]
    assert "2 of 3 layers" in drawing.notes[1]
    assert len(drawing.data) == 3
