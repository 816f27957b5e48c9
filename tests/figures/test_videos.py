"""Movies: their frames are read back, their pictures are where the layout says, and ffmpeg may be missing."""

import subprocess
import sys

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from prunescope.errors import InputError
from prunescope.figures import draw
from prunescope.figures.parts.movie import CAPTION, HEADER, HEIGHT, HELD, LAST, WIDTH, Layout

pytestmark = pytest.mark.usefixtures("coarse")


def _frames(path):
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        path,
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    pixels = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(pixels, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (64, 64), (28, 20), (1, 100), (200, 9), (500, 500)])
@pytest.mark.parametrize("most", [40, 7, 1])
def test_pictures_stand_beside_each_other_within_the_frame(size, most):
    layout = Layout.of(most, *size)
    assert 1 <= layout.count <= most
    height, width = size[0] * layout.scale, size[1] * layout.scale
    taken = np.zeros((HEIGHT, WIDTH), int)
    for number in range(layout.count):
        x, y = layout.corner(number)
        assert min(x, y - HEADER - CAPTION) >= 0
        assert x + width <= WIDTH
        assert y + height <= HEIGHT
        taken[y : y + height, x : x + width] += 1
    assert taken.max() == 1


def test_the_layout_fills_the_frame():
    layout = Layout.of(40, 16, 16)
    assert (layout.count, layout.columns, layout.scale) == (36, 9, 8)  # 36·8² > 40·7²
    assert Layout.of(40, 16, 16, fewest=40).scale == 7


@pytest.mark.parametrize(("most", "fewest"), [(1, None), (40, 40)])
def test_pictures_that_do_not_fit(most, fewest):
    with pytest.raises(InputError, match="of 700x700 pixels do not fit"):
        Layout.of(most, 700, 700, fewest=fewest)


def test_movies_show_the_masks_level_by_level(seeds, tmp_path):
    run = seeds[0]
    *_, masks, weights, data = draw("videos", seeds, tmp_path, levels=[2, 9])
    with np.load(data) as arrays:
        nodes, levels = arrays["nodes"], arrays["levels"].tolist()
        assert levels == [2, 9]
        for place, level in enumerate(levels):
            kept = run.mask(level).array[nodes]
            assert np.array_equal(arrays["masks"][place].reshape(len(nodes), -1), kept)
            assert np.array_equal(arrays["fan_in"][place], kept.sum(axis=1))
            shown = arrays["weights"][place].reshape(len(nodes), -1)
            assert np.array_equal(shown, run.model(level).layers[0].weight[nodes] * kept)
    assert run.mask(9).fan_in[nodes].tolist() == sorted(run.mask(9).fan_in, reverse=True)[: len(nodes)]
    layout = Layout.of(len(nodes), 12, 12, fewest=len(nodes))
    for path in (masks, weights):
        assert len(_frames(path)) == 2 * HELD + LAST
    for level, shown in ((2, _frames(masks)[0]), (9, _frames(masks)[-1])):
        for number in (0, len(nodes) - 1):
            x, y = layout.corner(number)
            middles = layout.scale // 2 + layout.scale * np.arange(12)
            picture = shown[np.ix_(y + middles, x + middles)].mean(axis=2) > 127  # half of the chroma is lost
            kept = run.mask(level).images(run.shape)[nodes[number]].sum(axis=0)
            assert (picture[kept == 3]).all()
            assert not picture[kept == 0].any()


def test_the_same_run_gives_the_same_movie(grey, tmp_path):
    first, second = (draw("videos", [grey], tmp_path / name, levels=[3], nodes=[4, 2]) for name in "ab")
    assert [path.read_bytes() for path in first[2:4]] == [path.read_bytes() for path in second[2:4]]


def test_without_ffmpeg_it_is_a_gif(grey, tmp_path, monkeypatch):
    def missing():
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)
    paths = draw("videos", [grey], tmp_path, levels=[0, 2, 5], nodes=[1])
    assert [path.name for path in paths[2:4]] == ["figure-videos-masks.gif", "figure-videos-weights.gif"]
    with Image.open(paths[2]) as movie:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(movie)]
    assert durations == [100 * HELD, 100 * HELD, 100 * (HELD + LAST)]


def test_an_ffmpeg_that_fails_is_told(grey, tmp_path, monkeypatch):
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: sys.executable)
    with pytest.raises(RuntimeError, match="ffmpeg failed"):
        draw("videos", [grey], tmp_path, levels=[3], nodes=[1])


@pytest.mark.parametrize(
    ("nodes", "message"), [([99], "no node 99; the first layer has nodes 0 to 39"), ([], "no node given")]
)
def test_wrong_nodes(nodes, message, grey, tmp_path):
    with pytest.raises(InputError, match=message):
        draw("videos", [grey], tmp_path, nodes=nodes)
