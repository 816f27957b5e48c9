"""docs/many-runs.md, run as it stands on small runs: run with `pytest tests/sweep/test_docs.py`."""

import re
import shlex
from pathlib import Path

import pytest

from prunescope.cli import main
from prunescope.sweep.sweep_file import read_jobs
from stored_runs import write_run

TEXT = (Path(__file__).parents[2] / "docs" / "many-runs.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with methods.toml and runs of two experiments, one of them called random."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("prunescope.runs.trials.steps.MEASURED_STEPS", 1)
    monkeypatch.setattr("prunescope.runs.trials.crowding.CROWDED_SECONDS", 0)
    (tmp_path / "methods.toml").write_text(blocks("toml")[0])
    small = {"shape": (1, 6, 6), "hidden": (8, 6), "levels": 7}
    for seed in (0, 1):
        write_run(tmp_path / "runs", seed=seed, **small)
        write_run(tmp_path / "runs", seed=seed, name="random", flip=True, **small)
    return tmp_path


def test_console_commands(here, capsys):
    commands = [line for block in blocks("console") for line in block.splitlines()]
    assert {line.split()[1] for line in commands} == {"sweep", "table", "compare"}
    for line in commands:
        with pytest.raises(SystemExit) as left:
            main(shlex.split(line)[1:])
        shown = capsys.readouterr()
        assert not left.value.code, shown.err
        assert shown.out, line


def test_python_blocks(here, capsys):
    with pytest.raises(SystemExit):
        main(["table", "runs"])
    capsys.readouterr()
    for block in blocks("python"):
        exec(block, {})
        assert "imp" in (shown := capsys.readouterr().out) or "synthetic" in shown


def test_the_file_is_what_it_says(here):
    jobs = read_jobs("methods.toml")
    assert [job.experiment.prune.method for job in jobs] == ["imp"] * 4 + ["oneshot"] * 4 + ["random"] * 4
    assert {job.experiment.train.steps for job in jobs} == {1000}
    assert [job.seed for job in jobs] == [0, 1, 2, 3] * 3
