"""Figures of series, tables and images that are not square: run with `pytest tests/figures/test_series.py`."""

from importlib import import_module

import numpy as np
import polars
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure

from prunescope.analysis.groups import FigureOptions
from prunescope.errors import InputError
from prunescope.figures.extra.atlas import figure_atlas
from prunescope.figures.extra.relative_locality import figure_g
from prunescope.figures.paper.accuracy import levels
from prunescope.figures.paper.comparison import figure_5
from prunescope.figures.paper.connectivity import figure_1b, figure_10
from prunescope.figures.paper.locality import figure_2b
from prunescope.figures.paper.masks import figure_3a, figure_3b
from prunescope.figures.paper.variants import figure_20
from prunescope.figures.parts.series import SeriesPicture, raster_image
from prunescope.figures.parts.style import STYLE
from prunescope.figures.registry import find_figure
from prunescope.observables import fan_in, uniform_null
from stored_runs import write_run

SERIES = {"data": {"source": "npz", "root": "series.npz", "geometry": "series", "size": 32}}
TABLE = {"data": {"source": "npz", "root": "table.npz", "geometry": "none", "size": 32}}
SHAPE = (3, 1, 40)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("series"), shape=SHAPE, levels=6, changes=SERIES)


@pytest.fixture(scope="module")
def one_channel(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("one"), shape=(1, 1, 64), levels=6, changes=SERIES)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("table"), shape=(1, 1, 20), levels=4, changes=TABLE)


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("wide"), shape=(1, 4, 12), levels=6)


def _drawn(function, run, *, levels=None, nodes=None):
    with rc_context(STYLE):
        return function([run], FigureOptions(levels, nodes))


def _words(figure: Figure) -> str:
    """All text of a figure, one a line."""
    figure.draw_without_rendering()
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


def _lines(axes, gid):
    return [line for line in axes.lines if line.get_gid() == gid]


def test_pairs_are_curves_over_the_lag_beside_chance(series):
    drawing = _drawn(figure_2b, series, levels=(2, 5))
    panels = [axes for axes in drawing.figure.axes if _lines(axes, "pairs")]
    assert len(panels) == 4  # two levels, same and different channels
    for column, level in enumerate((2, 5)):
        expected = uniform_null(fan_in(series.mask(level)), SHAPE)
        for row, kind in enumerate(("same", "different")):
            axes = panels[2 * row + column]
            (counted,), (chance,) = _lines(axes, "pairs"), _lines(axes, "null")
            np.testing.assert_array_equal(counted.get_xdata(), np.arange(-39, 40))
            away = np.arange(-39, 40) != 0
            np.testing.assert_array_equal(
                counted.get_ydata()[away], drawing.data[f"level{level}_{kind}"][0, away]
            )
            np.testing.assert_allclose(chance.get_ydata()[away], getattr(expected, kind)[0, away])
            assert np.isnan(counted.get_ydata()[39]) == (kind == "same")
            np.testing.assert_allclose(drawing.data[f"level{level}_{kind}_null"], getattr(expected, kind))
    words = _words(drawing.figure)
    assert "lag (samples)" in words
    assert "by chance" in words
    assert "pixels" not in words
    assert "$d_y$" not in words


def test_g_is_drawn_over_lags_alone(series):
    drawing = _drawn(figure_g, series, levels=(2, 5))
    assert len(drawing.figure.axes) == 2
    assert {axes.get_xlabel() for axes in drawing.figure.axes} == {"lag $|d|$ (samples)"}
    trained = drawing.figure.axes[1].get_lines()[1]
    np.testing.assert_array_equal(trained.get_ydata(), drawing.data["level5_radial"])


@pytest.mark.parametrize("name", ["series", "one_channel"])
def test_masks_are_rows_of_a_raster_over_time(request, name):
    run = request.getfixturevalue(name)
    drawing = _drawn(figure_3a, run)
    (page,) = drawing.figure.axes
    (raster,) = page.images
    channels, length = run.shape[0], run.shape[2]
    assert raster.get_array().shape == (30 * channels, length, 3)
    kept = (np.asarray(raster.get_array()) < 1).any(axis=-1).reshape(30, channels, length)
    np.testing.assert_array_equal(kept, drawing.data["masks"][:, :, 0])
    words = _words(drawing.figure).split("\n")
    assert "time (samples)" in words
    assert ("channel 2" in words) == (channels == 3)
    assert str(drawing.data["fan_in"][0]) in words


