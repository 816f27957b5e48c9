"""The README's commands and Python block, run as they stand, at a reduced size."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunescope.bench import Sizes
from prunescope.cli import main

README = Path(__file__).parents[2] / "README.md"
SMALL = [
    "data.patches=400", "data.validation=100", "data.heldout=100", "network.hidden=[12,12]",
    "train.steps=12", "train.batch=16", "train.eval_every=6", "prune.levels=2", "prune.rewind_step=2",
    "run.threads=1",
]  # fmt: skip

BENCH = Sizes(
    shape=(3, 4, 4), hidden=(24, 20), batch=30, images=80, rounds=2, turn_seconds=0.001,
    points=((3, 1.0), (3, 0.2)), layer_width=16, layer_batch=16, layer_densities=(0.5,), imp_classes=3,
    imp_levels=2, imp_steps=2, observed_units=10, observed_densities=(0.5,), threads_classes=3,
    copied_floats=1000,
)  # fmt: skip


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


def call(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    captured = capsys.readouterr()
    assert not stopped.value.code, captured.err
    return captured.out


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("validation", 10)):
        for label in ("cats", "dogs"):
            folder = tmp_path / "images" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    np.save(tmp_path / "MASK.npy", rng.random((8, 3 * 32 * 32)) < 0.01)
    np.savez(tmp_path / "MASKS.npz", first=rng.random((8, 48)) < 0.3, second=rng.random((6, 8)) < 0.5)
    return tmp_path


@pytest.mark.long
@pytest.mark.usefixtures("little_is_measured")
def test_console_commands(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunescope.cli.bench.QUICK", BENCH)
    lines = [line for block in blocks("console") for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines]
    assert sum(command[0] == "prunescope" for command in commands) >= 12
    run = ""
    for command in commands:
        if command[0] == "make":
            assert re.search(rf"^{command[1]}:", (README.parent / "Makefile").read_text(), re.MULTILINE)
            continue
        names = {
            "RUN": run,
            "PREPARED": "",
            "FOLDER": str(here / "images"),
            "data.root=IMAGES": f"data.root={here / 'images'}",
        }
        if "PREPARED" in command:
            names["PREPARED"] = str(next((here / "cache").glob("folder-*")))
        arguments = [names.get(word, word) for word in command[1:]]
        if arguments[0] in ("run", "sweep"):
            extra = SMALL if "data.source=folder" not in arguments else SMALL[3:]
            arguments[2:2] = extra
        if arguments[0] == "reproduce":
            arguments.append("--dry-run")
        output = call(arguments, capsys)
        assert output.strip(), f"{command} printed nothing"
        if arguments[0] == "run" and "--dry-run" not in arguments:
            run = output.splitlines()[-1]
            assert (Path(run) / "levels.parquet").is_file()
    assert (here / "figures" / "figure-1a.pdf").is_file()
    assert (Path(run) / "report.html").is_file() or list(here.glob("runs/*/seed-1/report.html"))


def test_python_block(here: Path) -> None:
    import prunescope

    [block] = blocks("python")
    small = ", ".join(repr(field) for field in SMALL)
    names: dict[str, object] = {}
    exec(block.replace('ps.run("quickstart", ', f'ps.run("quickstart", {small}, '), names)
    run = names["run"]
    assert isinstance(run, prunescope.Run)
    assert run.levels == [0, 1, 2]
