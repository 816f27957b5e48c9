"""prunescope.runs.estimate: run with `pytest tests/runs/test_estimate.py`."""

from dataclasses import replace

import numpy as np
import pytest

import tiny
from cards import Card, on_cpu
from prunescope.data import prepare
from prunescope.errors import InputError
from prunescope.pruning.methods.progressive import ASSUMED_DEEPER_LEVELS
from prunescope.pruning.running import estimate, run
from prunescope.pruning.traits import ASSUMED_LEVELS
from prunescope.runs import clock, trial
from prunescope.runs import estimate as module
from prunescope.runs.sample_images import sample_images
from prunescope.runs.trial import DENSITIES, END_DENSITIES, Pieces, crowding, measured_pieces, methods_work
from prunescope.training.torch.device_engine import DeviceEngine

PIECES = Pieces(
    step=tuple(0.5 + 9.5 * u for u in DENSITIES),  # what the kept weights cost, 10 s when dense
    image=tuple(0.001 for _ in DENSITIES),
    end=tuple(7.0 for _ in END_DENSITIES),
    scored_validation=33,
    scored_heldout=2,
    start=3.0,
)


@pytest.fixture
def pieces(monkeypatch):
    """Every run is made of PIECES."""
    monkeypatch.setattr(module, "measured_pieces", lambda *of: PIECES)
    monkeypatch.setattr(module, "methods_work", lambda *of: (0.0, 0.0))
    monkeypatch.setattr(module, "_pieces", {})
    monkeypatch.setattr(module, "_samples", {})


@pytest.fixture
def ticks(monkeypatch):
    """A clock that goes on by a second each time it is read, so that whatever is timed takes one."""
    now = [0.0]

    def tick():
        now[0] += 1
        return now[0]

    monkeypatch.setattr(clock, "now", tick)


def an_experiment(hidden=(10, 8), **prune):
    return tiny.experiment(
        network={"hidden": list(hidden)}, train={"steps": 100, "eval_every": 100}, prune=prune
    )


def test_the_time_is_the_sum_of_its_pieces(pieces):
    experiment = an_experiment(rate=0.7, levels=3)
    sample = sample_images(experiment.data)
    cost = estimate(experiment)
    scoring = 0.001 * (sample.validation * (1 + 33) + 2 * sample.heldout)  # one evaluation in 100 steps
    assert cost.level_seconds[:2] == pytest.approx((1000 + scoring + 7, 335 + scoring + 7))  # u = 1, 0.3
    assert np.all(np.diff(cost.level_seconds) < 0)
    assert cost.starting == pytest.approx(3, abs=1)
    assert cost.seconds == cost.starting + sum(cost.level_seconds)


def test_the_time_left_is_that_of_the_levels_left(pieces):
    cost = estimate(an_experiment(rate=0.7, levels=3))
    second, third, fourth = cost.level_seconds[1:]
    assert cost.seconds_after(0) == sum(cost.level_seconds)
    assert cost.seconds_after(1) == pytest.approx(second + third + fourth)
    assert cost.seconds_after(1, 0.25) == pytest.approx(0.75 * second + third + fourth)
    assert cost.seconds_after(4) == cost.seconds_after(9) == 0


def test_layer_by_layer_only_one_layer_is_pruned_at_a_time(pieces):
    hidden = (4, 64, 64)  # 12288, 256 and 4096 weights
    cost = estimate(an_experiment(hidden=hidden, method="progressive", rate=0.5, levels=None))
    assert cost.levels == ASSUMED_LEVELS + 2 * ASSUMED_DEEPER_LEVELS
    assert any("each other" in text for text in cost.assumed)
    uniform = estimate(an_experiment(hidden=hidden, rate=0.5, levels=2))
    dense, half, quarter = uniform.level_seconds
    after_first = cost.level_seconds[ASSUMED_LEVELS]  # 4352 of 16640 weights are left
    assert cost.level_seconds[0] == dense
    assert quarter < after_first < half
    assert after_first == pytest.approx(quarter, rel=0.1)
    assert cost.level_seconds[ASSUMED_LEVELS + ASSUMED_DEEPER_LEVELS] > 0.9 * after_first  # a small layer
    assert cost.level_seconds[-1] < 0.3 * after_first


def test_layer_by_layer_ends_after_the_levels_asked_for(pieces):
    assert estimate(an_experiment(method="progressive", levels=5)).levels == 5


def test_the_rule_that_may_end_a_run_is_said(pieces):
    assert estimate(an_experiment(levels=3)).ends == "a hidden layer has at most 20 % of its units left"
    assert estimate(an_experiment(levels=3, stop_units=0.0)).ends == ""
    assumed = estimate(an_experiment(levels=None)).assumed
    assert any(
        "20 levels after the dense one (the stop rule decides: a hidden layer has" in text for text in assumed
    )


