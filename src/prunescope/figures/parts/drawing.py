"""This module defines the drawing that a figure function returns and writes it to files."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars
from matplotlib.figure import Figure

from prunescope.figures.parts.movie import Movie, write_movie
from prunescope.figures.parts.notes import write_below
from prunescope.figures.parts.texts import make_drawable
from prunescope.files import advising, replacing_together
from prunescope.model import Arrays

PNG_DPI = 300


@dataclass(frozen=True, eq=False)
class Drawing:
    """A drawn figure with the numbers in it, as a tidy table or as named arrays, and the movies that go with it.

    ``notes``: sentences that are written below the figure.
    """

    figure: Figure
    data: polars.DataFrame | Arrays
    movies: tuple[Movie, ...] = ()
    notes: tuple[str, ...] = ()


def write(drawing: Drawing, out: Path, name: str) -> list[Path]:
    """Write ``name``.pdf, ``name``.png, the movies (.mp4), and the data as .csv or .npz into folder ``out``.

    Returns the paths in that order. All files are replaced once all are written. Raises InputError when the folder cannot be written.
    """
    pdf, png = out / f"{name}.pdf", out / f"{name}.png"
    make_drawable(drawing.figure)
    box, told = write_below(drawing.figure, drawing.notes), " ".join(drawing.notes)
    make_drawable(drawing.figure)  # the notes too
    with advising(out, "--out"), replacing_together() as temporary:
        out.mkdir(parents=True, exist_ok=True)
        # Without a creation date the same run draws the same bytes.
        about = {"CreationDate": None, "Creator": "prunescope"} | ({"Subject": told} if told else {})
        temporary(pdf).write_bytes(rendered(drawing.figure, format="pdf", metadata=about, bbox_inches=box))
        about = {"Description": told} if told else {}
        picture = rendered(drawing.figure, format="png", dpi=PNG_DPI, metadata=about, bbox_inches=box)
        temporary(png).write_bytes(picture)
        movies = [write_movie(movie, out, name, temporary) for movie in drawing.movies]
        return [pdf, png, *movies, _write_data(drawing.data, out / name, temporary)]


def rendered(figure: Figure, **options: Any) -> bytes:
    """Return the bytes of a figure's file, with the options of ``savefig``.

    Matplotlib itself hides the error of a full disk behind one of its own.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, **options)
    return buffer.getvalue()


def _write_data(data: polars.DataFrame | Arrays, stem: Path, temporary: Callable[[Path], Path]) -> Path:
    if isinstance(data, polars.DataFrame):
        path = stem.with_name(f"{stem.name}.csv")
        temporary(path).write_bytes(
            data.write_csv().encode()
        )  # polars itself opens no path that is not UTF-8
        return path
    path = stem.with_name(f"{stem.name}.npz")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **data)
    temporary(path).write_bytes(buffer.getvalue())
    return path
