"""Words and numbers of the page about layers."""

from __future__ import annotations

import math

from prunescope.analysis.formats import LONG
from prunescope.layers.quantities import quantity


def words_of(name: str, kind: str = "linear") -> dict[str, str]:
    """Return what a quantity is called in layers of a kind, and in a sentence each what it is and what its null is."""
    words = quantity(name, kind)
    return {"title": words.title, "sentence": words.meaning, "null": words.null}


def for_reading(kind: str) -> str:
    """Return a kind of layers as a word in a sentence."""
    return kind.replace("_", " ")


def counted(count: int) -> str:
    """Return a number of weights as text: 512, 104,857 or 104.9 million."""
    for size, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if count >= size:
            return f"{count / size:.4g}\u00a0{word}"
    return f"{count:,}"


def ratio(value: float, sd: float = math.nan) -> str:
    """Return a value with three significant digits, or with as many more as tell it from its null of this sd."""
    digits = 3
    if value != 0 and math.isfinite(value) and 0 < sd < math.inf:
        digits = min(9, max(3, math.floor(math.log10(abs(value))) - math.floor(math.log10(sd)) + 1))
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        text = f"{value:.{digits - 1}e}"
    elif abs(value) >= 100 and digits == 3:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.{digits}g}"
    return text.replace("-", "\u2212")


def signed(value: float, digits: int) -> str:
    """Return a number with its sign."""
    text = f"{value:+,.{digits}f}" if abs(value) < LONG else f"{value:+.2e}"
    return text.replace("-", "\u2212")
