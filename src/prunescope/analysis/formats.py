"""Formats of numbers: the one way in which each kind is written, in tables, on pages, in figures and on terminals."""

from __future__ import annotations

from prunescope.analysis.statistics import Spread
from prunescope.runs.columns import Format

# Digits behind the point; what a value is multiplied by; what stands behind it.
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


def number(
    value: float | str | None,
    kind: Format,
    *,
    unit: bool = True,
    sign: bool = False,
    digits: int | None = None,
) -> str:
    """A value of a column or quantity: ``83.25 %``, ``6.43``; ``-`` for what is missing.

    ``unit``: with what stands behind it; ``sign``: with a plus; ``digits``: other than the rule's.
    """
    if value is None:
        return MISSING
    if kind == "text" or isinstance(value, str):
        return str(value)
    places, factor, behind = RULES[kind]
    text = f"{factor * value:{'+' if sign else ''}.{places if digits is None else digits}f}"
    return text + behind if unit else text


def mean_and_sd(of: Spread, kind: Format, *, unit: bool = True, digits: int | None = None) -> str:
    """``83.25 ± 0.40 %``; one value has no spread."""
    if of.sd is None or of.n < 2:
        return number(of.mean, kind, unit=unit, digits=digits)
    return f"{number(of.mean, kind, unit=False, digits=digits)} ± {number(of.sd, kind, unit=unit, digits=digits)}"


def interval(low: float | None, high: float | None, kind: Format, *, digits: int | None = None) -> str:
    """``82.10 … 84.40``; ``-`` for none."""
    if low is None or high is None:
        return MISSING
    return f"{number(low, kind, unit=False, digits=digits)} … {number(high, kind, unit=False, digits=digits)}"


def accuracy(share: float, *, unit: bool = True) -> str:
    """An accuracy where there is room for one decimal: ``83.2 %``."""
    return number(share, "percent", unit=unit, digits=1)


def by_size(value: float, unit: str) -> str:
    """A value of a quantity with a unit (%, points, ×, ° or none), without it: three digits, at most two behind the point."""
    return _decimal(_factor(unit) * value, _places(_factor(unit) * value))


def mean_and_sd_by_size(of: Spread, unit: str) -> str:
    """``6.21 ± 0.40 %`` with as many digits as the mean's size asks for; one value has no spread."""
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
    return f"{value:.{places}f}".replace("-", "\u2212")


def percent(share: float) -> str:
    """A density as a percentage with two significant digits or all whole ones: 100 %, 4 %, 0.97 %."""
    value = 100 * share
    if value >= 9.5:
        return f"{value:.0f} %"
    return f"{value:.2g} %" if value >= 0.01 else f"{value:.1g} %"


def gigabytes(size: float, digits: int = 1) -> str:
    """A number of bytes: ``1.2 GB``."""
    return f"{size / 1e9:.{digits}f} GB"


def span(seconds: float) -> str:
    """A duration in words."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
