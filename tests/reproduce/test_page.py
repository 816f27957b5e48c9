"""The page and the table beside it: run with `pytest tests/reproduce/test_page.py`."""

import csv
import html as entities
import math
import re

import numpy as np
import polars
import pytest

from prunescope.mask import Mask
from prunescope.observe import effective_masks, radius_of_gyration
from prunescope.reproduce.claims import SECTIONS
from prunescope.reproduce.page import one_value, spread, write_page
from prunescope.store import Run

CELL = re.compile(r"levels\.parquet, level (\d+), layer (\d+), (\w+)")


@pytest.fixture(scope="module")
def page(runs, kinds):
    return write_page(kinds, runs[0] / "miniature.html")


@pytest.fixture(scope="module")
def rows(page):
    with page[1].open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cell(out, run, where):
    """An entry of levels.parquet, read again from the file."""
    level, layer, column = CELL.search(where).groups()
    table = polars.read_parquet(out / run / "levels.parquet")
    return table.row(
        by_predicate=(polars.col("level") == int(level)) & (polars.col("layer") == int(layer)), named=True
    )[column]


def again(out, row, rows):
    """What the place named in a row of the table says, computed anew; None for a kind of place not known here."""
    run, where = row["run"], row["where"]
    first = run.split(" ; ")[0]
    same = [r for r in rows if r["claim"] == row["claim"] and r["seed"] == row["seed"]]
    if named := re.fullmatch(r"\[(.+)\] - \[(.+)\]", where):
        a, b = (float(next(r["value"] for r in same if r["quantity"] == name)) for name in named.groups())
        return a - b
    if named := re.fullmatch(r"\[(.+)\] - ([-\d.]+)", where):
        return float(next(r["value"] for r in same if r["quantity"] == named[1])) - float(named[2])
    if where.startswith("log10 of "):
        return math.log10(cell(out, run, where))
    if where.startswith("("):
        return excess(out, *run.split(" ; "), where)
    if where.endswith(" / units"):
        return cell(out, run, where) / cell(out, run, where.replace("units_alive / ", ""))
    if where.endswith(" / nominal_density"):
        return cell(out, run, where) / cell(out, run, where.replace("weight_density / ", ""))
    if where.endswith("mean difference"):
        return mean_difference(out, *run.split(" ; "))
    if CELL.fullmatch(where):
        return cell(out, run, where)
    if where.startswith("observations"):
        level, order, place = re.search(r"level (\d+), (ablation_\w+)\[(\d+)\]", where).groups()
        return float(Run(out / run).observations(int(level))[order][int(place)])
    return from_masks(Run(out / first), where)


def excess(out, run, reference, where):
    tables = polars.read_parquet(out / reference / "levels.parquet").filter(polars.col("layer") == 1)
    density = cell(out, run, re.sub("locality", "weight_density", where))
    dense = tables.sort("weight_density")
    known = np.interp(
        np.log(density), np.log(dense["weight_density"].to_numpy()), dense["locality"].to_numpy()
    )
    return (cell(out, run, where) - 1) / (known - 1)


def mean_difference(out, first, second):
    one, two = (
        polars.read_parquet(out / run / "levels.parquet").filter(polars.col("layer") == 1).sort("level")
        for run in (first, second)
    )
    return float((one["best_val_accuracy"] - two["best_val_accuracy"]).mean())


def from_masks(run, where):
    level = int(re.search(r"level (\d+)", where)[1])
    ticket = run.ticket(level)
    if "fan-out" in where:
        array = ticket.masks[0].array
        u = array.mean()
        return float(array.sum(axis=0).var() / (len(array) * u * (1 - u)))
    if "gyration" in where:
        layer = int(re.search(r"layers 1 to (\d+)", where)[1])
        return float(
            np.nanmean(radius_of_gyration(Mask(effective_masks(ticket.masks[:layer])[-1]), run.shape))
        )
    return None


def test_every_number_can_be_found_in_the_runs(runs, rows):
    unknown = set()
    for row in rows:
        expected = again(runs[0], row, rows)
        if expected is None:
            unknown.add(row["where"].split(": ")[-1])
        else:
            assert float(row["value"]) == pytest.approx(expected, rel=1e-9, abs=1e-12), row
    assert unknown == {"direction of S_sc"}  # tested on masks of known direction
    assert len(rows) > 300


def test_every_number_shown_stands_in_the_table(page, rows):
    text = entities.unescape(page[0].read_text("utf-8"))
    for section in SECTIONS:
        for claim in section.claims:
            article = text[text.index(f'<article id="{claim.id}">') :]
            article = article[: article.index("</article>")]
            shown = re.findall(
                r"<td>(.+?)</td><td class=\"num\">(.+?)</td><td>(\d)</td><td>(.*?)</td>", article
            )
            quantities = [entry for entry in shown if "chip" not in entry[3]]
            assert quantities, claim.id
            for name, value, count, each in quantities:
                stored = [r for r in rows if r["claim"] == claim.id and r["quantity"] == name]
                values = [float(r["value"]) for r in sorted(stored, key=lambda r: int(r["seed"]))]
                assert len(values) == int(count)
                units = {spread(values, unit): unit for unit in ("", "%", "points", "×", "°")}
                assert value in units, (claim.id, name)
                assert each == ", ".join(one_value(v, units[value]) for v in values)


def test_the_page_asks_for_nothing_and_runs_are_named_relative(page, runs):
    text = page[0].read_text("utf-8")
    assert not re.search(r"(src|href)=\"(?!data:|#|miniature\.csv)", text)
    assert str(runs[0]) not in text
    assert text.count("<article") == sum(len(section.claims) for section in SECTIONS)


def test_every_claim_is_in_the_first_table_with_its_verdict(page):
    text = page[0].read_text("utf-8")
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    verdicts = re.findall(r'<span class="chip \w+">(.+?)</span></td>\s*<td><a href="#([\w-]+)">', table)
    assert [name for _, name in verdicts] == [c.id for s in SECTIONS for c in s.claims]
    for verdict, name in verdicts:
        article = text[text.index(f'<article id="{name}">') :]
        assert re.search(r'<span class="chip \w+">(.+?)</span>', article)[1] == verdict


def test_a_page_of_unfinished_runs_says_that_nothing_is_decided(runs, tmp_path):
    text = write_page({"imp": runs[1][:1]}, tmp_path / "page.html")[0].read_text("utf-8")
    assert "not measured" in text
    assert '<span class="chip yes">holds</span></td>' not in text


@pytest.mark.parametrize(
    ("values", "unit", "shown"),
    [
        ([0.0621, 0.0661], "%", "6.41 ± 0.28\u00a0%"),
        ([0.0621], "points", "6.21\u00a0points"),
        ([-1.234], "×", "\u22121.23\u00a0×"),
        ([19.0, 21.0], "°", "20.0 ± 1.4°"),
        ([], "%", "not measured"),
    ],
)
def test_numbers_are_written_with_their_spread(values, unit, shown):
    assert spread(values, unit) == shown
