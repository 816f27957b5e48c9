"""Masks that are given, from files and from runs: run with `pytest tests/pruning/test_given.py`."""

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tiny
from native.problems import ENGINES
from prunescope.analysis.replicates import by_replicates
from prunescope.cli.printing import print_plan
from prunescope.errors import InputError
from prunescope.experiment.mask_place import MaskPlace
from prunescope.model import Ticket, initial
from prunescope.pruning.running import estimate, run
from prunescope.runs.arrays import read_arrays
from prunescope.runs.directory import Run
from prunescope.runs.reporting import Reporter
from prunescope.runs.writer import run_path
from prunescope.sweep.job import Job
from prunescope.sweep.planning import plan
from prunescope.training.loop import Evaluation

SIZES = (108, 12, 10, 3)


class Killed(BaseException):
    """The process is gone inside a level."""


class KillAt(Reporter):
    """Kills at an evaluation, in the middle of a level."""

    def __init__(self, level, step):
        self.at = level, step

    def evaluated(self, evaluation: Evaluation):
        if (evaluation.level, evaluation.step) == self.at:
            raise Killed


class Notes(Reporter):
    """Keeps the notes."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def arrays(seed=0, hidden=(12, 10), density=0.5):
    rng = np.random.default_rng(seed)
    sizes = (108, *hidden)
    return [rng.random((n_out, n_in)) < density for n_in, n_out in pairwise(sizes)]


def saved(path, masks, **others):
    np.savez(path, **{f"l{n}.weight_mask": mask for n, mask in enumerate(masks)}, **others)
    return path


@pytest.fixture
def given(small_run):
    """Return an experiment with given masks; call with their place and other fields of ``prune``."""

    def make(masks, **prune):
        sections = {key: prune.pop(key) for key in ("network", "name", "run", "data") if key in prune}
        return small_run(prune={"method": "given", "masks": str(masks)} | prune, **sections)

    return make


def same_models(one, other, level):
    theirs = other.model(level).to_arrays()
    return all(np.array_equal(array, theirs[name]) for name, array in one.model(level).to_arrays().items())


def test_the_places_that_a_field_can_name():
    assert MaskPlace.of("runs/a/seed-1@7") == MaskPlace.of("runs/a/seed-1/level-007")
    assert str(MaskPlace.of("runs/a/seed-1/level-007")) == "runs/a/seed-1@7"
    assert MaskPlace.of("a@b/masks.npz").level is None
    assert str(MaskPlace.of("runs/a/seed-{seed}@7").at(3)) == "runs/a/seed-3@7"
    assert MaskPlace.of("x/y/masks.npz").label == ["y", "masks.npz"]


def test_level_one_has_the_masks_of_a_file_and_starts_from_the_initial_weights(given, tmp_path):
    masks = arrays()
    notes = Notes()
    made = run(given(saved(tmp_path / "m.npz", masks)), seed=4, out=tmp_path, reporter=notes)
    assert made.levels == [1]
    ticket = made.ticket(1)
    for mask, array in zip(ticket.masks, masks, strict=True):
        np.testing.assert_array_equal(mask.array, array)
    assert all(bias.all() for bias in ticket.biases)
    kept = sum(map(np.sum, masks)) / sum(mask.size for mask in masks)
    assert made.table["nominal_density"].to_list() == pytest.approx([kept] * 2)
    assert f"m.npz keeps {100 * kept:.4g} % of the hidden weights, and all biases" in notes.notes[0]


def test_training_is_that_of_the_initial_weights_under_these_masks(given, small_run, tmp_path):
    """Random pruning with the same masks trains the same network: given masks add nothing to it."""
    random = run(small_run(prune={"method": "random", "density": 0.3}), seed=2, out=tmp_path)
    masks = [mask.array for mask in random.ticket(1).masks]
    made = run(given(saved(tmp_path / "m.npz", masks)), seed=2, out=tmp_path)
    assert same_models(made, random, 1)


@pytest.mark.parametrize("place", ["{run}@2", "{run}/level-002"])
def test_a_level_of_a_run_trained_again_is_that_level(place, given, finished_run, tmp_path):
    """The same masks, biases, rewound weights and batches; the level's number alone, which draws batches, differs."""
    made = run(given(place.format(run=finished_run.path)), seed=3, out=tmp_path)
    assert made.ticket(1) == finished_run.ticket(2)
    nominal = finished_run.table.filter(level=2)["nominal_density"].to_list()
    assert made.table["nominal_density"].to_list() == nominal
    assert not (made.path / "rewind.safetensors").exists()


def test_level_one_of_a_run_given_again_gives_the_same_bits(given, finished_run, tmp_path):
    made = run(given(f"{finished_run.path}@1"), seed=3, out=tmp_path)
    assert same_models(made, finished_run, 1)


