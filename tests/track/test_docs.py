"""docs/trackers.md: its `track` commands run as they stand. Run with `pytest tests/track/test_docs.py`."""

import re
import shlex
from pathlib import Path

import pytest

from prunescope.cli import main
from prunescope.track import SINKS, entries
from stored_runs import write_run
from track.fakes import MlflowServers, TrackioStore, WandbServer

TEXT = (Path(__file__).parents[2] / "docs" / "trackers.md").read_text("utf-8")


def test_track_commands(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    WandbServer(offline=True).install(monkeypatch)
    MlflowServers().install(monkeypatch)
    TrackioStore().install(monkeypatch, tmp_path)
    for seed in (0, 1):
        write_run(tmp_path / "runs", seed=seed, shape=(1, 6, 6), hidden=(8, 6), levels=2)
    lines = "\n".join(re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)).splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("prunescope track")]
    assert {command[command.index("--to") + 1] for command in commands} == set(SINKS)
    for command in commands:
        with pytest.raises(SystemExit) as left:
            main(command)
        shown = capsys.readouterr()
        assert not left.value.code, shown.err
        assert len(shown.out.splitlines()) == 2
    assert {path.name for path in tmp_path.iterdir()} >= {"tensorboard", "logs", "wandb", "mlflow"}


def test_names_in_the_table_are_sent(finished_run):
    named = set(re.findall(r"`((?:evaluation|level|layer-\d)/\w+)`", TEXT))
    assert len(named) > 10
    assert named <= {name for entry in entries(finished_run) for name in entry.values}
