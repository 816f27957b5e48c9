"""What ``--dry-run`` says of a run on a device: run with `pytest tests/cli/test_dry_run.py`."""

from functools import partial

import numpy as np
import pytest

from cards import Card
from commands import called

SMALL = (
    "network.hidden=[12]",
    "train.batch=20",
    "train.eval_every=5",
    "data.validation=50",
    "data.size=8",
    "data.patches=2000",
    "prune.levels=2",
)


@pytest.fixture
def said(capsys):
    """Run a command; returns its exit code, stdout and stderr."""

    return partial(called, capsys)


@pytest.mark.parametrize("verb", [("run",), ("sweep",), ("reproduce",)])
def test_a_device_that_is_not_here_is_said_in_one_line(said, verb, tmp_path):
    names = {"run": ("quickstart",), "sweep": ("quickstart",), "reproduce": ("1a", "--scale", "mini")}[
        verb[0]
    ]
    code, stdout, stderr = said(*verb, *names, "run.device=xpu:7", "--dry-run", "--out", tmp_path / "runs")
    assert (code, stdout) == (2, "")
    assert stderr.startswith("prunescope: ")
    assert "run.device is 'xpu:7': " in stderr
    assert stderr.count("\n") == 1


@pytest.mark.usefixtures("little_is_measured")
def test_the_memory_and_the_steps_of_a_card_are_in_the_plan(said, monkeypatch):
    card = Card(monkeypatch)
    code, stdout, stderr = said("run", "quickstart", *SMALL, "run.device=card", "--dry-run")
    assert code == 0, stderr
    line = next(line for line in stdout.splitlines() if line.startswith("device      "))
    assert "a card (card): about 1.0 GB of its memory (images 0.8 MB, network 0.0 MB" in line
    assert line.endswith("; 10.0 GB free")
    assert "ms a dense step on a card)" in stdout
    assert "stay on the host" not in stdout
    card.free = 10**5
    code, stdout, stderr = said("run", "quickstart", *SMALL, "run.device=card", "--dry-run")
    assert "the images do not fit beside the rest: they stay on the host" in stdout


@pytest.mark.usefixtures("little_is_measured")
def test_checkpoints_of_large_networks_are_in_the_plan(said):
    _, stdout, _ = said("run", "paper/main", "prune.levels=20", "--dry-run")
    assert "disk        about 0.23 GB, and 0.15 GB while a level is trained; " in stdout


@pytest.mark.usefixtures("little_is_measured")
@pytest.mark.parametrize(
    ("free", "share", "words"),
    [
        (10**10, 1, ["device   about 1.0 GB of a card the largest run, 10.0 GB free"]),
        (10**10, 0.5, ["2 runs share one and take turns: 2.0 GB"]),
        (2_002_000_000, 0.5, ["images that do not fit stay on the host"]),
        (15 * 10**8, 0.5, ["too little for so many: raise run.gpus"]),
    ],
)
def test_the_plan_of_a_sweep_says_what_runs_take_of_a_card(said, monkeypatch, tmp_path, free, share, words):
    Card(monkeypatch, free)
    monkeypatch.setattr("prunescope.sweep.capacity.cuda_devices", lambda: ["0"])
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    fields = (*SMALL, "run.device=cuda", f"run.gpus={share}", "data.heldout=3000")
    code, stdout, stderr = said("sweep", "quickstart", *fields, "--seeds", 4, "--dry-run", "--out", tmp_path)
    assert code == 0, stderr
    for text in words:
        assert text in stdout
    assert f"at once  {int(1 / share)} run" in stdout


@pytest.mark.usefixtures("little_is_measured")
def test_the_plan_says_how_many_images_choose_and_how_many_are_held_out(said, tmp_path):
    _, stdout, _ = said("run", "quickstart", *SMALL, "data.heldout=30", "--dry-run")
    assert "images      50 choose the best step, 30 are held out\n" in stdout
    rng = np.random.default_rng(0)
    images = {
        f"x_{part}": rng.integers(0, 255, (n, 8, 8), np.uint8) for part, n in (("train", 90), ("test", 40))
    }
    np.savez(tmp_path / "small.npz", **images, y_train=np.arange(90) % 2, y_test=np.arange(40) % 2)
    own = ("data.source=npz", f"data.root={tmp_path / 'small.npz'}")
    _, stdout, stderr = said("run", "quickstart", *SMALL[:4], *own, "--dry-run")
    assert "images      40 choose the best step, none is held out\n" in stdout, stderr


def test_a_file_after_an_option_that_prints_is_told_from_a_run(said, tmp_path):
    code, stdout, stderr = said("compare", "--csv", tmp_path / "all.csv")
    assert (code, stdout) == (2, "")
    assert "--csv prints to the terminal and takes no file" in stderr
