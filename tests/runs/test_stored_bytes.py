"""prunescope.runs.stored_bytes against what runs store: run with `pytest tests/runs/test_stored_bytes.py`."""

import pytest

import tiny
from prunescope.experiment import load
from prunescope.model import layer_sizes
from prunescope.pruning.running import run
from prunescope.runs.stored_bytes import (
    StoredImages,
    StoredLevels,
    checkpoint_bytes,
    masks_bytes,
    observations_bytes,
    stored_bytes,
    weights_bytes,
)
from prunescope.runs.writer import RunWriter

IMAGES = StoredImages(60, 60)
PAPER = StoredImages(10_000, 40_000)


@pytest.mark.parametrize("weights", ["whole", "packed"])
@pytest.mark.parametrize(("hidden", "norm"), [([12, 10], "before"), ([40, 60, 20], "after"), ([30], "none")])
def test_every_file_has_the_bytes_foretold(images_file, tmp_path, weights, hidden, norm):
    experiment = tiny.experiment(
        data={"root": str(images_file)},
        network={"hidden": hidden, "norm": norm},
        prune={"levels": 3, "rewind_step": 5, "stop_units": 0.0},
        run={"threads": 1, "weights": weights},
    )
    done = run(experiment, out=tmp_path)
    sizes = layer_sizes(108, hidden, 3)
    densities = tuple(0.7**level for level in done.levels)
    for level, density in enumerate(densities):
        foretold = {
            "masks": masks_bytes(sizes),
            "weights": weights_bytes(sizes, norm, density if weights == "packed" else 1.0),
            "observations": observations_bytes(sizes, density, IMAGES),
        }
        for name, size in foretold.items():
            stored = (done.level_path(level) / f"{name}.safetensors").stat().st_size
            assert size == pytest.approx(stored, rel=0.03, abs=60), f"{name} of level {level}"
    levels = StoredLevels(densities, (30,) * len(densities), rewinds=True)
    taken = sum(file.stat().st_size for file in done.path.rglob("*") if file.is_file())
    assert stored_bytes(experiment, sizes, levels, IMAGES).whole == pytest.approx(taken, rel=0.03)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_checkpoint_has_the_bytes_foretold(images_file, tmp_path, monkeypatch, optimizer):
    experiment = tiny.experiment(
        data={"root": str(images_file)},
        network={"hidden": [60, 40]},
        train={"optimizer": optimizer},
        prune={"levels": 0},
    )
    written = []

    def kept(path):
        written.append((path.path / "checkpoint.safetensors").stat().st_size)

    monkeypatch.setattr(RunWriter, "drop_checkpoint", kept)
    run(experiment, out=tmp_path)
    assert checkpoint_bytes(experiment, layer_sizes(108, (60, 40), 3)) == pytest.approx(written[0], rel=0.05)


def paper(*hidden, weights="auto"):
    """The bytes of the main experiment over 20 levels after the dense one, with these hidden layers."""
    experiment = load("paper/main", [f"network.hidden={list(hidden)}", f"run.weights={weights}"])
    levels = StoredLevels(tuple(0.7**level for level in range(21)), (100_000,) * 21, rewinds=True)
    return stored_bytes(experiment, layer_sizes(3072, hidden, 1000), levels, PAPER).whole


def test_packed_weights_save_more_than_half_at_the_papers_sizes():
    assert paper(1024, 1024, 1024) < 0.45 * paper(1024, 1024, 1024, weights="whole")
    assert paper(4096, 4096, 4096) < 0.33 * paper(4096, 4096, 4096, weights="whole")
    assert paper(1024, 1024, 1024) < 300e6
    assert paper(4096, 4096, 4096) < 1.5e9
