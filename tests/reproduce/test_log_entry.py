"""tools/log_entry.py: run with `pytest tests/reproduce/test_log_entry.py`."""

import re

import pytest

import log_entry
from prunescope.errors import InputError
from prunescope.reproduce.claims.sections import SECTIONS


def test_levels_are_rows_of_means_and_deviations_over_seeds(runs):
    _, main, _ = runs
    head, _, heading, rule, *rows = log_entry.levels(main[::-1]).splitlines()
    assert head.startswith(f"mini/main, identity {main[0].record.identity}, seeds 0, 1, 2; n = 3; ")
    assert heading.count("|") == rule.count("|") == len(log_entry.LEVELS_HEADING) + 1
    assert rule == "|" + " --- |" * len(log_entry.LEVELS_HEADING)
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert [cell[:2] for cell in cells[:3]] == [["0", "100.00"], ["1", "70.00"], ["2", "49.00"]]
    last = [run.table.filter(layer=1).sort("level").to_dicts()[-1] for run in main]
    mean = sum(row["locality"] for row in last) / 3
    assert cells[-1][4].split(" ± ")[0] == f"{mean:.2f}"
    assert cells[-1][6] == ", ".join(f"{row['locality_z']:.0f}" for row in last)


def test_runs_of_several_experiments_are_refused(runs):
    _, main, other = runs
    with pytest.raises(InputError, match=r"the runs are of 2 experiments; give those of one: "):
        log_entry.levels([main[0], other[0]])


def test_every_claim_has_a_row_with_its_verdict(runs, kinds):
    head, _, *rest = log_entry.claims(kinds, runs[0]).splitlines()
    sentences = [claim.sentence for section in SECTIONS for claim in section.claims]
    said = re.match(rf"45 runs of 15 experiments\. Of {len(sentences)} claims: (.*)\.$", head)
    counts = {verdict: int(n) for n, verdict in re.findall(r"(\d+) ([a-z ]+)", said[1])}
    rows = rest[2 : 2 + len(sentences)]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == sentences
    verdicts = [row.split(" | ")[1] for row in rows]
    assert {verdict: verdicts.count(verdict) for verdict in verdicts} == counts


def test_commands_print_tables_or_one_line(runs, capsys, tmp_path):
    _, main, _ = runs
    assert log_entry.main(["levels", *(str(run.path) for run in main)]) == 0
    assert capsys.readouterr().out == log_entry.levels(main)
    with pytest.raises(InputError, match=r"none of the 75 runs of the miniature is below it"):
        log_entry.main(["claims", str(tmp_path)])
    assert log_entry.main([]) == 2
