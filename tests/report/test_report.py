"""The page as a file: what it holds, what it must not hold, and what is refused."""

import base64
import hashlib
import json
import math
import re
import shutil
from html.parser import HTMLParser

import polars
import pytest

from prunescope.errors import InputError
from prunescope.observables.null_moments import fan_in_ratio_null
from prunescope.report import write_report
from prunescope.report.standalone import as_script
from prunescope.report.summary import _locality_fact
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run
from stored_runs import claim, write_run


def _data(text):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    )


def _replace_table(run, table):
    with open_run(run.experiment, run.seed, run.path.parent.parent) as writer:
        writer.write_table(table.to_dicts(), table.schema)


def test_nothing_is_loaded_from_elsewhere(page_file):
    text = page_file.read_text("utf-8")
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', text) == []
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace('http-equiv="', "")
    assert "default-src 'none'" in text
    assert "unsafe" not in text


@pytest.mark.parametrize(("tag", "directive"), [("style", "style-src"), ("script", "script-src")])
def test_the_policy_allows_exactly_the_page_s_own(tag, directive, page_file):
    text = page_file.read_text("utf-8")
    body = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    assert f"{directive} 'sha256-{digest}'" in text


def test_data_cannot_end_its_element():
    hostile = {"</script><script>": "<!-- & \u2028 ]]>"}
    text = as_script(hostile)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == hostile


def test_names_are_escaped(page_file):
    text = page_file.read_text("utf-8")
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text
    assert text.count("</script>") == 2


