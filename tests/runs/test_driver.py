"""prunescope.runs.driver: run with `pytest tests/runs/test_driver.py`."""

import json
from dataclasses import replace

import numpy as np
import pytest

import tiny
from prunescope.cli.progress import Lines
from prunescope.errors import InputError
from prunescope.pruning.methods import imp
from prunescope.pruning.pools import prune_smallest
from prunescope.pruning.running import run
from prunescope.runs.arrays import read_arrays, write_arrays
from prunescope.runs.directory import Run
from prunescope.runs.driver import Method, drive
from prunescope.runs.reporting import Reporter
from prunescope.training.loop import Diverged

CONTRACT = [
    "level",
    "layer",
    "nominal_density",
    "density",
    "weight_density",
    "units_alive",
    "fan_in_mean",
    "fan_in_var_ratio",
    "locality",
    "locality_null",
    "locality_null_sd",
    "locality_z",
    "best_val_accuracy",
    "final_val_accuracy",
    "heldout_accuracy",
    "train_loss",
    "seconds",
    "steps",
    "engine",
]


class Listener(Reporter):
    """Remembers the calls that it gets."""

    def __init__(self):
        self.heard = []

    def level_started(self, level, step, shape):
        self.heard.append(("level", level.number, step))

    def note(self, text):
        self.heard.append(("note", text))

    def finished(self, path, rows):
        self.heard.append(("finished", len(rows)))


def test_a_run_leaves_the_files_of_the_contract(finished_run):
    files = {str(f.relative_to(finished_run.path)) for f in finished_run.path.rglob("*") if f.is_file()}
    level = {"masks.safetensors", "weights.safetensors", "observations.safetensors"}
    expected = {f"level-00{n}/{name}" for n in range(4) for name in level}
    expected |= {"experiment.toml", "run.json", "levels.parquet", "metrics.jsonl", "rewind.safetensors"}
    expected.add("inputs.safetensors")
    assert {name for name in files if not name.endswith(".lock")} == expected
    assert finished_run.status == "done"
    assert (finished_run.seed, finished_run.shape, finished_run.classes) == (3, tiny.SHAPE, ["0", "1", "2"])
    assert {"versions", "machine", "data", "threads"} <= finished_run.about.keys()


def test_the_table_has_a_row_a_level_and_layer_and_the_contracts_columns(finished_run):
    table = finished_run.table
    assert set(CONTRACT) <= set(table.columns)
    assert table.select("level", "layer").rows() == [(n, layer) for n in range(4) for layer in (1, 2)]
    assert table["locality"].is_null().to_list() == [False, True] * 4
    assert table["fan_in_var_ratio"].is_null().to_list() == [True] * 2 + [False] * 6  # 0/0 where dense
    for name in CONTRACT:
        if not name.startswith(("locality", "fan_in_var")):
            assert table[name].null_count() == 0, name
    for row in table.iter_rows(named=True):
        ticket = finished_run.ticket(row["level"])
        mask = ticket.masks[row["layer"] - 1]
        assert row["density"] == ticket.density(row["layer"] - 1)
        assert row["weight_density"] == mask.density
        assert row["fan_in_mean"] == mask.fan_in.mean()
        assert row["nominal_density"] == pytest.approx(0.7 ** row["level"])
        assert row["units_alive"] == np.count_nonzero(mask.fan_in)


def test_accuracies_of_the_table_are_those_of_the_evaluations(finished_run):
    evaluations = finished_run.metrics
    assert [(m["level"], m["step"]) for m in evaluations] == [(n, s) for n in range(4) for s in (10, 20, 30)]
    for level in range(4):
        own = [m for m in evaluations if m["level"] == level]
        row = finished_run.table.filter(level=level, layer=1).row(0, named=True)
        assert row["best_val_accuracy"] == max(m["val_accuracy"] for m in own)
        assert row["final_val_accuracy"] == own[-1]["val_accuracy"]
        assert row["best_step"] == next(
            m["step"] for m in own if m["val_accuracy"] == row["best_val_accuracy"]
        )
        assert row["heldout_images"] == 60


def test_masks_follow_from_the_weights_of_the_level_before(finished_run):
    share = 0.0
    for level in range(3):
        share += 0.3 * (1 - share)
        expected = prune_smallest(
            finished_run.model(level), finished_run.ticket(level), share, finished_run.experiment.prune
        )
        assert finished_run.ticket(level + 1) == expected


