"""These tests turn picture files of every kind into 8-bit pixels, and refuse those whose range is unknown."""

import numpy as np
import pytest
from PIL import Image

from prunescope.data.sources.pictures import Tally, check, square
from prunescope.errors import InputError

RAMP = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
EIGHT_BITS = np.rint(RAMP / 257).astype(np.uint8)


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def read(path, mode="L", tally=None):
    pixels = square(path, 8, mode, tally or Tally())
    return pixels.tolist() if mode == "L" else pixels


@pytest.mark.parametrize("name", ["ramp.png", "ramp.tif", "ramp.pgm"])
def test_sixteen_bits_keep_their_greys(tmp_path, name):
    path = saved(tmp_path / name, RAMP)
    assert read(path) == EIGHT_BITS.tolist()
    assert (read(path, "RGB") == EIGHT_BITS[..., None]).all()
    assert check(path)


def test_pgm_of_twelve_bits_reaches_white(tmp_path):
    values = np.rint(RAMP * (4095 / 65535)).astype(">u2")
    (tmp_path / "twelve.pgm").write_bytes(b"P5 8 8 4095\n" + values.tobytes())
    assert np.abs(np.array(read(tmp_path / "twelve.pgm")) - values * (255 / 4095)).max() <= 0.51


def test_sixteen_bits_that_stay_dark_are_said(tmp_path):
    tally = Tally()
    read(saved(tmp_path / "dark.png", RAMP // 16), tally=tally)
    assert tally.notes() == (
        "1 images of 16 bits reach 4,095 of 65,535: divided by 257 they keep 17 grey levels; scale them before",
    )
    read(saved(tmp_path / "bright.png", RAMP), tally=tally)
    assert tally.notes() == ()


def test_floats_from_zero_to_one_become_bytes(tmp_path):
    path = saved(tmp_path / "f.tif", (RAMP / 65535).astype(np.float32))
    assert read(path) == EIGHT_BITS.tolist()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((8, 8), 255, np.float32), "float pixels from 255 to 255, they must lie in [0, 1]"),
        (np.full((8, 8), -0.5, np.float32), "float pixels from -0.5 to -0.5"),
        (np.full((8, 8), np.nan, np.float32), "has NaN or infinite pixels"),
        (np.arange(64, dtype=np.int32).reshape(8, 8), "32-bit integers from 0 to 63: which value is white"),
    ],
)
def test_numbers_of_unknown_range_are_refused_before_anything_is_read(tmp_path, array, message):
    path = saved(tmp_path / "x.tif", array)
    for act in (check, read):
        with pytest.raises(InputError) as caught:
            act(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert message in str(caught.value)


def test_transparent_pixels_are_put_on_black(tmp_path):
    image = np.full((8, 8, 4), 200, np.uint8)
    image[..., 3] = np.repeat([0, 51, 255, 255], 2)[:, None]
    expected = np.repeat([0, 40, 200, 200], 2)
    tally = Tally()
    colour = read(saved(tmp_path / "rgba.png", image), "RGB", tally)
    assert (colour == expected[:, None, None]).all()
    assert (
        read(saved(tmp_path / "la.png", image[..., 2:]), tally=tally)
        == np.tile(expected[:, None], 8).tolist()
    )
    assert tally.notes() == ("2 images with transparent pixels: put on black",)


def test_an_opaque_alpha_channel_changes_nothing(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    image[..., 3] = 255
    tally = Tally()
    assert (read(saved(tmp_path / "x.png", image), "RGB", tally) == image[..., :3]).all()
    assert tally.notes() == ()


def test_palettes_keep_their_colours_and_their_transparency(tmp_path):
    image = Image.new("P", (8, 8))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(1, (0, 0, 8, 4))
    image.save(tmp_path / "p.png")
    assert not check(tmp_path / "p.png")
    assert read(tmp_path / "p.png", "RGB")[[0, 7], 0].tolist() == [[200, 100, 50], [10, 20, 30]]
    image.save(tmp_path / "t.png", transparency=0)
    assert read(tmp_path / "t.png", "RGB")[[0, 7], 0].tolist() == [[200, 100, 50], [0, 0, 0]]


def test_four_inks_and_one_bit(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "c.tif")
    assert read(tmp_path / "c.tif", "RGB")[0, 0].tolist() == [255, 0, 0]
    bits = np.arange(64).reshape(8, 8) % 2 > 0
    assert read(saved(tmp_path / "b.png", bits)) == (bits * 255).tolist()


def test_colours_that_are_not_read_are_named(tmp_path):
    Image.new("LAB", (8, 8)).save(tmp_path / "lab.tif")
    with pytest.raises(InputError, match=r"lab.tif: its colours are LAB, which are not read: store RGB"):
        read(tmp_path / "lab.tif", "RGB")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_pictures_are_turned_the_right_way_up(tmp_path, orientation, suffix):
    upright = np.arange(64, dtype=np.uint8).reshape(8, 8)
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
        6: np.rot90(upright, 1), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"x.{suffix}", np.ascontiguousarray(stored), exif=exif)
    assert read(path) == upright.tolist()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_data_changes_nothing(tmp_path):
    image = np.full((8, 8, 3), 90, np.uint8)
    path = saved(tmp_path / "x.jpg", image, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12", quality=100)
    assert np.abs(read(path, "RGB").astype(int) - 90).max() <= 1


@pytest.mark.parametrize("form", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_read_and_it_is_said(tmp_path, form):
    frames = [Image.new("L", (8, 8), value) for value in (40, 120, 200)]
    path = tmp_path / f"x.{form.lower()}"
    frames[0].save(path, form, save_all=True, append_images=frames[1:], lossless=True)
    tally = Tally()
    assert np.abs(read(path, "RGB", tally).astype(int) - 40).max() <= 2
    assert tally.notes() == (f"1 images of several frames: the first frame of each ({path}, …)",)


def test_enlarged_pictures_are_said_with_the_smallest(tmp_path):
    tally = Tally()
    for side, other in ((8, 9), (9, 20), (4, 9), (9, 6)):
        read(saved(tmp_path / f"{side}x{other}.png", np.zeros((side, other), np.uint8)), tally=tally)
    (note,) = tally.notes()
    assert note.startswith("2 images enlarged to data.size, the smallest from 4 pixels")
    small = saved(tmp_path / "small.png", np.array([[10, 200], [60, 90]], np.uint8))
    assert read(small) == np.kron([[10, 200], [60, 90]], np.ones((4, 4), int)).tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: b"", "empty file"),
        (lambda whole: whole[: len(whole) // 2], "truncated or not an image"),
        (lambda whole: b"hello", "truncated or not an image"),
        (lambda whole: whole[:8] + bytes(200), "truncated or not an image"),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "webp", "bmp"])
def test_damaged_files_are_named(tmp_path, content, message, suffix):
    rng = np.random.default_rng(0)
    path = saved(tmp_path / f"x.{suffix}", rng.integers(0, 256, (8, 8, 3), np.uint8))
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        read(path, "RGB")
    assert str(caught.value) == f"{path}: {message}"