class _Elements(HTMLParser):
    """Collects the elements of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, sorted(name for name, _ in attrs)))


@pytest.mark.parametrize(
    "hostile",
    [
        "</script><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onload='alert(1)",
        "<!--<script>",
        "]]>\u2028\x00\x1b[31m\ud800",
        "javascript:alert(1)",
        "{{ 7 * 7 }}{% raw %}",
    ],
)
def test_no_text_of_a_run_becomes_a_part_of_the_page(hostile, finished_run, tmp_path):
    def of(value, key=""):
        if isinstance(value, dict):
            return {name: of(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return value if key == "tables" else [of(one) for one in value]
        return hostile if isinstance(value, str) and key not in ("identity", "status") else value

    made = finished_run.experiment
    changed = made.model_copy(
        update={
            "data": made.data.model_copy(update={"root": "/" + hostile.replace("\ud800", "")}),
            "prune": made.prune.model_copy(update={"method": "unknown", "options": {"a": hostile[:-1]}}),
        }
    )
    plain, odd = tmp_path / "plain" / "seed-3", tmp_path / "odd" / "seed-3"
    for path, about in ((plain, finished_run.about), (odd, of(finished_run.about))):
        shutil.copytree(finished_run.path, path)
        (path / "experiment.toml").write_text(changed.to_toml(), "utf-8")
        about |= {"method": of({"label": "plain", "sentence": "x"}) if path == odd else {}, "ended": hostile}
        about["data"]["notes"] = [hostile] if path == odd else ["plain"]
        (path / "run.json").write_text(json.dumps(about | {"identity": changed.identity}), "utf-8")
        claim(path, changed.identity)
    texts = [write_report([Run(path)], path / "p.html").read_text("utf-8") for path in (plain, odd)]
    assert _Elements(texts[1]).found == _Elements(texts[0]).found


def test_numbers_are_those_of_the_table(page_file, seeds):
    data = _data(page_file.read_text("utf-8"))
    assert [run["seed"] for run in data["runs"]] == [0, 1]
    for run, shown in zip(seeds, data["runs"], strict=True):
        rows = run.table.filter(polars.col("layer") == 1).to_dicts()
        for row, level in zip(rows, shown["levels"], strict=True):
            for name in ("locality", "locality_z", "best_val_accuracy", "heldout_accuracy", "units_alive"):
                assert level[name] == (None if row[name] is None else pytest.approx(row[name], rel=1e-5))
            assert level["z_shuffles"] is None  # an exact sd
            mask = run.mask(row["level"])
            null = fan_in_ratio_null(mask.n_out, mask.n_in, mask.kept)
            for name, value in (("null", null.mean), ("null_sd", null.sd)):
                shown_null = level[f"fan_in_var_ratio_{name}"]
                assert shown_null == (pytest.approx(value, rel=1e-4) if row["level"] else None)


def test_facts_in_plain_words(page_file, seeds):
    accuracy, locality, fan_in, runs = _data(page_file.read_text("utf-8"))["groups"][0]["facts"]
    tables = [run.table.filter(polars.col("layer") == 1) for run in seeds]
    dense = sum(table["best_val_accuracy"][0] for table in tables) / 2
    best = sum(table["best_val_accuracy"][9] for table in tables) / 2
    assert accuracy["value"] == f"{100 * dense:.1f} → {100 * best:.1f} %"
    assert locality["value"] == f"{sum(table['locality'][11] for table in tables) / 2:.2f} ×"
    assert f"z ≥ {math.floor(min(table['locality_z'][11] for table in tables))} " in locality["text"]
    assert "the sparsest level no worse than dense" in locality["text"]
    assert fan_in["value"] == f"{sum(table['fan_in_var_ratio'][11] for table in tables) / 2:.1f} ×"
    assert runs == {"value": "2", "text": "runs of synthetic, seeds 0, 1"}


def test_sparsest_no_worse_is_not_simply_the_last_level(tmp_path):
    run = write_run(tmp_path / "runs", levels=8, hidden=(10, 8))
    rows = run.table.with_columns(
        best_val_accuracy=polars.when(polars.col("level") == 7).then(0.1).otherwise("best_val_accuracy")
    )
    _replace_table(run, rows)
    text = write_report([run], tmp_path / "report.html").read_text("utf-8")
    locality = rows.filter(polars.col("level") == 6, polars.col("layer") == 1)["locality"][0]
    assert _data(text)["groups"][0]["facts"][1]["value"] == f"{locality:.2f} ×"


def test_facts_when_no_pruned_level_is_as_good_as_dense(tmp_path):
    run = write_run(tmp_path / "runs", levels=4, hidden=(10, 8))
    _replace_table(run, run.table.with_columns(best_val_accuracy=1 / (2.0 + polars.col("level"))))
    group = _data(write_report([run], tmp_path / "report.html").read_text("utf-8"))["groups"][0]
    assert group["facts"][0]["value"] == "50.0 %"
    assert "no pruned one is better" in group["facts"][0]["text"]
    assert "the level nearest u = 1 %; none is as good as dense" in group["facts"][1]["text"]
    assert group["opens_at"] == 3


def test_means_are_over_the_levels_that_all_seeds_have_finished(tmp_path):
    runs = [write_run(tmp_path / "runs", seed=seed, levels=6, hidden=(10, 8)) for seed in range(2)]
    _replace_table(runs[1], runs[1].table.filter(polars.col("level") < 4))
    data = _data(write_report(runs, tmp_path / "report.html").read_text("utf-8"))
    assert [(row["level"], row["seeds"]) for row in data["groups"][0]["curves"]] == [(k, 2) for k in range(4)]
    assert [len(run["levels"]) for run in data["runs"]] == [6, 4]


def test_what_was_not_measured_is_said(tmp_path):
    run = write_run(tmp_path / "runs", levels=3, hidden=(10, 8))
    missing = [
        polars.lit(None, dtype=polars.Float64).alias(n)
        for n in ("locality", "locality_z", "heldout_accuracy")
    ]
    _replace_table(run, run.table.with_columns(missing))
    data = _data(write_report([run], tmp_path / "report.html").read_text("utf-8"))
    assert data["groups"][0]["facts"][1] == {"value": "—", "text": "locality was not measured"}
    assert data["runs"][0]["levels"][2]["heldout_accuracy"] is None


def test_unfinished_runs_are_named_so(seeds, tmp_path):
    with open_run(seeds[0].experiment, 0, seeds[0].path.parent.parent) as writer:
        writer.write_about(status="interrupted")
        text = write_report([writer], tmp_path / "one.html").read_text("utf-8")
        both = write_report([writer, seeds[1]], tmp_path / "both.html").read_text("utf-8")
        writer.write_about(status="done")
    assert "run of synthetic, seed 0, not finished" in text
    assert "runs of synthetic, seeds 0, 1; 1 of them not finished" in both


def test_no_runs(tmp_path):
    with pytest.raises(InputError, match="a report needs at least one run"):
        write_report([], tmp_path / "report.html")


def test_a_run_without_a_finished_level(seeds, tmp_path):
    with (
        open_run(seeds[0].experiment, 7, tmp_path / "runs") as unfinished,
        pytest.raises(InputError, match="no level is finished yet"),
    ):
        write_report([unfinished], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_out_is_a_folder_or_under_a_file(seeds, tmp_path):
    with pytest.raises(InputError, match="is a folder; give the report a file name"):
        write_report(seeds[:1], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write there"):
        write_report(seeds[:1], tmp_path / "file" / "report.html")


def test_a_run_on_a_table_is_refused_with_what_needs_no_geometry(tmp_path):
    changes = {"data": {"source": "npz", "root": "t.npz", "geometry": "none"}}
    run = write_run(tmp_path, shape=(1, 1, 20), levels=2, changes=changes)
    with pytest.raises(
        InputError, match="which a report needs; prunescope show, compare and figure levels need none"
    ):
        write_report([run], tmp_path / "page.html")


def test_z_of_every_run_is_rounded_down_and_has_no_negative_zero():
    row = {"u": 0.1, "seeds": 2, "locality_mean": 1.2, "locality_z_min": 19.7, "z_shuffles": None}
    assert "(z ≥ 19 against shuffled masks in every run)" in _locality_fact(row, "", "pixels")["text"]
    one = row | {"seeds": 1, "locality_z_min": -0.2}
    assert "(z = 0 against shuffled masks)" in _locality_fact(one, "", "pixels")["text"]
