"""The page and the table beside it: run with `pytest tests/reproduce/test_page.py`."""

import csv
import html as entities
import json
import math
import re
import shutil
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars
import pytest
from matplotlib.figure import Figure

from prunescope.analysis.formats import by_size, mean_and_sd_by_size
from prunescope.analysis.statistics import spread
from prunescope.mask import Mask
from prunescope.observables import effective_masks, radius_of_gyration
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity, Sample
from prunescope.reproduce.claims.miniature import Miniature
from prunescope.reproduce.claims.rules import Test
from prunescope.reproduce.claims.sections import SECTIONS
from prunescope.reproduce.page import plots
from prunescope.reproduce.page.plot_parts import null_band
from prunescope.reproduce.page.wording import compared, interval
from prunescope.reproduce.page.writing import write_page
from prunescope.runs.directory import Run


def case(*values):
    """A test that the mean of some values is above 0."""
    return Test("", MeasuredQuantity("", {seed: Sample(value, "", "") for seed, value in enumerate(values)}))


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
    measured = [r for r in rows if r["claim"] == row["claim"] and r["row"] == "measured"]

    def values(name):
        return {r["seed"]: float(r["value"]) for r in measured if r["quantity"] == name}

    if named := re.fullmatch(r"mean of \[(.+)\] - mean of \[(.+)\]", where):
        a, b = (np.mean(list(values(name).values())) for name in named.groups())
        return a - b
    if named := re.fullmatch(r"\[(.+)\] ([-/]) \[(.+)\]", where):
        a, b = (values(name)[row["seed"]] for name in (named[1], named[3]))
        return a - b if named[2] == "-" else a / b
    if named := re.fullmatch(r"\[(.+)\] - ([-\d.]+)", where):
        return values(named[1])[row["seed"]] - float(named[2])
    if named := re.fullmatch(r"([-\d.]+) \* \[(.+)\]", where):
        return float(named[1]) * values(named[2])[row["seed"]]
    if where.startswith("log10 of "):
        return math.log10(cell(out, run, where))
    if where.startswith("imp's locality - 1 at "):
        return excess_of_imp(out, *run.split(" ; "), where)
    if where.endswith(", locality - 1"):
        return cell(out, run, where) - 1
    if where.endswith(" / units"):
        return cell(out, run, where) / cell(out, run, where.replace("units_alive / ", ""))
    if where.endswith(" / nominal_density"):
        return cell(out, run, where) / cell(out, run, where.replace("weight_density / ", ""))
    if where.endswith("best_val_accuracy: mean"):
        table = polars.read_parquet(out / run / "levels.parquet").filter(polars.col("layer") == 1)
        return float(table["best_val_accuracy"].mean())
    if CELL.fullmatch(where):
        return cell(out, run, where)
    if where.startswith("observations"):
        level, order, place = re.search(r"level (\d+), (ablation_\w+)\[(\d+)\]", where).groups()
        return float(Run(out / run).observations(int(level))[order][int(place)])
    return from_masks(Run(out / first), where)


def excess_of_imp(out, run, reference, where):
    tables = polars.read_parquet(out / reference / "levels.parquet").filter(polars.col("layer") == 1)
    density = cell(out, run, where)
    dense = tables.sort("weight_density")
    known = np.interp(
        np.log(density), np.log(dense["weight_density"].to_numpy()), dense["locality"].to_numpy()
    )
    return known - 1


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
                r"<td>(.+?)</td><td class=\"num\">(.+?)</td><td>(\d)</td><td>(.*?)</td><td>(.*?)</td>",
                article,
            )
            assert shown, claim.id
            for name, value, count, images, each in shown:
                stored = [r for r in rows if r["claim"] == claim.id and r["quantity"] == name]
                values = [float(r["value"]) for r in sorted(stored, key=lambda r: int(r["seed"]))]
                assert len(values) == int(count)
                assert {r["images"] for r in stored} <= {images}
                units = {
                    mean_and_sd_by_size(spread(values), unit): unit for unit in ("", "%", "points", "×", "°")
                }
                assert value in units, (claim.id, name)
                assert each == ", ".join(by_size(v, units[value]) for v in values)


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


def test_every_test_says_how_seeds_were_compared(page, rows):
    text = entities.unescape(page[0].read_text("utf-8"))
    for claim in (claim for section in SECTIONS for claim in section.claims):
        article = text[text.index(f'<article id="{claim.id}">') :]
        article = article[article.index("Tested") : article.index("</article>")]
        compared = re.findall(
            r'<td class="num">.+?</td><td>(paired|one sample|Welch), n = (.+?)</td>', article
        )
        assert len(compared) == article.count('<td class="num">'), claim.id
        tested = Counter(r["row"] for r in rows if r["claim"] == claim.id and r["row"] != "measured")
        counted = Counter()
        for how, n in compared:
            assert how != "Welch" or n == "3 and 3"
            counted[how] += 1 if how == "Welch" else int(n.split(",")[0])
        assert tested == counted, claim.id


