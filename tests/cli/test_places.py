"""Verbs that take long check first where they will write: run with `pytest tests/cli/test_places.py`."""

import numpy as np
import pytest

from prunescope.cli import main


class Began(Exception):
    """What takes its time has begun."""


def began(*given, **named):
    raise Began


# A verb with the place where it cannot write as BAD, the option that names the place, and what takes its time.
VERBS = {
    "overlap MASKS MASKS --out BAD": ("--out", "prunescope.layers.overlapping.overlap"),
    "observe MASKS --page BAD/page.html": ("--page", "prunescope.layers.observing.observe"),
    "observe RUN --page BAD/page.html": ("--page", "prunescope.layers.observing.observe"),
    "report MASKS --out BAD/page.html": ("--out", "prunescope.layers.observing.observe"),
    "report RUN --out BAD/page.html": ("--out", "prunescope.report.page.html"),
    "figure layers-ranking MASKS --out BAD": ("--out", "prunescope.layers.observing.observe"),
    "figure layers-ranking RUN --out BAD": ("--out", "prunescope.layers.observing.observe"),
    "figure 1a RUN --out BAD": ("--out", "prunescope.figures.plots.drawing"),
    "export RUN --to npz --out BAD/a.npz": ("--out", "prunescope.export.exported.exported"),
    "table RUN --out BAD/a.parquet": ("--out", "prunescope.cli.tables.table_of"),
    "reproduce 1a --scale mini --figures BAD": ("--figures", "prunescope.sweep.execute"),
    "reproduce all --scale mini --out BAD": ("--out", "prunescope.sweep.execute"),
    "data prepare quickstart --out BAD/in": ("--out", "prunescope.data.prepared.preparation.open_raw"),
    "track RUN --to tensorboard --out BAD/in": ("--out", "prunescope.cli.tracking.send"),
    "bench --quick --plot BAD/a.png": ("--plot", "prunescope.cli.bench.run_bench"),
    "bench --device cuda --plot BAD/a.png": ("--plot", "prunescope.bench.device.suite.run_device_bench"),
}


@pytest.fixture
def places(finished_run, tmp_path):
    np.savez(tmp_path / "masks.npz", fc=np.eye(6, 8, dtype=bool))
    (tmp_path / "file").write_text("before")
    return {
        "RUN": str(finished_run.path),
        "MASKS": str(tmp_path / "masks.npz"),
        "BAD": str(tmp_path / "file"),
    }


@pytest.mark.parametrize("line", VERBS)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_computed(
    places, line, monkeypatch, capsys, tmp_path
):
    option, computes = VERBS[line]
    monkeypatch.setattr(computes, began)
    for name, place in places.items():
        line = line.replace(name, place)
    with pytest.raises(SystemExit) as left:
        main(line.split())
    printed = capsys.readouterr()
    assert left.value.code == 2
    assert printed.out == ""
    assert f"choose another {option}" in printed.err.splitlines()[-1]
    assert "Traceback" not in printed.err
    assert (tmp_path / "file").read_text() == "before"


def test_a_figure_whose_file_is_a_folder_is_refused_before_it_is_measured(
    places, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr("prunescope.layers.overlapping.overlap", began)
    (tmp_path / "out" / "figure-overlap-layers.png").mkdir(parents=True)
    with pytest.raises(SystemExit) as left:
        main(["overlap", places["MASKS"], places["MASKS"], "--out", str(tmp_path / "out")])
    assert left.value.code == 2
    assert "figure-overlap-layers.png: is a directory, not a file" in capsys.readouterr().err


def test_a_table_of_another_ending_is_refused_before_runs_are_read(places, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("prunescope.cli.tables.find_runs", began)
    with pytest.raises(SystemExit) as left:
        main(["table", places["RUN"], "--out", str(tmp_path / "a.csv")])
    assert left.value.code == 2
    assert "the table is written as .parquet" in capsys.readouterr().err
