"""These tests open image files that would start programs, fill the memory or never end."""

import io
import os
import socket
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import polars as pl
import pytest
from PIL import EpsImagePlugin, Image

from prunescope import memory
from prunescope.data import raw_images
from prunescope.data.prepared.preparation import prepare
from prunescope.data.prepared.reading import open_prepared
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


@pytest.mark.parametrize("length", range(1, 12))
def test_files_of_a_few_bytes_are_refused(length):
    for start in (
        b"1",
        b"%!PS",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"II*\0",
        b"GIF89a",
        b"BM",
        b"P6",
        b"RIFF",
    ):
        refusal((start * 12)[:length])


@pytest.fixture
def small_folder(tmp_path):
    """Return data of a folder with two classes of three images."""
    folder_of(tmp_path, "more.png", image())
    return tmp_path / "set", Data(source="folder", root=str(tmp_path / "set"), size=8)


def test_pipes_and_sockets_among_images_are_left_out_and_counted(small_folder):
    root, data = small_folder
    os.mkfifo(root / "a" / "x.png")
    os.mkfifo(root / "x.png")
    (root / "a" / "link.png").symlink_to("x.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "b" / "s"))
    notes = open_prepared(prepare(data)).notes
    assert "left out: 3 files of another kind (pipe, socket, device)" in notes


def test_links_that_double_at_each_level_are_refused(small_folder):
    root, data = small_folder
    for level in range(20):
        folder = root.parent / "links" / str(level)
        folder.mkdir(parents=True)
        for name in ("x", "y"):
            (folder / name).symlink_to(f"../{level + 1}")
    (root.parent / "links" / "20").mkdir()
    (root / "a" / "l").symlink_to("../../links/0")
    refused(data, "a link to a folder that is read already: images would be read twice")


def test_folders_nested_more_deeply_than_functions_may_be_are_read(small_folder):
    root, data = small_folder
    path = os.fspath(root / "a")
    for _ in range(sys.getrecursionlimit() + 100):
        path += "/d"
        os.mkdir(path)
    with open(f"{path}/deep.png", "wb") as file:
        file.write(image())
    try:
        found = open_prepared(prepare(data))
        assert sum(len(found.images(part)) for part in ("train", "validation")) == 8
    finally:  # what removes temporary folders would call itself too often
        os.remove(f"{path}/deep.png")
        while path.endswith("/d"):
            os.rmdir(path)
            path = path.removesuffix("/d")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (b"caf\xe9", r"set: the name 'caf\\udce9' of a class folder is no UTF-8 text: rename the folder"),
        (b"a\nb", r"the name 'a\\nb' of a class folder has a line break or another control character in it"),
        (b"\x1b[31m", r"the name '\\x1b\[31m' of a class folder has"),
        ("\x9b31m".encode(), "another control character"),
        ("a\u2028b".encode(), "another control character"),
    ],
)
def test_class_names_that_cannot_be_shown_are_refused(small_folder, name, line):
    root, data = small_folder
    (root / "b").rename(os.path.join(os.fsencode(root), name).decode("utf-8", "surrogateescape"))
    refused(data, line)


@pytest.mark.parametrize(
    "name", ["\N{FOX FACE}", "a\u202eb", "x" * 255, "<script>", "$\\frac{$", " ", "-rf", "~", "e\u0301"]
)
def test_odd_class_names_are_kept(small_folder, name):
    root, data = small_folder
    (root / "b").rename(root / name)
    assert name in open_prepared(prepare(data)).classes


def test_the_class_names_of_parquet_are_checked_too(tmp_path):
    rows = [image()] * 20
    pl.DataFrame({"image": rows, "label": ["a", "\x1b[31m"] * 10}).write_parquet(tmp_path / "s.parquet")
    refused(
        Data(source="parquet", root=str(tmp_path / "s.parquet")),
        r"s\.parquet: the class name '\\x1b\[31m' has",
    )


def test_file_names_that_are_no_text_are_told_in_notes(small_folder):
    root, data = small_folder
    frames = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(2)]
    name = os.path.join(os.fsencode(root), b"a", b"caf\xe9\n.gif")
    with open(name, "wb") as file:
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    notes = open_prepared(prepare(data)).notes
    (line,) = (note for note in notes if "frames" in note)
    assert "caf\\xe9\\n.gif" in line
    line.encode("utf-8")


def test_rows_of_one_image_share_it(tmp_path):
    pl.DataFrame({"image": [image() + bytes(100_000)], "label": [0]}).select(
        pl.all().repeat_by(3000).explode()
    ).with_columns(label=pl.int_range(3000) % 2).write_parquet(tmp_path / "s.parquet")
    tracemalloc.start()
    found = open_prepared(prepare(Data(source="parquet", root=str(tmp_path / "s.parquet"))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.images("train")) == 2700
    assert peak < 100_000_000  # copies of all would take 300 MB


def test_more_rows_than_the_memory_holds_are_refused(tmp_path, monkeypatch):
    data = parquet_of(tmp_path, image())
    monkeypatch.setattr(memory, "available_memory", lambda: 100)
    refused(data, "set: the labels of its 8 rows would take 0.0 GB of memory")


def test_images_are_decoded_few_at_a_time_where_they_are_large():
    assert raw_images.rows_at_once((3, 32, 32), 1000, "x") == 1000
    assert raw_images.rows_at_once((3, 1024, 1024), 1000, "x") == 42
    with pytest.raises(
        InputError, match=r"x: images of 4,096 x 4,097 pixels are 16,781,312 inputs of a network"
    ):
        raw_images.rows_at_once((1, 4097, 4096), 1000, "x")


def test_few_bytes_of_parquet_that_are_many_pixels_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "eight_bits", lambda *_: pytest.fail("decoded"))
    rows = [png(5000, 5000)] * 20
    pl.DataFrame({"image": rows, "label": [0, 1] * 10}).write_parquet(tmp_path / "s.parquet")
    data = Data(source="parquet", root=str(tmp_path / "s.parquet"))
    refused(data, r"s\.parquet: image 0: images of 5,000 x 5,000 pixels are 75,000,000 inputs of a network")
    assert f"{raw_images.MAX_VALUES:,} inputs" in Path("docs/data.md").read_text("utf-8")