def test_chosen_nodes_have_weights_and_strongest_series_over_time(one_channel):
    drawing = _drawn(
        figure_3b, one_channel, nodes=(int(one_channel.observations(5)["nodes"][0]),), levels=(5,)
    )
    (page,) = drawing.figure.axes
    assert not page.images
    words = _words(drawing.figure).split("\n")
    assert {"mask", "weights", "series 1", "series 3", "samples", "0", "64"} <= set(words)
    curves = [line for line in page.lines if len(line.get_xdata()) == 64]
    assert len(curves) == 3
    stored = drawing.data["top_images"][0, :, 0, 0]
    for curve, values in zip(curves, stored, strict=True):
        assert np.corrcoef(curve.get_ydata(), values)[0, 1] == pytest.approx(-1)  # y points down


def test_weights_are_areas_and_pruned_ones_are_gaps():
    axes = Figure(figsize=(2, 2)).add_axes((0, 0, 1, 1))
    weights = np.array([[0.0, 0.5, -1.0, 0.0]])
    SeriesPicture(weights, "weights").draw(axes, (0.0, 0.0), 4.0)
    middle = 4.0 * 0.4 / 2
    up, down = (area.get_paths()[0].vertices for area in axes.collections)
    raised, lowered = up[up[:, 1] < middle - 1e-9], down[down[:, 1] > middle + 1e-9]
    assert {(x, y) for x, y in raised.round(6)} == {(1.0, 0.432), (2.0, 0.432)}
    assert {(x, y) for x, y in lowered.round(6)} == {(2.0, 1.536), (3.0, 1.536)}


def test_a_raster_has_a_line_for_each_channel_of_each_node():
    masks = np.zeros((2, 2, 3), np.bool_)
    masks[1, 0, 2] = True
    image = raster_image(masks)
    assert image.shape == (4, 3, 3)
    assert np.argwhere((image < 1).any(axis=-1)).tolist() == [[2, 2]]


def test_fan_out_is_a_curve_for_each_channel(series):
    drawing = _drawn(figure_10, series)
    (axes,) = drawing.figure.axes
    (counts,) = drawing.data.values()
    curves = [line for line in axes.lines if len(line.get_xdata()) == 40]
    assert [line.get_label() for line in curves] == ["channel 0", "channel 1", "channel 2"]
    for curve, values in zip(curves, counts[:, 0], strict=True):
        np.testing.assert_allclose(curve.get_ydata(), values / counts.mean())
    assert axes.get_xlabel() == "time (samples)"


def test_columns_of_experiments_hold_curves_and_rasters(series):
    drawing = _drawn(figure_5, series)
    labels = {axes.get_xlabel() for axes in drawing.figure.axes if axes.get_visible()}
    assert {"lag (samples)", "time (samples)", "$C_{in}$"} <= labels


def test_the_atlas_has_tiles_wide_enough_for_curves(series):
    drawing = _drawn(figure_atlas, series)
    assert not drawing.figure.axes[0].images
    assert _words(drawing.figure).split("\n").count("samples") == 2 * 6  # below the last row of each sheet


def test_directions_of_series_are_refused_in_one_line(series):
    with pytest.raises(
        InputError, match=r"its inputs are series, which have no directions; figure 20 needs images$"
    ):
        _drawn(figure_20, series)


@pytest.mark.parametrize("name", ["4", "9", "11", "12", "13", "14", "15", "18", "21", "22"])
def test_no_other_figure_of_series_draws_images_one_pixel_high(series, name):
    module, function = find_figure(name).source.split(":")
    drawing = _drawn(getattr(import_module(f"prunescope.figures.{module}"), function), series)
    pictures = [image.get_array() for axes in drawing.figure.axes for image in axes.images]
    assert all(len(picture) > 1 for picture in pictures)
    assert "pixels" not in _words(drawing.figure)


def test_locality_of_a_table_is_said_to_be_undefined(table):
    rows = table.table.with_columns(
        polars.lit(None, polars.Float64).alias(name) for name in table.table.columns if "locality" in name
    )
    table._read = (table._read[0], rows)
    drawing = _drawn(levels, table)
    middle = drawing.figure.axes[1]
    assert [text.get_text() for text in middle.texts] == [
        "not defined: features of a table\nhave no positions"
    ]
    assert middle.get_legend() is None
    assert _drawn(figure_1b, table).figure.axes


def test_figures_of_positions_refuse_tables(table):
    with pytest.raises(InputError, match=r"its inputs have no geometry \(data.geometry=none\)"):
        _drawn(figure_3a, table)


def test_a_wide_map_is_labelled_within_its_reach(wide):
    drawing = _drawn(figure_2b, wide, levels=(5,))
    axes = drawing.figure.axes[0]
    assert axes.get_yticks().tolist() == [-3, 0, 3]
    assert axes.get_xticks().tolist() == [-10, 0, 10]
    assert axes.get_ylim() == (3.5, -3.5)
