"""These tests open image files that would start programs, fill the memory or never end."""

import io
import os
import socket
import struct
import sys
import zlib

import polars as pl
import pytest
from PIL import EpsImagePlugin, Image

from prunescope import memory
from prunescope.data.prepared.preparation import prepare
from prunescope.data.sources import pictures
from prunescope.errors import InputError
from prunescope.experiment import Data

EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    b"(%pipe%touch started) (w) file closefile\nshowpage\n%%EOF\n"
)
STARTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "os.startfile",
)


class Starts:
    """Notes the programs that are started while it is on; hooks of Python's audit can not be removed."""

    def __init__(self):
        self.on, self.seen = False, []
        sys.addaudithook(self.note)

    def note(self, event, arguments):
        if self.on and event in STARTS:
            self.seen.append((event, arguments))


STARTED = Starts()


@pytest.fixture
def nothing_starts(tmp_path, monkeypatch):
    """Fail where a program is started; the programs that Pillow knows are there, and leave a mark."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("gs", "gswin32c", "gswin64c", "convert", "magick", "djpeg", "cjpeg", "giftopnm", "ppmtogif"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path / 'mark'}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    STARTED.seen.clear()
    STARTED.on = True
    yield
    STARTED.on = False
    assert STARTED.seen == []
    assert not (tmp_path / "mark").exists()


def image(mode="RGB", form="PNG", size=(8, 8), **options):
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, form, **options)
    return stream.getvalue()


def refusal(data):
    """Return the line in which bytes are refused, and those in which a file of them is."""
    with pytest.raises(InputError) as caught, pictures.open_image(data, "x") as opened:
        opened.load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def folder_of(tmp_path, name, data):
    for label in ("a", "b"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "set" / label / f"{number}.png").write_bytes(image())
    (tmp_path / "set" / "b" / name).write_bytes(data)
    return Data(source="folder", root=str(tmp_path / "set"), size=8)


def parquet_of(tmp_path, data, struct_column=True):
    rows = [image(), image(), data, image()]
    column = [{"bytes": row, "path": "/etc/passwd"} for row in rows] if struct_column else rows
    for split in ("train", "validation"):
        (tmp_path / "set").mkdir(exist_ok=True)
        pl.DataFrame({"image": column, "label": [0, 1, 0, 1]}).write_parquet(
            tmp_path / "set" / f"{split}-0.parquet"
        )
    return Data(source="parquet", root=str(tmp_path / "set"))


def refused(data, match):
    with pytest.raises(InputError, match=match) as caught:
        prepare(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["b.png", "b.jpg", "b.gif", "b.tif", "b.ppm"])
def test_a_postscript_file_under_the_name_of_an_image_starts_nothing(tmp_path, nothing_starts, name):
    refused(
        folder_of(tmp_path, name, EPS),
        f"{name}: its format is EPS, which is not read: save it as PNG, JPEG, WebP, BMP, GIF, TIFF, PPM, PGM or PBM",
    )


@pytest.mark.parametrize("struct_column", [True, False])
def test_postscript_in_parquet_starts_nothing(tmp_path, nothing_starts, struct_column):
    refused(parquet_of(tmp_path, EPS, struct_column), "image 2: its format is EPS, which is not read")


@pytest.mark.parametrize(
    "head",
    [
        b"%!PS", b"%!PS-Adobe-2.0\r\n", b"\r\n%!PS-Adobe-3.0 EPSF-3.0", b"\xef\xbb\xbf%!PS", b"\x04%!PS",
        b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 30, 200) + bytes(18), b"%PDF-1.7\n", b"\x1b%-12345X@PJL\r\n%!PS",
        b"\xd7\xcd\xc6\x9a\0\0", b"\x01\0\0\0" + bytes(36) + b" EMF", b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x89HDF\r\n\x1a\n", b"GRIB\0\0\0\x01", b"BUFR\0\0\0\x04", b"SIMPLE  =",
        b"\x1c\x01\x5a", b"\0\0\x01\xb3", b"8BPS\0\x01", b"\0\0\x01\0\x01\0", b"icns", b"\xff\x4f\xff\x51", b"DDS ",
        b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x1cftypavif", b"/* XPM */", b"#define im_width 8\n", b"PK\x03\x04",
        b"push graphic-context\nfill 'url(https://x/|touch y)'\npop graphic-context", b"qoif", b"MM\0",
    ],
)  # fmt: skip
def test_no_format_but_those_of_images_is_tried(nothing_starts, head):
    line = refusal(head + EPS)
    assert line.startswith("x: ")
    assert "which is not read: save it as PNG" in line or line == "x: truncated or not an image"


def test_every_format_that_pillow_knows_is_read_by_name_or_refused(nothing_starts):
    Image.init()
    refused_forms = set()
    for form in sorted(set(Image.SAVE) - set(pictures.FORMATS) - {"MPO"}):
        mode = {"BLP": "P", "MSP": "1", "XBM": "1", "PALM": "1"}.get(form, "RGB")
        stream = io.BytesIO()
        try:
            with pictures.without_warnings():
                Image.new(mode, (32, 32)).save(stream, form)
        except (OSError, ValueError, NotImplementedError):
            continue  # encoders that this Pillow lacks
        assert refusal(stream.getvalue())
        refused_forms.add(form)
    assert refused_forms >= {"EPS", "PDF", "ICO", "TGA", "PCX"}
    for form in pictures.FORMATS:
        with pictures.open_image(image(form=form), "x") as opened:
            assert opened.format == form


def test_a_telephone_picture_of_two_frames_is_a_jpeg_image():
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    with pictures.open_image(stream.getvalue(), "x") as opened:
        assert opened.size == (8, 8)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, *more):
    """Return a PNG file of which only the header promises the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + b"".join(more)
        + chunk(b"IDAT", zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )


