"""Write the page of the paper in miniature, with verdicts, sections and plots, and a CSV beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.formats import by_size, mean_and_sd_by_size
from prunescope.analysis.statistics import spread
from prunescope.figures.parts.style import STYLE
from prunescope.files import advising, replacing_together
from prunescope.report.standalone import as_base64, render
from prunescope.reproduce.claims.evidence import Evidence, JudgedClaim, PageSection
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity, places, together
from prunescope.reproduce.claims.miniature import ExperimentRuns, Miniature
from prunescope.reproduce.claims.rules import Test, Verdict
from prunescope.reproduce.claims.sections import SECTIONS
from prunescope.reproduce.page import plots
from prunescope.reproduce.page.numbers import numbers
from prunescope.reproduce.page.wording import (
    compared,
    how_judged,
    images_of,
    interval,
)
from prunescope.runs.directory import Run

CHIPS = {"holds": "yes", "contradicted": "no", "not decided": "open"}
PLOT_DPI = 110


def write_page(kinds: Mapping[str, Sequence[Run]], file: Path) -> list[Path]:
    """Write the page and, beside it, the CSV with every number on it; return both paths.

    ``kinds``: the runs of each experiment by its name in claims. ``file``: the path of the page.
    """
    mini = Miniature(kinds, file.parent)
    judged = {section.id: [JudgedClaim(c, c.measure(mini)) for c in section.claims] for section in SECTIONS}
    table = file.with_suffix(".csv")
    page, csv = html(mini, judged, table.name), numbers(judged)
    with advising(file.parent, "--out"), replacing_together() as temporary:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary(file).write_text(page, "utf-8")
        temporary(table).write_text(csv, "utf-8")
    return [file, table]


def html(mini: Miniature, judged: Mapping[str, Sequence[JudgedClaim]], table: str) -> str:
    """Return the page as one HTML text that loads nothing from elsewhere."""
    shown = [_section(section, mini, judged[section.id]) for section in SECTIONS]
    verdicts = [claim["verdict"] for section in shown for claim in section["claims"]]
    values = {
        "title": "The paper in miniature",
        "sections": shown,
        "counts": [(verdict, CHIPS[verdict], verdicts.count(verdict)) for verdict in CHIPS],
        "how_judged": how_judged(len(verdicts)),
        "setup": setup(mini),
        "experiments": [_experiment(name, kind) for name, kind in mini.kinds.items()],
        "table": table,
    }
    return render("prunescope.reproduce.page", values)


def setup(mini: Miniature) -> list[str]:
    """Describe in sentences what was run."""
    kind = mini["imp"]
    if not kind.runs:
        return ["The main experiment has no finished level."]
    first = min(kind.runs)
    run = kind.runs[first]
    experiment, (_, height, width) = run.experiment, run.shape
    train, hidden = experiment.train, experiment.network.hidden
    return [
        f"Photographs of {width}×{height} pixels against phase-scrambled copies of themselves "
        f"({experiment.data.patches:,} patches), a fully connected network of {'×'.join(map(str, hidden))} units, "
        f"{train.steps:,} steps a level in batches of {train.batch}, learning rate {train.lr:g}, "
        f"p = {experiment.prune.rate:g}; the paper: ImageNet32, 3×1024 units, 100,000 steps of 1000 images, 0.1, 0.3.",
        _effort(mini),
    ]


def _effort(mini: Miniature) -> str:
    """Say how many runs there are and how many minutes they took."""
    seeds = sorted(mini["imp"].runs)
    rows = [row for kind in mini.kinds.values() for seed in kind.runs for row in kind.layer(seed)]
    seconds = sum(row.get("seconds") or 0.0 for row in rows)
    runs = sum(len(one.runs) for one in mini.kinds.values())
    return (
        f"{runs} runs of {len(mini.kinds)} experiments, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}; "
        f"{seconds / 60:.0f} minutes of training, one thread each."
    )


def _section(section: PageSection, mini: Miniature, judged: Sequence[JudgedClaim]) -> dict[str, Any]:
    return {
        "id": section.id,
        "title": section.title,
        "caption": section.caption,
        "plot": _plot(section, mini),
        "claims": [_claim(one) for one in judged],
    }


def _claim(one: JudgedClaim) -> dict[str, Any]:
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
        "tests": [
            _test(test, verdict) for test, verdict in zip(evidence.tests, evidence.verdicts, strict=True)
        ],
        "runs": sorted(places(evidence.quantities)),
    }


def _here(evidence: Evidence) -> str:
    """Format the two numbers that sum a claim up, with the images of those that are accuracies."""
    found = [evidence.quantities[place] for place in evidence.heads]
    shown = "; ".join(f"{one.name}: {mean_and_sd_by_size(spread(one.values), one.unit)}" for one in found)
    images = together(one.images for one in found)
    return f"{shown} (images: {images})" if images else shown


def _quantity(quantity: MeasuredQuantity) -> dict[str, Any]:
    values = quantity.values
    return {
        "name": quantity.name,
        "null": quantity.null,
        "n": len(values),
        "value": mean_and_sd_by_size(spread(values), quantity.unit),
        "images": quantity.images,
        "each": ", ".join(by_size(value, quantity.unit) for value in values),
    }


def _test(test: Test, verdict: Verdict) -> dict[str, Any]:
    return {
        "text": test.text,
        "mean": mean_and_sd_by_size(test.spread, test.unit),
        "compared": compared(test),
        "images": images_of(test),
        "interval": interval(test, verdict),
        "verdict": verdict,
        "chip": CHIPS[verdict],
    }


def _experiment(name: str, kind: ExperimentRuns) -> dict[str, Any]:
    runs = [
        {"seed": seed, "path": kind.path(seed), "status": run.status, "levels": len(run.levels)}
        for seed, run in sorted(kind.runs.items())
    ]
    return {"name": name, "runs": runs}


def _plot(section: PageSection, mini: Miniature) -> str:
    """Return a section's plot as a data URI."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context(STYLE | {"svg.fonttype": "path", "svg.hashsalt": section.id}):
        figure = getattr(plots, section.plot)(mini)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{as_base64(buffer.getvalue())}"
