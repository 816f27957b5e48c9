"""These tests turn images of every kind that Pillow opens into bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from prunescope.data.sources.decoding import flat, is_grey
from prunescope.errors import InputError


def stored(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return Image.open(io.BytesIO(stream.getvalue()))


def pixels(image, mode):
    return np.asarray(flat(image, mode, "image 0")).tolist()


RAMP = np.array([[0, 257, 32768, 65535]], np.uint16)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_divided_not_cut_off(form):
    opened = stored(Image.fromarray(RAMP), form)
    assert is_grey(opened)
    assert pixels(opened, "L") == [[0, 1, 128, 255]]
    assert pixels(opened, "RGB") == [[[0] * 3, [1] * 3, [128] * 3, [255] * 3]]


def test_floats_in_the_unit_interval_are_scaled_and_others_are_refused():
    assert pixels(stored(Image.fromarray(np.float32([[0, 0.5, 1]])), "TIFF"), "L") == [[0, 128, 255]]
    for wrong in (1.5, -0.1, np.nan):
        with pytest.raises(InputError, match=r"image 0 holds floats outside \[0, 1\]: save it with 8 or 16"):
            pixels(stored(Image.fromarray(np.float32([[0, wrong]])), "TIFF"), "L")


def test_integers_of_32_bits_are_refused():
    with pytest.raises(InputError, match="image 0 holds integers of 32 bits, of which white is not known"):
        pixels(stored(Image.fromarray(np.int32([[0, 255]])), "TIFF"), "L")


def test_transparent_parts_are_black_and_opaque_ones_unchanged():
    clear = np.uint8([[[10, 20, 30, 255], [10, 20, 30, 0], [100, 200, 50, 128]]])
    assert pixels(stored(Image.fromarray(clear)), "RGB") == [[[10, 20, 30], [0, 0, 0], [50, 100, 25]]]
    assert pixels(stored(Image.fromarray(np.uint8([[[9, 255], [9, 0]]]), "LA")), "L") == [[9, 0]]


def test_palettes_give_their_colours():
    image = Image.fromarray(np.uint8([[0, 1]]), "P")
    image.putpalette([200, 10, 20, 5, 6, 7])
    opened = stored(image)
    assert not is_grey(opened)
    assert pixels(opened, "RGB") == [[[200, 10, 20], [5, 6, 7]]]
    assert pixels(stored(image, transparency=1), "RGB") == [[[200, 10, 20], [0, 0, 0]]]


def test_exif_turns_the_image():
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    opened = stored(Image.fromarray(np.uint8([[1, 2, 3], [4, 5, 6]])), exif=exif)
    assert pixels(opened, "L") == [[4, 1], [5, 2], [6, 3]]


def test_black_and_white_and_colour_where_grey_is_expected():
    assert pixels(stored(Image.fromarray(np.array([[True, False]]))), "L") == [[255, 0]]
    with pytest.raises(InputError, match="image 0 is in colour, the training images are grey"):
        pixels(stored(Image.new("RGB", (2, 2))), "L")
