"""Pictures of every format that Pillow writes, read as one of a folder of images is."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from fuzz.targets import Target
from fuzz.targets.data import encoded, pixels
from fuzz.tree import Tree

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I", "I;16", "F", "HSV", "YCbCr")


def _seeds(folder: Path) -> dict[str, Tree]:
    from PIL import Image

    Image.init()
    found: dict[str, Tree] = {}
    for form in sorted(Image.SAVE):
        with contextlib.suppress(Exception):  # Some need other programs or a handler.
            found[form.lower()] = {"a.png": encoded(pixels(1)[0], form)}
    for mode in _MODES:
        for form in ("PNG", "TIFF", "GIF"):
            with contextlib.suppress(Exception):  # Not every format has every mode.
                found[f"{mode} {form.lower()}"] = {"a.png": _of_mode(mode, form)}
    exif = Image.Exif()
    exif[0x0112] = 6
    found["turned"] = {"a.png": encoded(pixels(1)[0], "JPEG", exif=exif)}
    found["frames"] = {
        "a.png": _of_mode("RGB", "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    }
    return {name: tree for name, tree in found.items() if _is_read(tree)}


def _of_mode(mode: str, form: str, **options: Any) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    image = Image.fromarray(pixels(1)[0])
    made = image.convert("L").convert(mode) if mode in ("I", "F") else image.convert(mode)
    made.save(stream, form, **options)
    return stream.getvalue()


def _is_read(tree: Tree) -> bool:
    """Return whether Pillow opens the picture; some formats can only be written, or need a reader."""
    from PIL import Image

    data = tree["a.png"]
    try:
        with Image.open(io.BytesIO(data if isinstance(data, bytes) else b"")) as image:
            return not (image.mode in ("F", "I") or image.format in ("EPS", "WMF", "HDF5", "GRIB", "BUFR"))
    except Exception:
        return False


def _read(folder: Path, out: Path) -> None:
    from prunescope.data.sources import pictures

    tally = pictures.Tally()
    pictures.check(folder / "a.png")
    with pictures.without_warnings():
        for mode in ("L", "RGB"):
            pictures.square(folder / "a.png", 8, mode, tally)
    tally.notes()


TARGETS = (Target("picture", _seeds, _read, may_refuse=True),)
