"""The page of a run on series: run with `pytest tests/report/test_series.py`."""

import numpy as np
import pytest

from prunescope.errors import InputError
from prunescope.report import write_report
from prunescope.report.page import describe
from stored_runs import write_run

SERIES = {"data": {"source": "npz", "root": "series.npz", "geometry": "series", "size": 32}}
SHAPE = (2, 1, 40)
PIXELS = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("series"), shape=SHAPE, levels=6, changes=SERIES)


@pytest.fixture
def page(open_page, series, tmp_path):
    return open_page(write_report([series], tmp_path / "series.html"))


def _canvas(page, selector):
    canvas = page.locator(selector)
    height, width = canvas.evaluate("canvas => [canvas.height, canvas.width]")
    return np.array(canvas.evaluate(PIXELS)).reshape(height, width, 4)[..., :3]


def test_a_run_is_described_by_samples_and_channels(series):
    assert "(40 samples, 2 channels, 2 classes)" in describe(series)


def test_the_page_speaks_of_series_of_samples(page):
    words = page.locator("body").inner_text()
    assert "Pairs of samples kept by the same node" in words
    assert "lie within 2 samples of each other" in words
    assert "200 series" in words
    assert "close pairs of samples per node" in words
    assert "lag d (samples)" in words
    assert "lag |d| (samples)" in words
    for word in ("pixel", "image", "axes over diagonals"):
        assert word not in words


def test_masks_are_bars_in_a_row_for_each_channel(page, series):
    node = int(np.argsort(-series.mask(5).fan_in, kind="stable")[0])
    page.locator("#level").evaluate("(s) => { s.value = 5; s.dispatchEvent(new Event('input')); }")
    picture = _canvas(page, "#trained .node >> nth=0 >> canvas >> nth=0")
    rows = picture.reshape(2, picture.shape[0] // 2, 40, -1, 3)
    middle = rows[:, rows.shape[1] // 2, :, rows.shape[3] // 2]
    np.testing.assert_array_equal((middle < 255).any(axis=-1), series.mask(5).array[node].reshape(2, 40))


def test_pairs_are_curves_and_maps_are_hidden(page):
    assert page.locator("#same").is_hidden()
    assert page.locator("#different").is_hidden()
    counts = page.locator("#same-lags path.line").get_attribute("d")
    assert counts.count("L") + 1 == 2 * 40 - 2  # every lag but 0
    assert page.locator("#same-lags path.dash").count() == 1
    assert page.locator("#same-caption").inner_text().split() == ["counted", "pairs", "by", "chance"]
    page.locator("input[name=scale][value=relative]").check()
    assert "pairs over chance" in page.locator("#different-caption").inner_text()


def test_a_node_has_its_strongest_series_as_curves(page, series):
    page.locator("button.node").first.click()
    words = page.locator("#node").inner_text()
    assert "Validation series that activate it most" in words
    assert "mask, 40 samples from left to right" in words
    assert "samples." in page.locator("#node-text").inner_text()
    curve = _canvas(page, "#node-images canvas >> nth=0")
    level = int(page.locator("#reading b").inner_text().split()[1])
    values = series.observations(level)["top_images"][0, 0].reshape(2, 40) / 255
    height, step = curve.shape[0] // 2, curve.shape[1] // 40
    drawn = (curve < 200).any(axis=-1)
    for channel in range(2):
        for time in (1, 20, 38):
            y = channel * height + height * (0.92 - 0.84 * values[channel, time])
            near = drawn[int(y) - 4 : int(y) + 5, int((time + 0.5) * step)]
            assert near.any()


def test_images_of_two_channels_are_refused(tmp_path):
    run = write_run(tmp_path, shape=(2, 6, 6), levels=3)
    with pytest.raises(InputError, match="images have 2 channels; a report shows images of 1 or 3"):
        write_report([run], tmp_path / "page.html")


def test_a_wide_map_keeps_its_shape(open_page, tmp_path):
    run = write_run(tmp_path, shape=(1, 4, 12), levels=4)
    page = open_page(write_report([run], tmp_path / "wide.html"))
    box = page.locator("#same").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(23 / 7, rel=0.02)
    assert "d from −11 to 11 pixels across, −3 to 3 down" in page.locator("#same-caption").inner_text()
    assert "12×4 pixels, grey" in page.locator("header").inner_text()
