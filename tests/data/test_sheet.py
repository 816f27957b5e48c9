"""These tests check sample sheets, and that importing the package loads nothing heavy."""

import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from prunescope.data import open_dataset, prepare, sample_sheet
from prunescope.data.sheet import check_sheet
from prunescope.errors import InputError
from prunescope.experiment import Data


def size(path):
    with Image.open(path) as image:
        return image.size


def test_a_sheet_shows_the_images_of_each_class(small_npz, tmp_path, images):
    out = sample_sheet(
        prepare(Data(source="npz", root=str(small_npz))), tmp_path / "new" / "s.png", columns=4
    )
    with Image.open(out) as image:
        picture = np.asarray(image.convert("RGB"))
    colours = set(map(tuple, picture.reshape(-1, 3).tolist()))
    for image in images[0]:
        shown = [tuple(pixel) in colours for pixel in image.reshape(-1, 3).tolist()]
        assert np.mean(shown) > 0.9  # pixels are enlarged, not blended


def test_a_sheet_of_many_classes_keeps_to_its_rows(write_official, tmp_path):
    folder = prepare(Data(source="imagenet32", root=str(write_official())))
    few, many = (
        size(sample_sheet(folder, tmp_path / f"{rows}.png", columns=3, rows=rows))[1] for rows in (3, 12)
    )
    assert few < many < 1500


def test_a_sheet_under_the_name_of_another_form_is_refused(small_npz, tmp_path):
    folder = prepare(Data(source="npz", root=str(small_npz)))
    with pytest.raises(
        InputError, match=r"s\.xyz: sheets of samples are PNG images: let its name end in \.png"
    ):
        sample_sheet(folder, tmp_path / "s.xyz")
    assert not (tmp_path / "s.xyz").exists()


def test_a_sheet_of_a_stream(tmp_path):
    dataset = open_dataset(Data(source="nlgp", size=8, validation=10, heldout=10), 0)
    assert size(sample_sheet(dataset, tmp_path / "n.png"))[0] > 500


@pytest.mark.parametrize(
    ("geometry", "shape", "title"),
    [
        (
            "series",
            (40, 3, 16),
            "npz · 40 training, 6 validation series · 16 samples, 3 channels · 2 classes",
        ),
        ("none", (40, 5), "npz · 40 training, 6 validation rows · 5 features · 2 classes"),
    ],
)
def test_series_are_curves_and_features_are_bars(tmp_path, monkeypatch, geometry, shape, title):
    values, labels = np.random.default_rng(0).normal(size=shape), np.arange(40) % 2
    np.savez(tmp_path / "s.npz", x_train=values, y_train=labels, x_test=values[:6], y_test=labels[:6])
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *rest, **options: drawn.append(figure))
    sample_sheet(
        prepare(Data(source="npz", root=str(tmp_path / "s.npz"), geometry=geometry)),
        tmp_path / "a.png",
        columns=4,
    )
    (figure,) = drawn
    assert [text.get_text() for text in figure.texts] == [title]
    cells = figure.axes
    assert len(cells) == 2 * 4
    assert not any(cell.images for cell in cells)
    if geometry == "series":
        assert {len(cell.lines) for cell in cells} == {3}
        assert {len(line.get_xdata()) for cell in cells for line in cell.lines} == {16}
    else:
        assert {len(cell.patches) for cell in cells} == {5}


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, prunescope.data; "
        "print([m for m in ('torch', 'polars', 'PIL', 'scipy', 'skimage', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.fixture
def odd_set(tmp_path):
    """Return a prepared folder of two classes with odd names and one image a class in each part, of one pixel."""
    names = np.array(["$\\frac{$", "\N{FOX FACE}"])
    pixels = np.zeros((2, 1, 1), np.uint8)
    np.savez(tmp_path / "odd.npz", x_train=pixels, y_train=names, x_test=pixels, y_test=names)
    return prepare(Data(source="npz", root=str(tmp_path / "odd.npz")))


def test_a_sheet_of_images_of_one_pixel_and_classes_with_odd_names(odd_set, tmp_path):
    assert size(sample_sheet(odd_set, tmp_path / "odd.PNG"))[0] > 100


def test_a_sheet_that_cannot_be_drawn_leaves_the_one_that_was_there(odd_set, tmp_path, monkeypatch):
    (tmp_path / "s.png").write_bytes(b"before")

    def broken(figure, file, **options):
        file.write(b"half")
        raise RuntimeError("cannot be drawn")

    monkeypatch.setattr(Figure, "savefig", broken)
    with pytest.raises(RuntimeError, match="cannot be drawn"):
        sample_sheet(odd_set, tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes() == b"before"
    assert not list(tmp_path.glob(".s.png*"))


@pytest.mark.parametrize("kind", ["folder", "pipe", "below a file", "long"])
def test_a_place_where_no_sheet_can_be_written_is_refused_before_the_work(tmp_path, kind):
    path = tmp_path / "s.png"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "below a file":
        (tmp_path / "file").touch()
        path = tmp_path / "file" / "new" / "s.png"
    else:
        path = tmp_path / f"{'s' * 300}.png"
    with pytest.raises(InputError, match=r"s\.png: .") as caught:
        check_sheet(path)
    assert "\n" not in str(caught.value)