def test_pruning_on_from_level_one_is_iterative_pruning(given, finished_run, tmp_path):
    made = run(given(f"{finished_run.path}@1", further=2), seed=3, out=tmp_path)
    assert made.levels == [1, 2, 3]
    for level in made.levels:
        theirs = finished_run.ticket(level)
        for mask, other in zip(made.ticket(level).masks, theirs.masks, strict=True):
            assert abs(mask.kept - other.kept) <= 1  # the share pruned so far is rounded once more
    assert same_models(made, finished_run, 1)
    one, other = (table.table["nominal_density"].to_list() for table in (made, finished_run))
    assert one == pytest.approx(other[2:])


def test_weights_of_its_own_are_kept_inside_level_one_for_those_that_follow(given, finished_run, tmp_path):
    made = run(given(f"{finished_run.path}@1", further=1, start="initial"), seed=6, out=tmp_path)
    kept, _ = read_arrays(made.path / "rewind.safetensors")
    start = initial(SIZES, "before", 6).to_arrays()
    weights = kept["layer1.weight"]
    pruned = ~made.ticket(1).masks[0].array
    assert np.any(weights[~pruned] != start["layer1.weight"][~pruned])  # after rewind_step updates
    assert made.ticket(1) == finished_run.ticket(1)
    fine = run(given(f"{finished_run.path}@1", further=1, rewind=False), seed=6, out=tmp_path)
    assert not (fine.path / "rewind.safetensors").exists()
    assert fine.levels == [1, 2]


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("biases", [True, False])
def test_further_levels_keep_the_share_of_what_was_given(scope, biases, given, tmp_path):
    masks = arrays(density=0.4)
    prune = {"further": 2, "rate": 0.5, "exact": True, "scope": scope, "biases": biases, "stop_units": 0}
    made = run(given(saved(tmp_path / "m.npz", masks), **prune), out=tmp_path)
    tickets = [made.ticket(level) for level in (1, 2, 3)]
    for before, after in pairwise(tickets):
        pools = zip(before.masks, before.biases, after.masks, after.biases, strict=True)
        counts = [
            (m.kept + b.sum(), n.kept + c.sum()) if biases and scope == "layer" else (m.kept, n.kept)
            for m, b, n, c in pools
        ]
        assert all(not (n.array & ~m.array).any() for m, n in zip(before.masks, after.masks, strict=True))
        if scope == "global":
            counts = [tuple(map(sum, zip(*counts, strict=True)))]
        for was, now in counts:
            assert abs(now - 0.5 * was) <= 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("at", [(1, 20), (2, 10)])
def test_a_run_killed_inside_a_level_goes_on_to_the_same_bits(engine, at, given, tmp_path):
    place = {"engine": engine, "checkpoint_seconds": 1e-9}
    chosen = given(saved(tmp_path / "m.npz", arrays()), further=2, run=place)
    whole = run(chosen, seed=1, out=tmp_path / "whole")
    with pytest.raises(Killed):
        run(chosen, seed=1, out=tmp_path / "killed", reporter=KillAt(*at))
    assert (run_path(chosen, 1, tmp_path / "killed") / "checkpoint.safetensors").exists()
    resumed = run(chosen, seed=1, out=tmp_path / "killed")
    assert resumed.levels == whole.levels == [1, 2, 3]
    assert all(same_models(resumed, whole, level) for level in whole.levels)


