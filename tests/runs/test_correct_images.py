"""Which images are classified right, and the split's digest: run with `pytest tests/runs/test_correct_images.py`."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import tiny
from native.problems import needs_kernels
from prunescope.data import Images
from prunescope.errors import InputError
from prunescope.model import Ticket, initial
from prunescope.pruning.running import run
from prunescope.runs import correct_images
from prunescope.runs.arrays import read_arrays, write_arrays
from prunescope.runs.correct_images import split_digest
from prunescope.runs.directory import Run
from prunescope.training import make_engine
from prunescope.training.engine import Score
from prunescope.training.loop import Evaluation, Trained

METHODS = {
    "set": {"density": 0.3, "update_every": 27, "drop": 0.9},
    "rigl": {"density": [0.3, 0.1], "update_every": 5},
    "dpf": {"density": 0.2, "update_every": 4},
    "imp": {"levels": 2, "rewind_step": 5},
}
CASES = [(method, "torch") for method in METHODS]
CASES += [pytest.param(method, "native", marks=needs_kernels) for method in METHODS if method != "dpf"]


def check_sums(done):
    for row in done.table.filter(layer=1).iter_rows(named=True):
        images = {"validation": done.about["data"]["validation_images"], "heldout": row["heldout_images"]}
        right = {(i, a): done.right(row["level"], i, a) for i in images for a in ("best", "end")}
        for (which, _), found in right.items():
            assert (found.dtype, found.shape) == (bool, (images[which],))
        assert right["validation", "best"].sum() / images["validation"] == row["best_val_accuracy"]
        assert right["validation", "end"].sum() / images["validation"] == row["final_val_accuracy"]
        assert right["heldout", "best"].sum() / images["heldout"] == row["heldout_accuracy"]
        same = row["best_step"] == row["steps"]
        assert all((right[i, "best"] == right[i, "end"]).all() for i in images) or not same


def test_the_bits_add_up_to_the_accuracies(finished_run):
    check_sums(finished_run)
    assert finished_run.observations(0)["heldout_right_end"].dtype == np.uint8


@pytest.mark.parametrize(("method", "engine"), CASES)
def test_so_they_do_where_masks_move_and_are_those_of_each_steps_masks(
    small_run, tmp_path, monkeypatch, method, engine
):
    seen = []

    def right_at_best(own, trained, dataset, at_end):
        seen.append((trained, dataset))
        return correct_images.right_at_best(own, trained, dataset, at_end)

    monkeypatch.setattr("prunescope.runs.level_measurements.right_at_best", right_at_best)
    train = {"optimizer": "momentum", "lr": 0.02, "batch": 50, "eval_every": 3}
    experiment = small_run(
        train=train, prune={"method": method} | METHODS[method], run={"engine": engine, "threads": 1}
    )
    done = run(experiment, out=tmp_path)
    check_sums(done)
    for level, (trained, dataset) in zip(done.levels, seen, strict=True):
        ends = {"best": (trained.best_model, trained.best_ticket), "end": (trained.model, trained.ticket)}
        for at, (model, ticket) in ends.items():
            fresh = make_engine(experiment, dataset.mean, dataset.live_pixels)
            fresh.start(model, ticket)
            for which in ("validation", "heldout"):
                np.testing.assert_array_equal(
                    done.right(level, which, at), fresh.right(getattr(dataset, which))
                )
    if method == "set":
        assert (done.right(1, "validation", "best") != done.right(1, "validation", "end")).any()


def test_a_level_that_is_best_at_its_end_is_not_scored_again():
    sizes = (108, 12, 3)
    model, ticket, last = (
        initial(sizes, "before", 0),
        Ticket.dense(sizes),
        Evaluation(0, 6, 1.0, Score(8, 4, 8, 9.0)),
    )
    trained = Trained(model, None, 0.5, 6, model, last, ticket, ticket)
    at_end = {"validation_right_end": np.array([15], np.uint8), "heldout_right_end": np.array([3], np.uint8)}
    no_engine = None
    found = correct_images.right_at_best(no_engine, trained, tiny.dataset(), at_end)
    assert found == {"validation_right_best": 15, "heldout_right_best": 3}


def test_other_names_and_levels_are_refused(finished_run):
    with pytest.raises(InputError, match="images is 'test', at 'best': use heldout or validation"):
        finished_run.right(0, "test")
    with pytest.raises(InputError, match="at 'start'"):
        finished_run.right(0, at="start")
    with pytest.raises(InputError, match="level-009"):
        finished_run.right(9)


def altered(whole, tmp_path, change):
    """A copy of a finished run that says it was interrupted, with other ``data`` in run.json."""
    copy = tmp_path / whole.path.parent.name / whole.path.name
    shutil.copytree(whole.path, copy)
    about = json.loads((copy / "run.json").read_text())
    change(about["data"])
    (copy / "run.json").write_text(json.dumps(about | {"status": "interrupted"}))
    return Run(copy)


def test_a_level_of_an_earlier_version_says_so(finished_run, tmp_path):
    old = altered(finished_run, tmp_path, lambda data: data.pop("split"))
    path = old.level_path(1) / "observations.safetensors"
    kept = {name: array for name, array in read_arrays(path)[0].items() if "_right_" not in name}
    write_arrays(path, kept)
    with pytest.raises(
        InputError, match="level-001: does not say which images were classified right"
    ) as error:
        old.right(1)
    assert "\n" not in str(error.value)
    assert old.right(0).any()


def test_a_run_without_a_split_goes_on_and_one_of_another_is_refused(finished_run, small_run, tmp_path):
    digest = finished_run.about["data"]["split"]
    assert len(bytes.fromhex(digest)) == 32
    old = altered(finished_run, tmp_path / "old", lambda data: data.pop("split"))
    assert run(small_run(), seed=3, out=tmp_path / "old").status == "done"
    assert old.about["data"]["split"] == digest
    other = altered(finished_run, tmp_path / "other", lambda data: data.update(split="ab" * 32))
    with pytest.raises(InputError, match=f"split abababababab, now {digest[:12]}.: .*choose another --out"):
        run(small_run(), seed=3, out=tmp_path / "other")
    assert other.status == "interrupted"


def test_the_digest_is_of_every_label_and_pixel_and_of_the_border(monkeypatch):
    data = tiny.dataset()
    digest = split_digest(data)
    assert digest == split_digest(tiny.dataset(train=9))
    monkeypatch.setattr(correct_images, "HASHED_ROWS", 7)
    assert split_digest(data) == digest
    found = {digest}
    for name in ("validation", "heldout"):
        images = getattr(data, name)
        pixels, labels = images.pixels.copy(), images.labels.copy()
        pixels[-1, -1] ^= 1
        labels[-1] += 1
        for changed in (Images(pixels, images.labels), Images(images.pixels, labels)):
            found.add(split_digest(replace(data, **{name: changed})))
    both = [
        np.concatenate([getattr(data.validation, f), getattr(data.heldout, f)]) for f in ("pixels", "labels")
    ]
    for border in (119, 0, 180):
        halves = [Images(both[0][part], both[1][part]) for part in (slice(border), slice(border, None))]
        found.add(split_digest(replace(data, validation=halves[0], heldout=halves[1])))
    floats = Images(data.heldout.pixels.astype(np.float32), data.heldout.labels)
    found.add(split_digest(replace(data, heldout=floats)))
    assert len(found) == 9
