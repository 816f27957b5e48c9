"""This module formats numbers for tables, pages, figures and terminals, each kind of number in one way."""

from __future__ import annotations

import math

from prunescope.analysis.statistics import Spread
from prunescope.runs.columns import Format

# For each format, the digits behind the point, the factor of the value and the unit behind it.
RULES: dict[Format, tuple[int, float, str]] = {
    "percent": (2, 100, " %"),
    "count": (0, 1, ""),
    "ratio": (2, 1, ""),
    "z": (0, 1, ""),
    "pixels": (1, 1, " pixels"),
    "nats": (3, 1, ""),
    "seconds": (0, 1, " s"),
}
MISSING = "-"
LONG = 1e15  # Numbers from here on are written with an exponent.


def number(
    value: float | str | None,
    kind: Format,
    *,
    unit: bool = True,
    sign: bool = False,
    digits: int | None = None,
) -> str:
    """Return a value of a column or quantity as text, ``83.25 %`` or ``6.43``; ``-`` for a missing value.

    ``kind``: the format of its column. ``unit``: write the unit; ``sign``: write the plus of positive numbers too;
    ``digits``: digits behind the point in place of the format's.
    """
    if value is None:
        return MISSING
    if kind == "text" or isinstance(value, str):
        return str(value)
    places, factor, behind = RULES[kind]
    form = f"z.{places if digits is None else digits}f" if abs(factor * value) < LONG else ".3e"
    text = f"{factor * value:{'+' if sign else ''}{form}}"
    return text + behind if unit else text


def mean_and_sd(of: Spread, kind: Format, *, unit: bool = True, digits: int | None = None) -> str:
    """Return mean and sample sd of a spread as text, ``83.25 ± 0.40 %``; the mean alone where n is 1."""
    if of.sd is None or of.n < 2:
        return number(of.mean, kind, unit=unit, digits=digits)
    return f"{number(of.mean, kind, unit=False, digits=digits)} ± {number(of.sd, kind, unit=unit, digits=digits)}"


def interval(low: float | None, high: float | None, kind: Format, *, digits: int | None = None) -> str:
    """Return an interval as text without a unit, ``82.10 … 84.40``; ``-`` where there is none."""
    if low is None or high is None:
        return MISSING
    return f"{number(low, kind, unit=False, digits=digits)} … {number(high, kind, unit=False, digits=digits)}"


def accuracy(share: float, *, unit: bool = True) -> str:
    """Return an accuracy, a share of 1, as text with one decimal: ``83.2 %``."""
    return number(share, "percent", unit=unit, digits=1)


def by_size(value: float, unit: str) -> str:
    """Return a value as text without its unit: three digits, at most two of them behind the point.

    ``unit``: %, points, ×, ° or empty; shares in % and points are multiplied by 100.
    """
    return _decimal(_factor(unit) * value, _places(_factor(unit) * value))


def mean_and_sd_by_size(of: Spread, unit: str) -> str:
    """Return mean and sample sd of a spread with the unit, ``6.21 ± 0.40 %``, with digits as in ``by_size``.

    It is the mean alone where there is no sd, and ``not measured`` where there is no mean.
    """
    if of.mean is None:
        return "not measured"
    places = _places(_factor(unit) * of.mean)
    behind = unit if unit in ("", "°") else f"\u00a0{unit}"
    text = _decimal(_factor(unit) * of.mean, places)
    return (
        f"{text}{behind}" if of.sd is None else f"{text} ± {_decimal(_factor(unit) * of.sd, places)}{behind}"
    )


def _factor(unit: str) -> int:
    return 100 if unit in ("%", "points") else 1


def _places(value: float) -> int:
    size = abs(value)
    return 0 if size >= 100 else 1 if size >= 10 else 2


def _decimal(value: float, places: int) -> str:
    return f"{value:{f'z.{places}f' if abs(value) < LONG else '.3e'}}".replace("-", "\u2212")


def percent(share: float) -> str:
    """Return a density as a percentage of two significant digits, or all whole ones: 100 %, 4 %, 0.97 %."""
    value = 100 * share
    if value >= 9.5:
        return f"{value:.0f} %"
    return f"{value:.2g} %" if value >= 0.01 else f"{value:.1g} %"


def gigabytes(size: float, digits: int = 1) -> str:
    """Return a number of bytes as text: ``1.2 GB``, and ``3.4 MB`` where that would be 0 to so many ``digits``."""
    if size < 5 * 10 ** (8 - digits):
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e9:.{digits}f} GB" if size < 1e9 * LONG else f"{size / 1e9:.3e} GB"


def span(seconds: float) -> str:
    """Return a duration as text: ``2 h 05 min``, ``3 min 20 s`` or ``12 s``."""
    if not math.isfinite(seconds):
        return "an unknown time"
    if seconds >= LONG:
        return f"{seconds / 3600:.3e} h"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def places_of(sd: float) -> int:
    """Return the digits behind the point of a value beside its null of this sd: two of the sd, from 3 to 7."""
    return min(7, max(3, 1 - math.floor(math.log10(sd)))) if 0 < sd < math.inf else 3
