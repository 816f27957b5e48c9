"""The pieces of a run that are timed: run with `pytest tests/runs/trials/test_pieces.py`."""

import pytest

import tiny
from cards import with_card
from prunescope.runs.sample_images import sample_images
from prunescope.runs.trials.level_ends import END_DENSITIES
from prunescope.runs.trials.pieces import measured_pieces
from prunescope.runs.trials.steps import DENSITIES
from prunescope.training.torch.device_engine import DeviceEngine


@pytest.fixture
def twenty_steps(monkeypatch):
    """On a device so many steps are timed in one go."""
    monkeypatch.setattr("prunescope.runs.trials.steps.DEVICE_STEPS", 20)


def test_every_piece_is_timed(ticks):
    experiment = tiny.experiment(prune={"levels": 1})
    sample = sample_images(experiment.data)
    found = measured_pieces(experiment, sample, "kept")
    assert found.step == (1,) * len(DENSITIES)
    assert found.end == (1,) * len(END_DENSITIES)
    images = min(len(sample.dataset.validation), 1000)
    assert found.image == pytest.approx([1 / images] * len(DENSITIES))
    assert found.scored_heldout == 2  # at the end and at the best step
    assert found.scored_validation > 2  # ablations too
    assert (found.level_start, found.saving) == (0, 0)


@pytest.mark.usefixtures("twenty_steps")
def test_steps_on_a_device_are_timed_in_blocks_that_are_waited_for_once(card, ticks):
    experiment = with_card(prune={"levels": 1})
    sample = sample_images(experiment.data)
    found = measured_pieces(experiment, sample, "kept")
    steps = card.captures[0]
    assert steps.captures == 2 * len(DENSITIES)  # the steps of a level, and the scoring of images
    # Twenty steps take one tick, and so does drawing them, which is done meanwhile.
    assert found.step == pytest.approx([1 / 20] * len(DENSITIES))
    # So long a time is not measured a fourth time; images are scored twice.
    assert steps.replays == (20 * 3 + 2) * len(DENSITIES)
    assert found.image == pytest.approx([1 / len(sample.dataset.validation)] * len(DENSITIES))
    assert found.level_start == 1
    assert found.end == (1,) * len(END_DENSITIES)
    assert found.end_images == len(sample.dataset.validation)
    assert found.saving >= 1


def test_no_block_that_is_timed_goes_beyond_an_evaluation(card, ticks, monkeypatch):
    blocks = []
    monkeypatch.setattr(DeviceEngine, "steps", lambda self, batches: blocks.append(len(batches)))
    experiment = with_card(train={"eval_every": 40}, prune={"levels": 1})
    measured_pieces(experiment, sample_images(experiment.data), "kept")
    assert set(blocks) == {40, 20}


@pytest.mark.usefixtures("twenty_steps")
def test_an_engine_of_single_steps_waits_for_its_batches(card, ticks, monkeypatch):
    monkeypatch.setattr(DeviceEngine, "block", 1)
    experiment = with_card(prune={"levels": 1})
    found = measured_pieces(experiment, sample_images(experiment.data), "kept")
    assert found.step == pytest.approx([1 / 20 + 1 / 20] * len(DENSITIES))
