"""This module makes every text of a figure drawable, whatever names of runs, classes and methods hold."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Callable, Iterator

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

# Control characters but for newlines, and halves of characters: no font has them.
_UNDRAWABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def make_drawable(figure: Figure) -> None:
    """Let ``drawable`` mend the texts of a figure and the fixed labels of its axes."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if (mended := drawable(text.get_text())) != text.get_text():
            text.set_text(mended)
    for axis in figure.findobj(Axis):
        assert isinstance(axis, Axis)
        formatter = axis.get_major_formatter()
        if isinstance(formatter, FixedFormatter):
            formatter.seq = [drawable(str(label)) for label in formatter.seq]
        elif isinstance(formatter, FuncFormatter):
            formatter.func = _drawable_labels(formatter.func)


def drawable(content: str) -> str:
    """Return a text whose dollar signs stand for themselves where they make no formula, without undrawable characters."""
    content = _UNDRAWABLE.sub("\N{REPLACEMENT CHARACTER}", content)
    return content if content.count("$") < 2 or _is_formula(content) else re.sub(r"\\*\$", r"\\$", content)


@contextlib.contextmanager
def quiet_about_glyphs() -> Iterator[None]:
    """Say nothing of characters that the font lacks, which are drawn as boxes, inside the ``with`` block."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        formulas = logging.getLogger("matplotlib.mathtext")  # which logs what other texts warn of
        before = formulas.level
        formulas.setLevel(logging.ERROR)
        try:
            yield
        finally:
            formulas.setLevel(before)


def _drawable_labels(labels: Callable[..., str]) -> Callable[..., str]:
    return lambda *where: drawable(str(labels(*where)))


def _is_formula(content: str) -> bool:
    """Return whether matplotlib can draw a text with dollar signs as it is."""
    try:
        for line in content.split("\n"):  # each is a text of its own when it is drawn
            MathTextParser("path").parse(line)
    except ValueError:
        return False
    return True
