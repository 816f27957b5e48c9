"""Figures as values: run with `pytest tests/notebook/test_plots.py`."""

import io

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import prunescope as ps
from prunescope.errors import InputError
from prunescope.figures import draw


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def saved(figure, **options):
    buffer = io.BytesIO()
    figure.savefig(buffer, **options)
    return pixels(buffer.getvalue())


@pytest.mark.parametrize("figure", ["1a", "3a", "2b"])
def test_a_plot_is_the_figure_of_the_command_and_writes_no_file(figure, finished_run, tmp_path, monkeypatch):
    files = draw(figure, [finished_run], tmp_path / "drawn")
    png = next(path for path in files if path.suffix == ".png")
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    before = dict(matplotlib.rcParams)
    plotted = finished_run.plot(figure)
    assert isinstance(plotted, Figure)
    np.testing.assert_array_equal(saved(plotted, dpi=300), pixels(png.read_bytes()))
    shown = pixels(plotted._repr_png_())
    assert shown.std() > 0
    assert dict(matplotlib.rcParams) == before
    assert list(empty.iterdir()) == []


def test_the_notes_are_shown_by_pyplots_notebook_backend_too(finished_run):
    from IPython.core.pylabtools import print_figure

    plotted = finished_run.plot("1a")
    width, height = plotted.get_size_inches()
    picture = pixels(print_figure(plotted, dpi=100))
    assert picture.shape[0] > 100 * height + 5  # the notes, below the figure
    assert picture.shape[1] >= 100 * width - 1
    assert (picture[int(100 * height) + 4 :] < 250).any()


def test_levels_and_nodes_can_be_chosen(finished_run):
    chosen = finished_run.plot("3b", levels=[2], nodes=[int(finished_run.observations(2)["nodes"][0])])
    assert "level 2" in " ".join(text.get_text() for text in chosen.findobj(matplotlib.text.Text))
    with pytest.raises(InputError, match="unknown figure '1z'"):
        finished_run.plot("1z")


def test_a_mask_is_drawn_whole_or_by_its_units():
    mask = ps.Mask(np.random.default_rng(0).random((40, 108)) < 0.2)
    whole = mask.plot()
    texts = " ".join(text.get_text() for text in whole.findobj(matplotlib.text.Text))
    assert f"{mask.kept} kept" in texts
    assert "40 units" in texts
    [image] = whole.axes[0].images
    np.testing.assert_array_equal(np.asarray(image.get_array()), mask.array)
    units = mask.plot((3, 6, 6))
    images = [image for axes in units.axes for image in axes.images]
    assert len(images) == 30
    first = np.argmax(mask.fan_in)
    np.testing.assert_array_equal(
        np.asarray(images[0].get_array()), mask.array[first].reshape(3, 6, 6).transpose(1, 2, 0)
    )
    assert saved(units).std() > 0
    assert ps.Mask(np.ones((4, 36))).plot((2, 1, 18))._repr_png_()
    with pytest.raises(InputError, match="3x5x6 does not hold 108 inputs"):
        mask.plot((3, 5, 6))


def test_a_mask_without_a_weight_and_a_very_wide_one_are_drawn():
    for mask in (np.zeros((3, 4), bool), np.ones((1, 5000), bool), np.ones((5000, 1), bool)):
        assert pixels(ps.Mask(mask).plot()._repr_png_()).size