def test_rewinding_restores_exactly_the_kept_parameters(small_run, tmp_path):
    # a level of one step with almost no learning rate ends where it started
    sections = {"train": {"steps": 1, "eval_every": 1, "lr": 1e-30}, "prune": {"levels": 2, "rewind_step": 1}}
    frozen = run(small_run(**sections), out=tmp_path)
    kept = read_arrays(frozen.path / "rewind.safetensors")[0]
    for level in (1, 2):
        ticket, model = frozen.ticket(level), frozen.model(level)
        for index, layer in enumerate(model.layers, 1):
            pruned = (
                {"weight": ticket.masks[index - 1].array, "bias": ticket.biases[index - 1]}
                if index < 3
                else {}
            )
            for name in ("weight", "bias", "gamma", "beta"):
                expected = kept[f"layer{index}.{name}"] * pruned.get(name, True)
                np.testing.assert_allclose(getattr(layer, name), expected, rtol=0, atol=1e-28)


def test_what_is_done_is_not_done_again(small_run, finished_run):
    before = {f: f.stat().st_mtime_ns for f in finished_run.path.rglob("*") if f.name != ".lock"}
    listener = Listener()
    again = run(small_run(), seed=3, out=finished_run.path.parent.parent, reporter=listener)
    assert again.path == finished_run.path
    assert listener.heard == []
    assert {f: f.stat().st_mtime_ns for f in finished_run.path.rglob("*") if f.name != ".lock"} == before


def test_the_seed_decides_and_nothing_else(small_run, tmp_path):
    quick = {"train": {"steps": 6, "eval_every": 6}, "prune": {"levels": 1, "rewind_step": 2}}
    first, same = (run(small_run(**quick), seed=1, out=tmp_path / out) for out in "ab")
    other = run(small_run(**quick), seed=2, out=tmp_path / "a")
    assert first.ticket(1) == same.ticket(1)
    assert first.ticket(1) != other.ticket(1)
    assert first.table.drop("seconds").equals(same.table.drop("seconds"))


@pytest.mark.parametrize(
    "sections",
    [
        {"network": {"norm": "after"}},
        {"network": {"norm": "none"}, "train": {"lr": 0.01}},
        {"train": {"optimizer": "adam", "lr": 0.01, "sampling": "epochs"}},
        {"train": {"optimizer": "momentum", "lr": 0.01}, "data": {"flip": True}},
        {"prune": {"scope": "global", "exact": True}},
        {"prune": {"rewind": False, "biases": False}},
        {"prune": {"retrain": "remaining"}},
        {"prune": {"rewind_step": 0}},
        {"prune": {"rewind_step": 30}},
        {"data": {"fraction": 0.5, "task": "modulo:2"}},
    ],
    ids=str,
)
def test_every_option_runs_to_its_end(small_run, tmp_path, sections):
    short = {"prune": {"levels": 1} | sections.get("prune", {})}
    finished = run(small_run(**(sections | short)), out=tmp_path)
    assert finished.levels == [0, 1]
    assert (finished.path / "rewind.safetensors").is_file() == finished.experiment.prune.rewind


def test_levels_that_were_changed_are_noticed(small_run, tmp_path):
    finished = run(small_run(prune={"levels": 1}), out=tmp_path)
    about = json.loads((finished.path / "run.json").read_text()) | {"status": "running"}
    (finished.path / "run.json").write_text(json.dumps(about))
    masks, metadata = read_arrays(finished.path / "level-000" / "masks.safetensors")
    write_arrays(finished.path / "level-001" / "masks.safetensors", masks, metadata | {"level": "1"})
    with pytest.raises(InputError, match="masks do not follow from the level before"):
        run(small_run(prune={"levels": 1}), out=tmp_path)


def test_divergence_is_a_failed_run(small_run, tmp_path):
    with pytest.raises(Diverged, match=r"lower train\.lr"):
        run(small_run(train={"lr": 1e30}), out=tmp_path)
    [path] = tmp_path.glob("*/seed-0")
    assert Run(path).status == "failed"
    assert "lower train.lr" in Run(path).about["error"]


def test_overrides_are_for_names_and_files(small_run, tmp_path):
    with pytest.raises(InputError, match="overrides apply to"):
        run(small_run(), "train.steps=3", out=tmp_path)