def test_other_masks_of_the_same_name_are_refused_inside_a_level_and_after_it(given, tmp_path):
    path = saved(tmp_path / "m.npz", arrays())
    chosen = given(path)
    with pytest.raises(Killed):
        run(chosen, out=tmp_path, reporter=KillAt(1, 20))
    saved(path, arrays(seed=1))
    message = r"was begun with other contents of prune\.masks \(digest '\w{12}', now \w{12}\)"
    with pytest.raises(InputError, match=message):
        run(chosen, out=tmp_path)
    saved(path, arrays())
    assert run(chosen, out=tmp_path).status == "done"
    saved(path, arrays(seed=1))
    with pytest.raises(InputError, match=message):
        run(chosen, out=tmp_path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        run(chosen, out=tmp_path)


def test_a_run_is_done_without_its_masks_and_one_that_is_not_is_refused(given, tmp_path, capsys):
    path, notes = saved(tmp_path / "m.npz", arrays()), Notes()
    chosen = given(path)
    done = run(chosen, out=tmp_path)
    with pytest.raises(Killed):
        run(chosen, seed=1, out=tmp_path, reporter=KillAt(1, 20))
    path.unlink()
    assert run(chosen, out=tmp_path, reporter=notes).path == done.path
    assert notes.notes == [
        f"prune.masks: {path}: no such file; the run is done, and was not compared with it"
    ]
    print_plan(chosen, 0, tmp_path)
    assert f"done; nothing to do (prune.masks: {path}: no such file)" in capsys.readouterr().out
    with pytest.raises(InputError, match="no such file"):
        print_plan(chosen, 1, tmp_path)
    [planned] = plan([Job(chosen, 0)], tmp_path).runs
    assert planned.status == "done"
    for seed in (1, 2):  # begun, and new
        with pytest.raises(InputError, match=r"m\.npz: no such file$"):
            run(chosen, seed=seed, out=tmp_path)


def test_a_run_is_done_without_the_run_that_its_masks_are_of(given, finished_run, tmp_path):
    other = tmp_path / "a" / "seed-0"
    shutil.copytree(finished_run.path, other)
    chosen, notes = given(f"{tmp_path}/a/seed-{{seed}}@2"), Notes()
    done = run(chosen, out=tmp_path)
    shutil.rmtree(other)
    assert run(chosen, out=tmp_path, reporter=notes).path == done.path
    assert "is not a run directory" in notes.notes[0]
    other.mkdir()
    with pytest.raises(InputError, match="is not a run directory"):
        run(chosen, out=tmp_path)


def test_where_masks_are_stored_is_not_part_of_the_identity(given, tmp_path):
    for folder in ("a/x", "b/x", "b/y"):
        (tmp_path / folder).mkdir(parents=True)
    one, other, third = (given(tmp_path / folder / "m.npz") for folder in ("a/x", "b/x", "b/y"))
    assert one.identity == other.identity != third.identity
    assert given("a/seed-{seed}@2").identity == given("b/a/seed-{seed}/level-002").identity
    assert given("a/seed-{seed}@2").identity != given("a/seed-{seed}@3").identity


def test_replicates_have_the_same_masks_unless_each_seed_has_its_own(given, finished_run, tmp_path):
    paths = [tmp_path / name / "x" / "m.npz" for name in ("a", "b")]
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True)
        saved(path, arrays(seed=seed))
    runs = [run(given(path), seed=seed, out=path.parent) for seed, path in enumerate(paths)]
    assert [len(own) for own in by_replicates(runs).values()] == [1, 1]
    assert len(by_replicates([runs[0], run(given(paths[0]), seed=1, out=tmp_path)])) == 1
    own = given(f"{finished_run.path.parent}/seed-{{seed}}@1")
    first = run(own, seed=3, out=tmp_path)
    about = json.loads((first.path / "run.json").read_text("utf-8"))
    assert set(about["inputs"]) == {"prune.masks"}
    twin = tmp_path / "twin"
    twin.mkdir()
    (twin / "experiment.toml").write_text((first.path / "experiment.toml").read_text("utf-8"), "utf-8")
    (twin / "run.json").write_text(json.dumps(about | {"seed": 4, "inputs": {"prune.masks": "0"}}), "utf-8")
    assert len(by_replicates([first, Run(twin)])) == 1


def refused(match, experiment, tmp_path, seed=0):
    with pytest.raises(InputError, match=match) as caught:
        run(experiment, seed=seed, out=tmp_path / "refused")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "refused").glob("*/*"))


def test_masks_that_do_not_belong_to_the_network_are_refused_in_a_line(given, finished_run, tmp_path):
    path = saved(tmp_path / "m.npz", arrays())
    wider = given(path, network={"hidden": [12, 11]})
    refused(r"l1\.weight_mask is 10x12; layer 2 of the network is 11x12$", wider, tmp_path)
    refused(r"holds 2 masks \(l0\.weight_mask, l1\.weight_mask\); the network has 1 hidden", given(path, network={"hidden": [12]}), tmp_path)  # fmt: skip
    narrow = saved(tmp_path / "n.npz", [np.ones((12, 100)), *arrays()[1:]])
    refused(r"l0\.weight_mask is 12x100; layer 1 of the network is 12x108$", given(narrow), tmp_path)
    turned = saved(tmp_path / "t.npz", [mask.T for mask in arrays()])
    refused(
        r"is 108x12; layer 1 of the network has 12 units; it may be the other way round",
        given(turned),
        tmp_path,
    )
    empty = saved(tmp_path / "e.npz", [arrays()[0], np.zeros((10, 12))])
    refused(
        r"l1\.weight_mask keeps no weight: layer 2 of the network needs at least one$", given(empty), tmp_path
    )
    both = saved(tmp_path / "o.npz", [*arrays(), np.eye(3, 10)])
    refused(
        r"holds 3 masks .* the network has 2 hidden layers, .* output layer stays whole",
        given(both),
        tmp_path,
    )
    refused(
        r"seed-3 is a run: name one of its finished levels, \[0, 1, 2, 3\]",
        given(finished_run.path),
        tmp_path,
    )
    refused("prune.masks is not given", given(""), tmp_path)
    refused("no such file", given(tmp_path / "none.npz"), tmp_path)
    refused(r"'.*seed-0' is not a run directory", given(tmp_path / "seed-{seed}@2"), tmp_path)
    refused(r"no level 9; finished levels are \[0, 1, 2, 3\]", given(f"{finished_run.path}@9"), tmp_path)
    bare = {"network": {"norm": "none"}}
    refused(r"network\.norm=before; .* has none: give prune\.start=initial", given(f"{finished_run.path}@1", **bare), tmp_path)  # fmt: skip
    two = {"data": {"task": "modulo:2"}}
    refused("has 3 classes; this experiment has 2", given(f"{finished_run.path}@1", **two), tmp_path)
    assert run(given(f"{finished_run.path}@1", start="initial", **two, **bare), out=tmp_path).levels == [1]