def test_a_prepared_folder_is_read_for_its_shape_and_classes(pieces, tmp_path):
    rng = np.random.default_rng(0)
    file, folder = tmp_path / "images.npz", tmp_path / "prepared"
    labels = np.arange(100) % 7
    pixels = rng.integers(0, 256, (100, 9, 5), np.uint8)
    np.savez(file, train_images=pixels, train_labels=labels, val_images=pixels[:10], val_labels=labels[:10])
    raw = tiny.experiment(data={"source": "npz", "root": str(file), "validation": 4}, network={"hidden": [3]})
    wanted = 45 * 3 + 3 + 3 * 7 + 7
    cost = estimate(raw)
    assert (cost.parameters, cost.assumed) == (wanted, ())
    assert cost.preparing > 0
    assert cost.prepared_bytes == 110 * (45 + 8)
    prepare(raw.data, folder)
    ready = raw.model_copy(update={"data": raw.data.model_copy(update={"root": str(folder)})})
    cost = estimate(ready)
    assert (cost.parameters, cost.assumed, cost.preparing) == (wanted, (), 0)


def test_images_that_cannot_be_opened_are_assumed_and_said(pieces):
    experiment = tiny.experiment(data={"source": "folder", "root": "nowhere"})
    (text,) = estimate(experiment).assumed
    assert text.startswith("images 3x32x32 of 200 classes")
    assert "nowhere: no such file or folder" in text


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


@pytest.mark.parametrize(
    ("prune", "before", "inside"),
    [
        ({}, 1, 0),
        ({"method": "synflow", "density": 0.1, "rounds": 12}, 3, 0),  # measured with 4 of its rounds
        ({"method": "snip", "density": 0.1, "score_images": 5000}, 5, 0),  # with 1000 images
        ({"method": "snip", "density": 0.1, "score_images": 50}, 1, 0),
        ({"method": "rigl", "density": 0.1, "update_every": 10}, 1, 1),
    ],
)
def test_what_methods_do_besides_training_is_timed(ticks, prune, before, inside, monkeypatch):
    from prunescope.pruning.running import _facts

    experiment = tiny.experiment(prune=prune)
    found = methods_work(experiment, sample_images(experiment.data), _facts(experiment))
    assert found == (pytest.approx(before), pytest.approx(inside))


def test_runs_at_a_time_are_not_faster_than_one():
    experiment = tiny.experiment()
    assert crowding(experiment, sample_images(experiment.data), 2, "kept") >= 1


def test_memory_of_images_in_memory_counts(pieces):
    few = tiny.experiment(data={"source": "nlgp", "validation": 10, "heldout": 10})
    many = few.model_copy(update={"data": few.data.model_copy(update={"heldout": 1010})})
    n_in = few.data.channels * few.data.size**2
    assert estimate(many).memory_bytes - estimate(few).memory_bytes == 4 * 1000 * n_in


def test_the_disk_that_a_run_takes_is_as_estimated(tmp_path, small_run):
    done = run(small_run(), out=tmp_path)
    taken = sum(file.stat().st_size for file in done.path.rglob("*") if file.is_file())
    cost = estimate(small_run())
    assert cost.disk_bytes == pytest.approx(taken, rel=0.1)


def test_no_such_device_is_refused_before_images_are_read(monkeypatch):
    monkeypatch.setattr(module, "sample_images", lambda data: pytest.fail("images were read"))
    with pytest.raises(InputError, match=r"run.device is 'xpu:99'"):
        estimate(tiny.experiment(run={"device": "xpu:99"}))


@pytest.fixture
def card(monkeypatch):
    """A machine with a card."""
    return Card(monkeypatch)


@pytest.fixture
def twenty_steps(monkeypatch):
    """On a device so many steps are timed in one go."""
    for place in (module, trial):
        monkeypatch.setattr(place, "DEVICE_STEPS", 20)


def with_card(**sections):
    return tiny.experiment(run={"device": "card", "threads": 1}, **sections)


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


def test_what_a_device_does_before_steps_and_for_checkpoints_counts(pieces, card, monkeypatch):
    plain = estimate(with_card(train={"steps": 100, "eval_every": 100}, prune={"levels": 1}))
    more = replace(PIECES, level_start=5.0, saving=2.0)
    monkeypatch.setattr(module, "measured_pieces", lambda *of: more)
    monkeypatch.setattr(module, "_pieces", {})
    found = estimate(with_card(train={"steps": 100, "eval_every": 100}, prune={"levels": 1}))
    dense = 1000  # seconds of training, with a checkpoint each minute
    assert found.level_seconds[0] - plain.level_seconds[0] == pytest.approx(5 + 2 * (dense // 60))


def test_the_memory_of_a_device_is_counted_and_compared(pieces, card):
    experiment = with_card(data={"root": "nowhere"})
    found = estimate(experiment).device
    needed = found.needed
    assert (found.name, found.card, found.free) == ("card", "a card", 10**10)
    assert needed.images == (100_000 + 10_000) * 3072  # the images assumed of an npz file that is missing
    assert needed.whole == needed.images + needed.least
    assert not found.streams_images
    card.free = needed.whole - needed.context - 1
    assert estimate(experiment).device.streams_images
    moved = with_card(data={"root": "nowhere", "translate": True})
    assert estimate(moved).device.needed.images == 10_000 * 3072  # The host moves the training images.


def test_a_network_that_a_device_does_not_hold_is_refused_in_one_line(pieces, card):
    card.free = 10**6
    estimate(with_card())
    with pytest.raises(InputError, match=r"of a card \(card\), which has 0.0 GB free") as refused:
        estimate(with_card(network={"hidden": [500, 500]}))
    assert "network.hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert estimate(on_cpu(with_card(network={"hidden": [500, 500]}))).device is None