def test_the_page_says_its_rules_and_how_many_verdicts_to_expect_wrong(page):
    text = entities.unescape(page[0].read_text("utf-8"))
    claims = sum(len(section.claims) for section in SECTIONS)
    assert f"Of {claims} claims at most about {claims / 40:.1f} would get a wrong verdict by chance" in text
    for said in (
        "It is contradicted when",
        "Holm’s correction",
        "at least 5 seeds in common",
        "conditional on them",
    ):
        assert said in text


def test_accuracies_have_their_number_of_images_beside_them(page, rows):
    text = entities.unescape(page[0].read_text("utf-8"))
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    assert "(images: 500 held-out)" in table
    for row in rows:
        if "accuracy" in row["where"]:
            assert row["images"] == ("500 held-out" if "heldout" in row["where"] else "200 validation"), row


def test_plots_of_accuracies_name_their_images(runs, kinds):
    mini = Miniature(kinds, runs[0])
    assert plots.accuracy(mini).axes[0].get_ylabel() == "held-out accuracy (%)\n500 held-out images"
    assert plots.methods_accuracy(mini).axes[0].get_ylabel() == "held-out accuracy (%)\n500 held-out images"
    assert plots.ablation(mini).axes[0].get_ylabel() == "validation accuracy (%)\n200 validation images"
    assert plots.locality_curve(mini).axes[0].get_ylabel() == "locality of layer 1 (1 = chance)"


def test_runs_of_an_earlier_version_are_shown_as_far_as_they_go(runs, kinds, tmp_path):
    """Without the columns and entries that came later, quantities are absent and what they test is not decided."""
    missing = (
        "heldout_accuracy",
        "heldout_images",
        "locality",
        "anisotropy",
        "fan_in_var_ratio",
        "units",
        "seconds",
    )
    old = {}
    for name in ("imp", "global"):
        old[name] = [shorn(run, tmp_path / name / f"seed-{run.seed}", missing) for run in kinds[name]]
    page, table = write_page(old, tmp_path / "page.html")
    text = page.read_text("utf-8")
    verdicts = dict(
        re.findall(r'<article id="([\w-]+)">\s*<div class="head"><span class="chip \w+">(.+?)</span>', text)
    )
    assert {name for name, verdict in verdicts.items() if verdict != "not decided"} <= {
        "global",
        "peak",
        "ablation",
    }
    assert verdicts["gain"] == verdicts["locality"] == "not decided"
    assert "validation, number not stored" in table.read_text("utf-8")
    assert not re.search(r"Welch, n = 0 and 3.*holds", text)


def shorn(run, path, columns):
    """A copy of a run directory without some columns of levels.parquet and without most of what run.json says."""
    shutil.copytree(run.path, path)
    polars.read_parquet(path / "levels.parquet").drop(columns).write_parquet(path / "levels.parquet")
    about = json.loads((path / "run.json").read_text("utf-8"))
    about.pop("tables", None)
    about["data"] = {"shape": about["data"]["shape"]}
    (path / "run.json").write_text(json.dumps(about), "utf-8")
    return Run(path)


@pytest.mark.parametrize(
    ("test", "verdict", "said"),
    [
        (case(-1.0, -1.2, -1.75), "contradicted", "\u22122.28 … \u22120.35"),
        (
            case(-1.0, -1.2, -1.75),
            "not decided",
            "\u22122.28 … \u22120.35, outside, but not after the correction",
        ),
        (case(1.0, 1.0, 1.0), "not decided", "all seeds agree to the last digit"),
        (case(1.0, 2.0), "not decided", "n < 3"),
    ],
)
def test_a_test_shows_its_interval_or_says_why_there_is_none(test, verdict, said):
    assert interval(test, verdict) == said


def test_seeds_that_a_paired_difference_leaves_out_are_named():
    first, second = case(1.0, 2.0, 4.0, 3.0).first, case(0.5, 1.0, 1.0).first
    assert compared(Test("", first, second)) == "paired, n = 3, without seed 3"
    assert compared(Test("", first, replace(second, kind="other"))) == "Welch, n = 4 and 3"
    assert compared(Test("", first)) == "one sample, n = 4"


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
    assert mean_and_sd_by_size(spread(values), unit) == shown


def test_the_band_of_shuffled_masks_is_the_mean_over_seeds():
    null = {
        0: [(0.5, 1.0, 0.1), (0.25, 1.1, 0.2)],
        1: [(0.5, 1.2, 0.3), (0.25, 0.9, 0.4)],
        2: [(0.5, 1.1, 0.2)],
    }
    names = ("nominal_density", "locality_null", "locality_null_sd")
    rows = {
        seed: [dict(zip(names, one, strict=True)) | {"level": n} for n, one in enumerate(own, 1)]
        for seed, own in null.items()
    }
    mini = {"imp": SimpleNamespace(runs=null, layer=rows.__getitem__)}
    axes = Figure().subplots()
    null_band(axes, mini, "imp")
    corners = axes.collections[0].get_paths()[0].vertices
    assert np.isclose(corners, (0.5, 1.1 + 2 * 0.2)).all(axis=1).any()
    assert np.isclose(corners, (0.25, 1.0 - 2 * 0.3)).all(axis=1).any()