def test_a_whole_mask_of_the_output_layer_is_passed_over(given, tmp_path):
    notes = Notes()
    path = saved(tmp_path / "m.npz", [*arrays(), np.ones((3, 10))])
    made = run(given(path), out=tmp_path, reporter=notes)
    assert len(made.ticket(1).masks) == 2
    assert any("l2.weight_mask: of the output layer" in note for note in notes.notes)


def test_masks_of_other_images_are_named(given, finished_run, tmp_path):
    notes = Notes()
    other = tiny.write_images(tmp_path / "other.npz", seed=5)
    run(given(f"{finished_run.path}@1", data={"root": str(other)}), out=tmp_path, reporter=notes)
    assert any("was run on other images or another task" in note for note in notes.notes)


def test_an_estimate_knows_the_levels_and_refuses_what_does_not_fit(given, finished_run, tmp_path):
    path = saved(tmp_path / "m.npz", arrays())
    assert estimate(given(path, further=2)).levels == 2
    ahead = estimate(given(tmp_path / "seed-{seed}@3", further=1))
    assert (ahead.levels, len(ahead.assumed)) == (1, 1)
    assert re.search(
        r"no weight is pruned by the given masks \(.*seed-\{seed\}@3 decides\)", ahead.assumed[0]
    )
    with pytest.raises(InputError, match="is not a run directory"):
        estimate(given(f"{tmp_path}@1"))
    with pytest.raises(InputError, match="layer 2 of the network is 11x12"):
        estimate(given(path, network={"hidden": [12, 11]}))


def test_the_run_that_masks_are_of_goes_first_in_a_sweep(given):
    assert str(Job(given("runs/a/seed-{seed}@2"), 3).needs()) == "runs/a/seed-3"
    assert Job(given("masks.npz"), 3).needs() is None


def test_a_dense_file_and_no_unit_left_both_end_in_words(given, tmp_path):
    dense = [mask.array for mask in Ticket.dense(SIZES).masks]
    made = run(given(saved(tmp_path / "m.npz", dense), further=9, rate=0.9), out=tmp_path)
    assert "the pruning after level" in made.about["ended"]


def test_every_verb_knows_a_run_with_given_masks(given, tmp_path, capsys):
    from prunescope.cli import main

    def printed(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(one) for one in arguments])
        captured = capsys.readouterr()
        assert not stopped.value.code, captured.err
        return captured

    chosen = given(saved(tmp_path / "m.npz", arrays()), further=1)
    file = tmp_path / "given.toml"
    file.write_text(chosen.to_toml(), "utf-8")
    plan = printed("run", file, "--dry-run", "--out", tmp_path / "runs").out
    assert chosen.identity in plan
    assert not (tmp_path / "runs").exists()
    done = printed("run", file, "prune.score_images=3", "--out", tmp_path / "runs")
    path = done.out.splitlines()[-1]
    assert "m.npz keeps" in done.err
    assert "prune.score_images is not read by prune.method=given" in done.err
    assert "done before" in printed("run", file, "prune.score_images=3", "--out", tmp_path / "runs").err
    levels = json.loads(printed("show", path, "--json").out)["levels"]
    assert [level["level"] for level in levels] == [1, 2]
    for figure in ("1a", "levels", "methods", "3a"):
        printed("figure", figure, path, "--out", tmp_path / "figures")
    page = printed("report", path, "--out", tmp_path / "page.html").out.strip()
    assert "with given masks (" in Path(page).read_text("utf-8")
    printed("compare", tmp_path / "runs")
    assert any(line.startswith("given ") for line in printed("list", "--methods").out.splitlines())
