"""These functions draw the frames of a movie and write them as H.264, or as an animated GIF without ffmpeg.

The frames hold text and pictures whose pixels are enlarged by whole numbers.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from prunescope.analysis.formats import accuracy
from prunescope.errors import FULL, InputError
from prunescope.figures.parts.style import FAINT, MUTED
from prunescope.figures.parts.texts import make_drawable

# Pixels of a frame, and of its header, of a caption and of the gap between two pictures.
WIDTH, HEIGHT, DPI = 1280, 720, 160
HEADER, CAPTION, GAP = 96, 16, 8
FRAMES_A_SECOND = 10
# The grey value of the line around a picture.
EDGE = 201
# The number of frames for which each level is shown, and how many more there are for the last one.
HELD, LAST = 7, 8

Frame = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Movie:
    """A movie to be written: the name that its file's name ends with, and a function that yields its frames.

    Frames are uint8 [HEIGHT, WIDTH, 3], one for each level.
    """

    name: str
    frames: Callable[[], Iterator[Frame]]


def write_movie(movie: Movie, folder: Path, stem: str, temporary: Callable[[Path], Path]) -> Path:
    """Write a movie as ``stem``-name.mp4 into a folder, or as an animated GIF where ffmpeg is not installed.

    ``temporary``: returns the path to write to in place of another (``files.replacing_together``). Returns the path of the
    file. Raises RuntimeError when ffmpeg fails, and OSError where that is because the disk is full.
    """
    path = folder / f"{stem}-{movie.name}.mp4"
    try:
        import imageio_ffmpeg

        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return _write_gif(movie, path.with_suffix(".gif"), temporary)
    raw = f"-f rawvideo -pix_fmt rgb24 -s {WIDTH}x{HEIGHT} -r {FRAMES_A_SECOND} -i -".split()
    coded = ["-an", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18", "-movflags", "+faststart"]
    # With one thread and without metadata the same run gives the same bytes.
    same = ["-threads", "1", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"]
    command = [ffmpeg, "-v", "error", "-y", *raw, *coded, *same, "-f", "mp4", f"file:{temporary(path)}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # ffmpeg has ended, and its return code says how
            for picture, times in _held(movie.frames()):
                for _ in range(times):
                    process.stdin.write(picture.tobytes())
        _, problem = process.communicate()
    if process.returncode and process.returncode == -getattr(signal, "SIGXFSZ", 0):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    for number in FULL if process.returncode else ():
        if os.strerror(number).encode() in problem:
            raise OSError(number, os.strerror(number), str(path))
    if process.returncode:
        raise RuntimeError(f"{path}: ffmpeg failed: {problem.decode(errors='replace').strip()}")
    return path


def _write_gif(movie: Movie, path: Path, temporary: Callable[[Path], Path]) -> Path:
    from PIL import Image

    held = list(_held(movie.frames()))
    pictures = [Image.fromarray(frame) for frame, _ in held]
    durations = [1000 * times // FRAMES_A_SECOND for _, times in held]
    pictures[0].save(
        temporary(path), "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0
    )
    return path


def _held(frames: Iterator[Frame]) -> Iterator[tuple[Frame, int]]:
    """Yield each frame with the number of times that it is shown, which is larger for the last one."""
    before = next(frames)
    for frame in frames:
        yield before, HELD
        before = frame
    yield before, HELD + LAST


@dataclass(frozen=True)
class Layout:
    """The arrangement of ``count`` pictures in a frame, in rows of ``columns``.

    ``height`` and ``width`` are those of a picture in its own pixels, each of which is drawn as a square of
    ``scale`` pixels of the frame.
    """

    count: int
    columns: int
    scale: int
    height: int
    width: int

    @classmethod
    def of(cls, most: int, height: int, width: int, *, fewest: int | None = None) -> Layout:
        """Return the layout of ``fewest`` to ``most`` pictures that fills the largest part of the frame.

        ``height`` and ``width`` are the pixels of a picture. ``fewest`` is half of ``most`` by default, and less
        where those do not fit. Raises InputError when the pictures do not fit.
        """
        layouts = [
            cls(count, columns, scale, height, width)
            for count in range(-(-most // 2) if fewest is None else fewest, most + 1)
            for columns in range(1, count + 1)
            if (scale := _scale(count, columns, height, width)) > 0
        ]
        if layouts:
            return max(layouts, key=lambda one: (one.count * one.scale**2, one.columns))
        if fewest is None and most > 1:
            return cls.of(most // 2, height, width)
        images = f"{most} images" if most > 1 else "an image"
        raise InputError(
            f"{images} of {height}x{width} pixels do not fit a movie of {HEIGHT}x{WIDTH}: give fewer nodes"
        )

    def corner(self, number: int) -> tuple[int, int]:
        """Return (x, y) of the upper left corner of picture ``number``, counted from 0, in pixels of the frame.

        The pictures together are centred in the frame's width.
        """
        row, column = divmod(number, self.columns)
        across, down = self.width * self.scale + GAP, self.height * self.scale + GAP + CAPTION
        left = (WIDTH - min(self.count, self.columns) * across + GAP) // 2
        return left + column * across, HEADER + CAPTION + row * down


@dataclass(frozen=True, eq=False)
class FrameContent:
    """The content of one frame: two lines of text, pictures with captions, and the accuracy of all levels.

    ``pictures`` are ``layout.count`` arrays [H, W, 3] in 0 to 1; ``accuracies`` float64 [levels] are drawn as a
    curve against the index of the level; ``now`` is the index of this frame's level, which a dot marks.
    """

    title: str
    subtitle: str
    pictures: Sequence[np.ndarray]
    captions: Sequence[str]
    accuracies: NDArray[np.float64]
    now: int


def _scale(count: int, columns: int, height: int, width: int) -> int:
    """Return the largest whole scale at which the pictures fit a frame, 0 or less where there is none."""
    across = ((WIDTH - GAP) // columns - GAP) // width
    down = ((HEIGHT - HEADER - GAP) // -(-count // columns) - GAP - CAPTION) // height
    return min(across, down)


def frame(layout: Layout, content: FrameContent) -> Frame:
    """Draw one frame of a movie, uint8 [HEIGHT, WIDTH, 3], with its pictures where the layout puts them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
    figure.set_layout_engine("none")
    figure.text(0.012, 1 - 38 / HEIGHT, content.title, fontsize=11)
    figure.text(0.012, 1 - 70 / HEIGHT, content.subtitle, fontsize=6.5, color=MUTED)
    axes = figure.add_axes((0.80, 1 - 72 / HEIGHT, 0.19, 62 / HEIGHT))
    axes.set_axis_off()
    reached = content.accuracies[content.now]
    axes.plot(content.accuracies, "-", color=FAINT, lw=1.4)
    axes.plot([content.now], [reached], "o", color=MUTED, ms=5)
    axes.margins(0.05, 0.15)
    figure.text(0.79, 1 - 46 / HEIGHT, f"accuracy {accuracy(reached)}", fontsize=6.5, color=MUTED, ha="right")
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for number, (picture, caption) in enumerate(zip(content.pictures, content.captions, strict=True)):
        x, y = layout.corner(number)
        enlarged = np.kron(
            np.round(255 * picture).astype(np.uint8), np.ones((layout.scale, layout.scale, 1), np.uint8)
        )
        # A dense mask is white and would vanish without an edge.
        image[y - 1 : y + enlarged.shape[0] + 1, x - 1 : x + enlarged.shape[1] + 1] = EDGE
        part = image[y : y + enlarged.shape[0], x : x + enlarged.shape[1]]
        part[:] = enlarged[: part.shape[0], : part.shape[1]]
        middle = x + layout.width * layout.scale / 2
        figure.text(middle / WIDTH, 1 - (y - 3) / HEIGHT, caption, fontsize=5.5, color=MUTED, ha="center")
    make_drawable(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3]
    return np.minimum(drawn, image)  # both are white where the other is drawn: text never overlaps a picture