def test_observations_are_of_the_most_connected_nodes(finished_run):
    for level in (0, 3):
        found, mask = finished_run.observations(level), finished_run.mask(level)
        nodes = found["nodes"]
        assert list(mask.fan_in[nodes]) == sorted(mask.fan_in, reverse=True)
        assert found["top_images"].shape == (12, 3, 108)
        assert found["top_images"].dtype == np.uint8
        assert (np.diff(found["top_activations"], axis=1) <= 0).all()
        removed = found["ablation_removed"]
        assert (removed[0], removed[-1]) == (0, 12)
        row = finished_run.table.filter(level=level, layer=1).row(0, named=True)
        for order in ("decreasing", "increasing", "random"):
            curve = found[f"ablation_{order}"]
            assert curve[0] == row["final_val_accuracy"]
            assert curve[-1] == found["ablation_random"][-1]


class StopsIn(Reporter):
    """Interrupts a run at its second level."""

    def level_started(self, level, step, shape):
        if level.number == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("first", ["torch", "native"])
def test_a_resumed_run_keeps_the_engine_of_its_start(small_run, tmp_path, first):
    if first == "native":
        pytest.importorskip("prunescope.native._kernels")
    with pytest.raises(KeyboardInterrupt):
        run(small_run(run={"engine": first}), seed=2, out=tmp_path, reporter=StopsIn())
    finished = run(small_run(), seed=2, out=tmp_path)
    assert finished.about["engine"] == first
    assert first in finished.about["engine_note"]
    assert set(finished.table["engine"]) == {first}


def test_the_reporter_hears_which_engine_and_why(small_run, tmp_path, capsys):
    run(small_run(network={"norm": "after"}), out=tmp_path, reporter=Lines())
    assert "engine torch (network.norm is 'after'; " in capsys.readouterr().err


def test_a_run_says_and_stores_why_it_ended(small_run, tmp_path, capsys):
    endless = small_run(prune={"levels": None, "stop_units": 0, "rate": 1e-6})
    finished = run(endless, out=tmp_path, reporter=Lines())
    assert finished.levels == [0]
    assert finished.about["ended"] == "the pruning after level 0 changed no mask"
    assert "prunescope: ended: the pruning after level 0 changed no mask\n" in capsys.readouterr().err


def test_a_run_that_trained_what_was_asked_for_has_no_such_reason(finished_run):
    assert finished_run.about["ended"] is None


def test_levels_with_the_same_masks_are_said(small_run, tmp_path):
    listener = Listener()
    run(small_run(prune={"method": "snip", "density": [0.5, 0.5001]}), out=tmp_path, reporter=listener)
    assert ("note", "level 2: its masks are those of level 1") in listener.heard
    assert len([call for call in listener.heard if call[0] == "note"]) == 1


def test_a_network_whose_output_depends_on_no_image_is_said(small_run, tmp_path):
    listener = Listener()
    cut = small_run(prune={"method": "random", "density": [0.5, 0.001]})
    finished = run(cut, out=tmp_path, reporter=listener)
    masks = finished.ticket(2).masks
    # One weight in each layer; they meet where the unit that has the first is the input of the second.
    [[unit, _]] = np.argwhere(masks[0].array)
    [[_, reads]] = np.argwhere(masks[1].array)
    assert unit != reads
    notes = [call[1] for call in listener.heard if call[0] == "note"]
    assert notes == [
        "level 2: no path of kept weights leads from the images to the output, which is the same for every image"
    ]


def test_a_run_that_an_earlier_version_took_past_its_end_keeps_its_levels(small_run, tmp_path):
    endless = small_run(prune={"levels": None, "stop_units": 0, "rate": 1e-6})

    def earlier(setting):
        limited = setting.experiment.prune.model_copy(update={"levels": 2})
        return imp.procedure(
            replace(setting, experiment=setting.experiment.model_copy(update={"prune": limited}))
        )

    before = drive(endless, Method(earlier), 0, tmp_path)
    rows = before.table
    about = before.about | {"status": "interrupted"}
    (before.path / "run.json").write_text(json.dumps(about))
    resumed = run(endless, out=tmp_path)
    assert (resumed.path, resumed.status, resumed.levels) == (before.path, "done", [0, 1, 2])
    assert resumed.table.equals(rows)
    assert resumed.about["ended"] == "the pruning after level 0 changed no mask"


def test_a_finished_run_is_read_without_a_lock(finished_run, monkeypatch):
    monkeypatch.setattr("prunescope.runs.driver.open_run", lambda *_: pytest.fail("it would write"))
    found = run(finished_run.experiment, seed=3, out=finished_run.path.parent.parent)
    assert (found.path, found.status) == (finished_run.path, "done")
