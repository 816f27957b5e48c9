"""This module turns picture files of every kind into 8-bit pixels, by one rule for each kind, or refuses them.

docs/data.md, "Folders of images", lists the rules.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from prunescope.data.raw_images import Pixels
from prunescope.data.source_checks import check_pointer, text_of
from prunescope.errors import InputError
from prunescope.files import open_regular
from prunescope.memory import check_memory

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # as Pillow calls them
MAX_PIXELS = 178_956_970  # of one picture; Pillow's own limit
_FORMATS_IN_WORDS = ("PNG", "JPEG", "WebP", "BMP", "GIF", "TIFF", "PPM", "PGM", "PBM")
_BYTES_A_PIXEL = 28  # taken at most while a picture is decoded, turned and put on black (measured)
_LARGE = 4_000_000  # pixels from which the memory is asked for
_MAX_SCANS = 200  # of a progressive JPEG file, each of which passes over all pixels; usual are 10
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # tags of TIFF files
_GREY = {"1", "L", "LA", "I", "F"}
_COLOUR = {"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"}
_WIDE = 65535  # white of 16 bits
_NARROW = 16383  # 16-bit images that reach no further have 14 bits or fewer in truth
_ORIENTATION = 0x0112  # EXIF
_METADATA = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}  # where Pillow finds an orientation
_ANIMATED = ("GIF", "TIFF", "WEBP", "PNG")  # further frames of other formats are thumbnails


@dataclass
class Tally:
    """Counts of what was simplified when pictures were read, and the first file of each sort."""

    frames: int = 0
    frames_first: str = ""
    transparent: int = 0
    colour_as_grey: int = 0
    wide: int = 0
    brightest: int = 0
    enlarged: int = 0
    smallest: int = 0

    def notes(self) -> tuple[str, ...]:
        """Return a line for each sort of simplification that occurred."""
        lines = []
        if self.frames:
            lines.append(
                f"{self.frames:,} images of several frames: the first frame of each ({self.frames_first}, …)"
            )
        if self.transparent:
            lines.append(f"{self.transparent:,} images with transparent pixels: put on black")
        if self.colour_as_grey:
            lines.append(
                f"{self.colour_as_grey:,} validation images in colour made grey, as all training images are"
            )
        if self.wide and self.brightest <= _NARROW:
            lines.append(
                f"{self.wide:,} images of 16 bits reach {self.brightest:,} of {_WIDE:,}: divided by 257 they keep "
                f"{round(self.brightest / 257) + 1} grey levels; scale them before"
            )
        if self.enlarged:
            lines.append(
                f"{self.enlarged:,} images enlarged to data.size, the smallest from {self.smallest} pixels: their "
                "neighbouring pixels are copies, which masks may show"
            )
        return tuple(lines)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence, for a ``with`` block, what Pillow warns of: damaged EXIF data, many pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def open_image(source: Path | bytes, where: str) -> Iterator[PillowImage]:
    """Open a picture, a file or its bytes, for a ``with`` block; every picture of others is opened here.

    Its format is told by its content, not by its name, and only FORMATS are tried: Pillow's readers of others start
    programs (Ghostscript for EPS). Raises InputError, which names the place as ``where``, for other formats, for what
    is damaged or has more than MAX_PIXELS, for pixels that do not fit into the memory, and for a path that is no
    regular file.
    """
    image_module = _pillow()
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else open_regular(source)
    except OSError as error:
        raise InputError(f"{where}: {error.strerror or error}") from None
    with file:
        try:
            with image_module.open(file, formats=FORMATS) as image:
                _check_size(image, file, where)
                yield image
        except InputError:
            raise
        except MemoryError:
            raise InputError(f"{where}: its pixels do not fit into the memory that is available") from None
        except image_module.DecompressionBombError:
            raise InputError(f"{where}: too many pixels: at most {MAX_PIXELS:,} are read") from None
        except Exception:  # decoders of the many formats raise errors of many classes
            if not isinstance(source, bytes):
                check_pointer(source)
            raise InputError(f"{where}: {_why_not_read(file)}") from None


@cache
def _pillow() -> ModuleType:
    """Return the module PIL.Image with the readers of FORMATS, and of no other formats, loaded."""
    from PIL import Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401 (they register themselves)

    Image.preinit()  # the other five
    return Image


def _check_size(image: PillowImage, file: BinaryIO, where: str) -> None:
    """Raise InputError for a picture that is too large to be decoded, or whose decoding would take hours."""
    pixels = image.width * image.height
    if not pixels:
        raise InputError(f"{where}: {image.width} x {image.height} pixels: there is nothing in it")
    if pixels > MAX_PIXELS:
        raise InputError(
            f"{where}: {image.width:,} x {image.height:,} pixels, which are too many: at most {MAX_PIXELS:,} are read"
        )
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        tile = int(tags.get(_TILE_WIDTH, 1)) * int(tags.get(_TILE_LENGTH, 1))  # decoded whole
        if tile > MAX_PIXELS:
            raise InputError(f"{where}: tiles of {tile:,} pixels, at most {MAX_PIXELS:,} are read")
        pixels = max(pixels, tile)
    if pixels >= _LARGE:  # of small ones, asking for the free memory would take as long as the decoding
        check_memory(pixels * _BYTES_A_PIXEL, f"{where}: its {image.width:,} x {image.height:,} pixels")
    if image.info.get("progressive"):
        file.seek(0)
        scans = file.read().count(b"\xff\xda")
        if scans > _MAX_SCANS:
            raise InputError(f"{where}: a JPEG image of {scans:,} scans: at most {_MAX_SCANS} are read")


def _why_not_read(file: BinaryIO) -> str:
    """Return what a file that could not be read is: empty, of a format that is not read, or damaged."""
    from PIL import Image

    if file.closed:
        return "truncated or not an image"
    file.seek(0)
    head = file.read(16)
    if not head:
        return "empty file"
    if head.startswith(b"%PDF"):  # which Pillow writes but does not read
        return _not_read("PDF")
    with without_warnings():  # some of Pillow's formats are deprecated
        Image.init()
        for name, (_, accepts) in Image.OPEN.items():
            # Readers are asked whether the first bytes are theirs, and read nothing; some fail at fewer than 4 bytes.
            if name not in FORMATS and accepts and accepts(head.ljust(16, b"\0")) is True:
                return _not_read(name)
    return "truncated or not an image"


def _not_read(form: str) -> str:
    *most, last = _FORMATS_IN_WORDS
    return f"its format is {form}, which is not read: save it as {', '.join(most)} or {last}"


def check(path: Path) -> bool:
    """Return whether a picture is grey, by its header; a palette counts as colour.

    Raises InputError for one that cannot be opened, and for numbers whose range is not known.
    """
    with without_warnings(), open_image(path, str(path)) as image:
        if image.mode in ("F", "I") or not _is_known(image):
            eight_bits(image, "L", path, Tally())
        return is_grey(image)


def _is_known(image: PillowImage) -> bool:
    return is_grey(image) or image.mode in _COLOUR


def is_grey(image: PillowImage) -> bool:
    """Return whether an open picture has one channel of brightness, by its header."""
    return image.mode.partition(";")[0] in _GREY


def square(path: Path, size: int, mode: str, tally: Tally) -> Pixels:
    """Return the picture's central square in ``mode``, "L" or "RGB", as ``size`` x ``size`` pixels.

    Larger squares are averaged down. Raises InputError for a picture that cannot be read or whose range is unknown.
    """
    from PIL import Image

    with open_image(path, str(path)) as image:
        upright = eight_bits(image, mode, path, tally)
        side = min(upright.size)
        if side < size:
            tally.enlarged += 1
            tally.smallest = min(side, tally.smallest or side)
        left, top = (upright.width - side) // 2, (upright.height - side) // 2
        cut = upright.crop((left, top, left + side, top + side))
        return np.asarray(cut if side == size else cut.resize((size, size), Image.Resampling.BOX))


def eight_bits(image: PillowImage, mode: str, path: Path | str, tally: Tally) -> PillowImage:
    """Return the first frame of an open picture, the right way up, in ``mode``, "L" or "RGB"."""
    if image.format in _ANIMATED and getattr(image, "is_animated", False):
        tally.frames += 1
        tally.frames_first = tally.frames_first or text_of(path)
        image.seek(0)
    if not _is_known(image):
        raise InputError(f"{path}: its colours are {image.mode}, which are not read: store RGB")
    tally.colour_as_grey += mode == "L" and not is_grey(image)
    image.load()
    turned = _turned(image)
    if turned.mode.startswith("I"):
        turned = _from_integers(turned, image.format or "", path, tally)
    elif turned.mode == "F":
        turned = _from_floats(turned, path)
    elif turned.has_transparency_data:
        turned = _on_black(turned, tally)
    return turned if turned.mode == mode else turned.convert(mode)


def _turned(image: PillowImage) -> PillowImage:
    """Return the picture as its EXIF orientation says that it is to be seen; TIFF files are turned on loading."""
    from PIL import ImageOps

    if not _METADATA & image.info.keys():
        return image
    with contextlib.suppress(Exception):  # damaged EXIF data says nothing
        if image.getexif().get(_ORIENTATION, 1) in range(2, 9):
            return ImageOps.exif_transpose(image)
    return image


def _on_black(image: PillowImage, tally: Tally) -> PillowImage:
    """Return the picture in RGB with its transparent pixels on black."""
    from PIL import Image

    layer = image.convert("RGBA")
    lowest, _ = layer.getchannel("A").getextrema()
    if lowest == 255:
        return layer.convert("RGB")
    tally.transparent += 1
    ground = Image.new("RGBA", layer.size, (0, 0, 0, 255))
    ground.alpha_composite(layer)
    return ground.convert("RGB")


def _from_integers(image: PillowImage, form: str, path: Path | str, tally: Tally) -> PillowImage:
    """Return 16-bit grey pixels divided by 257; raise InputError for integers whose white is unknown."""
    from PIL import Image

    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    # Pillow reads PNG and PGM of 16 bits in 32, scaled so that white is 65535.
    if image.mode == "I" and form not in ("PNG", "PPM"):
        raise InputError(
            f"{path}: 32-bit integers from {low} to {high}: which value is white is not known: store 8 or 16 bits"
        )
    tally.wide += 1
    tally.brightest = max(tally.brightest, high)
    scaled = values.astype(np.int32)  # 255 times white fits
    scaled *= 255
    scaled += _WIDE // 2
    scaled //= _WIDE
    return Image.fromarray(scaled.astype(np.uint8))


def _from_floats(image: PillowImage, path: Path | str) -> PillowImage:
    """Return float pixels in [0, 1] times 255; raise InputError for others."""
    from PIL import Image

    values = np.array(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: has NaN or infinite pixels")
    if values.min() < 0 or values.max() > 1:
        raise InputError(
            f"{path}: float pixels from {values.min():g} to {values.max():g}, they must lie in [0, 1]"
        )
    values *= 255
    return Image.fromarray(np.rint(values, out=values).astype(np.uint8))