def bmp(width, height):
    return b"BM" + struct.pack("<IHHIIiiHHIIIIII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0"


@pytest.mark.parametrize(
    "data",
    [
        png(1_000_000_000, 1), png(65535, 65535), png(2**31 - 1, 2**31 - 1), bmp(1_000_000_000, 1), bmp(65535, 65535),
        b"P6 1000000000 1000000 255\n", b"P5 65535 65535 65535\n", image(form="TIFF").replace(
            struct.pack("<HHII", 256, 4, 1, 8), struct.pack("<HHII", 256, 4, 1, 10**9)
        ),
    ],
)  # fmt: skip
def test_more_pixels_than_are_read_are_refused_by_the_header(data):
    assert "too many" in refusal(data) or "truncated or not an image" in refusal(data)


def test_the_most_pixels_are_a_stated_number(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 64)
    with pictures.open_image(image(size=(8, 8)), "x") as opened:
        opened.load()
    assert refusal(image(size=(13, 5))) == "x: 13 x 5 pixels, which are too many: at most 64 are read"
    with open("docs/data.md", encoding="utf-8") as page:
        assert "178,956,970 pixels" in page.read()


def test_pixels_that_do_not_fit_into_the_memory_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**8)
    assert refusal(png(5000, 4000)) == (
        "x: its 5,000 x 4,000 pixels would take 0.6 GB of memory; 0.1 GB are available"
    )


def test_a_decoder_that_runs_out_of_memory_is_one_line(monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", full)
    assert refusal(image(form="BMP")) == "x: its pixels do not fit into the memory that is available"


def test_text_that_expands_is_refused():
    bomb = zlib.compress(bytes(80_000_000), 9)
    for name in (b"zTXt", b"iCCP"):
        assert refusal(png(8, 8, chunk(name, b"k\0\0" + bomb))) == "x: truncated or not an image"


def test_a_tile_of_more_pixels_than_are_read_is_refused():
    tags = {256: 8, 257: 8, 258: 8, 259: 8, 262: 1, 277: 1, 322: 1 << 15, 323: 1 << 15, 324: 8, 325: 8}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    assert refusal(data) == "x: tiles of 1,073,741,824 pixels, at most 178,956,970 are read"


def test_scans_without_end_are_refused():
    data = image(form="JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff", start + 2)
    many = data[:start] + data[start:end] * 300 + data[start:]
    assert refusal(many).startswith("x: a JPEG image of 3")
    with pictures.open_image(data, "x") as opened:
        opened.load()


@pytest.mark.parametrize("kind", ["pipe", "socket", "link to a pipe", "unreadable", "directory"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "x.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a pipe":
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to("pipe")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(path)
    line = refusal(path)
    assert line.startswith((f"{path}: ", "x: "))
