"""The page of the paper in miniature: claims with verdicts first, then a section with a plot each; a CSV beside it."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from prunescope.figures.style import STYLE
from prunescope.reproduce import plots
from prunescope.reproduce.claims import SECTIONS
from prunescope.reproduce.evidence import Evidence, Judged, Section
from prunescope.reproduce.numbers import numbers
from prunescope.reproduce.rules import Quantity, Test
from prunescope.reproduce.stored import Kind, Miniature, places
from prunescope.store import Run

CHIPS = {"holds": "yes", "does not hold": "no", "not decided": "open"}
PLOT_DPI = 110


def write_page(kinds: Mapping[str, Sequence[Run]], file: Path) -> list[Path]:
    """Write the page and, beside it, the CSV with every number on it; returns both paths."""
    mini = Miniature(kinds, file.parent)
    judged = {section.id: [Judged(c, c.measure(mini)) for c in section.claims] for section in SECTIONS}
    table = file.with_suffix(".csv")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(html(mini, judged, table.name), "utf-8")
    table.write_text(numbers(judged), "utf-8")
    return [file, table]


def html(mini: Miniature, judged: Mapping[str, Sequence[Judged]], table: str) -> str:
    """The page, which asks for nothing from outside itself."""
    from jinja2 import Environment

    style = _text("page.css")
    shown = [_section(section, mini, judged[section.id]) for section in SECTIONS]
    verdicts = [claim["verdict"] for section in shown for claim in section["claims"]]
    return (
        Environment(autoescape=True)
        .from_string(_text("page.html.j2"))
        .render(
            style=style,
            style_hash=_hash(style),
            sections=shown,
            counts=[(verdict, CHIPS[verdict], verdicts.count(verdict)) for verdict in CHIPS],
            total=len(verdicts),
            setup=setup(mini),
            experiments=[_experiment(name, kind) for name, kind in mini.kinds.items()],
            table=table,
        )
    )


def setup(mini: Miniature) -> list[str]:
    """What was run, in sentences."""
    kind = mini["imp"]
    if not kind.runs:
        return ["The main experiment has no finished level."]
    run = kind.runs[min(kind.runs)]
    experiment, (_, height, width) = run.experiment, run.shape
    train, hidden = experiment.train, experiment.network.hidden
    seeds = ", ".join(str(number) for number in sorted(kind.runs))
    hours = sum(
        float(table.filter(layer=1)["seconds"].sum())
        for k in mini.kinds.values()
        for table in k.tables.values()
    )
    runs = sum(len(one.runs) for one in mini.kinds.values())
    return [
        f"Photographs of {width}×{height} pixels against phase-scrambled copies of themselves "
        f"({experiment.data.patches:,} patches), a fully connected network of {'×'.join(map(str, hidden))} units, "
        f"{train.steps:,} steps a level in batches of {train.batch}, learning rate {train.lr:g}, "
        f"p = {experiment.prune.rate:g}; the paper: ImageNet32, 3×1024 units, 100,000 steps of 1000 images, 0.1, 0.3.",
        f"{runs} runs of {len(mini.kinds)} experiments, seed{'s' * (len(kind.runs) > 1)} {seeds}; {hours / 60:.0f} minutes of training, one thread each.",
    ]


def _section(section: Section, mini: Miniature, judged: Sequence[Judged]) -> dict[str, Any]:
    return {
        "id": section.id,
        "title": section.title,
        "caption": section.caption,
        "plot": _plot(section, mini),
        "claims": [_claim(one) for one in judged],
    }


def _claim(one: Judged) -> dict[str, Any]:
    evidence = one.evidence
    return {
        "id": one.claim.id,
        "sentence": one.claim.sentence,
        "place": one.claim.place,
        "there": one.claim.there,
        "rule": one.claim.rule,
        "verdict": evidence.verdict,
        "chip": CHIPS[evidence.verdict],
        "here": _here(evidence),
        "quantities": [_quantity(quantity) for quantity in evidence.quantities],
        "tests": [_test(test) for test in evidence.tests],
        "runs": sorted(places(evidence.quantities)),
    }


def _here(evidence: Evidence) -> str:
    """The two numbers that sum a claim up."""
    found = [evidence.quantities[place] for place in evidence.heads]
    return "; ".join(f"{quantity.name}: {spread(quantity.values, quantity.unit)}" for quantity in found)


def _quantity(quantity: Quantity) -> dict[str, Any]:
    values = quantity.values
    return {
        "name": quantity.name,
        "null": quantity.null,
        "n": len(values),
        "value": spread(values, quantity.unit),
        "each": ", ".join(one_value(value, quantity.unit) for value in values),
    }


def _test(test: Test) -> dict[str, Any]:
    found = test.interval
    unit = test.unit
    return {
        "text": test.text,
        "mean": _difference(test),
        "interval": "n < 3"
        if found is None
        else f"{one_value(found[0], unit)} … {one_value(found[1], unit)}",
        "verdict": test.verdict,
        "chip": CHIPS[test.verdict],
        "n": len(test.differences),
    }


def _difference(test: Test) -> str:
    return spread(list(test.differences.values()), test.unit)


def spread(values: Sequence[float], unit: str) -> str:
    """Mean ± sample sd: ``6.21 ± 0.40 %``; one value alone has no spread."""
    if not values:
        return "not measured"
    scale = _scale(unit)
    mean, digits = scale * fmean(values), _digits(scale * fmean(values))
    if len(values) == 1:
        return f"{_decimal(mean, digits)}{_unit(unit)}"
    return f"{_decimal(mean, digits)} ± {_decimal(scale * stdev(values), digits)}{_unit(unit)}"


def one_value(value: float, unit: str) -> str:
    """A value without its unit, a percentage as one."""
    shown = _scale(unit) * value
    return _decimal(shown, _digits(shown))


def _scale(unit: str) -> int:
    return 100 if unit in ("%", "points") else 1


def _digits(value: float) -> int:
    size = abs(value)
    return 0 if size >= 100 else 1 if size >= 10 else 2


def _decimal(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "\u2212")


def _unit(unit: str) -> str:
    return {"": "", "°": "°"}.get(unit, f"\u00a0{unit}")


def _experiment(name: str, kind: Kind) -> dict[str, Any]:
    runs = [
        {"seed": seed, "path": kind.path(seed), "status": run.status, "levels": len(run.levels)}
        for seed, run in sorted(kind.runs.items())
    ]
    return {"name": name, "runs": runs}


def _plot(section: Section, mini: Miniature) -> str:
    """A section's plot as a data URI."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context(STYLE | {"svg.fonttype": "path", "svg.hashsalt": section.id}):
        figure = getattr(plots, section.plot)(mini)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _text(name: str) -> str:
    return (resources.files("prunescope.reproduce") / name).read_text("utf-8")


def _hash(text: str) -> str:
    """The source expression of Content-Security-Policy that allows just this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
