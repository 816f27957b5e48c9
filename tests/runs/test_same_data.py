"""What data a run is of: run with `pytest tests/runs/test_same_data.py`."""

import json
import shutil

import numpy as np
import pytest

import tiny
from prunescope.cli import main
from prunescope.data import open_dataset, prepare
from prunescope.data.prepared.preparation import find_prepared
from prunescope.errors import InputError
from prunescope.experiment import Data, load
from prunescope.pruning.running import run
from prunescope.runs.directory import Run
from prunescope.runs.reporting import Reporter
from prunescope.runs.writer import as_stored, open_run, run_path
from prunescope.sweep import Job, execute
from prunescope.track import About

SHORT = ("train.steps=10", "train.eval_every=10", "prune.levels=1", "prune.rewind_step=2")


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(tiny.experiment("mine").to_toml())
    return path


@pytest.fixture
def two_sets(tmp_path):
    """Two files of images that differ in their pixels alone."""
    return [
        tiny.write_images(tmp_path / f"{name}.npz", seed=seed) for seed, name in enumerate(("ants", "bees"))
    ]


@pytest.fixture
def verb(capsys):
    """Run a command and return its exit code, its last line on stdout and all of stderr."""

    def call(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(map(str, words)))
        printed = capsys.readouterr()
        return left.value.code or 0, (printed.out.strip().splitlines() or [""])[-1], printed.err

    return call


def test_runs_of_two_data_sets_lie_apart_and_are_named_after_them(toml, two_sets, tmp_path, verb):
    paths = []
    for root in two_sets:
        code, last, err = verb("run", toml, *SHORT, f"data.root={root}", "--out", tmp_path / "runs")
        assert code == 0, err
        paths.append(Run(last))
    assert [path.experiment.name for path in paths] == ["mine-ants", "mine-bees"]
    assert [path.experiment.data.name for path in paths] == ["ants", "bees"]
    assert paths[0].experiment.identity == paths[1].experiment.identity
    assert paths[0].data["fingerprint"] != paths[1].data["fingerprint"]


def test_a_finished_run_is_checked_against_its_data(toml, two_sets, tmp_path, verb):
    ants, bees = two_sets
    line = ["run", toml, *SHORT, "--out", tmp_path / "runs"]
    named = [*line, "data.name=insects"]
    assert verb(*named, f"data.root={ants}")[0] == 0
    code, _, err = verb(*named, f"data.root={ants}")
    assert code == 0
    assert "done before; nothing to do" in err
    code, last, err = verb(*named, f"data.root={bees}")
    assert (code, last) == (2, "")
    assert "was run on other images or another task (fingerprint" in err
    assert "data.name=NAME" in err
    for wrong in ([f"data.root={tmp_path / 'none.npz'}"], []):
        code, last, err = verb(*named, *wrong)
        assert (code, last) == (2, "")
        assert "data.root" in err


def test_a_finished_run_is_checked_from_python_too(two_sets, tmp_path):
    chosen = tiny.experiment(data={"root": str(two_sets[0])}, train={"steps": 10}, prune={"levels": 0})
    made = run(chosen, out=tmp_path)
    assert run(chosen, out=tmp_path).path == made.path
    other = chosen.model_copy(update={"data": chosen.data.model_copy(update={"root": str(two_sets[1])})})
    with pytest.raises(InputError, match="was run on other images"):
        run(other, out=tmp_path)


def test_a_class_map_that_was_edited_is_another_task(toml, two_sets, tmp_path, verb):
    task = tmp_path / "m.tsv"
    task.write_text("0\t0\n1\t1\n2\t1\n")
    line = [
        "run",
        toml,
        *SHORT,
        f"data.root={two_sets[0]}",
        f"data.task=map:{task}",
        "--out",
        tmp_path / "runs",
    ]
    assert verb(*line)[0] == 0
    task.write_text("0\t0\n1\t1\n2\t2\n")
    code, _, err = verb(*line)
    assert code == 2
    assert "was run on other classes (2, now 3)" in err


def test_images_of_another_shape_are_said(two_sets, tmp_path, toml, verb):
    wide = tmp_path / "wide.npz"
    x, y = np.random.default_rng(0).integers(0, 256, (60, 4, 9, 3), np.uint8), np.arange(60) % 3
    np.savez(wide, x_train=x, y_train=y, x_test=x, y_test=y)
    line = ["run", toml, *SHORT, "name=same", "data.validation=30", "--out", tmp_path / "runs"]
    assert verb(*line, f"data.root={two_sets[0]}")[0] == 0
    code, _, err = verb(*line, f"data.root={wide}")
    assert code == 2
    assert "other images (of 3x6x6 values, these are of 3x4x9)" in err


def test_a_root_that_no_source_reads_is_refused(tmp_path, verb):
    for source in ("photographs", "nlgp"):
        words = ["quickstart", f"data.source={source}", "data.flip=false", f"data.root={tmp_path}"]
        for more in ([], ["--dry-run"]):
            code, _, err = verb("run", *words, "--out", tmp_path / "runs", *more)
            assert code == 2
            assert f"data.source={source} makes its own images and reads none there" in err


def test_a_missing_root_is_refused_before_the_plan(toml, tmp_path, verb):
    missing = tmp_path / "none.npz"
    for words in (["run"], ["sweep"]):
        code, last, err = verb(*words, toml, f"data.root={missing}", "--out", tmp_path / "runs", "--dry-run")
        assert (code, last) == (2, "")
        assert f"{missing}: no such file or folder" in err


@pytest.fixture
def earlier(two_sets, tmp_path):
    """A finished run as version 0.1 left it: without the data set's name, its rule or its split."""
    fields = {"root": str(two_sets[0])}
    chosen = tiny.experiment("mine", data=fields, train={"steps": 10}, prune={"levels": 0})
    made = run(chosen, out=tmp_path / "runs")
    with open_run(made.experiment, 0, tmp_path / "runs") as writer:
        writer.write_about(data={k: v for k, v in made.data.items() if not k.startswith("split")})
    return Run(made.path)


def test_directories_of_earlier_versions_are_found(earlier, two_sets, tmp_path):
    out = tmp_path / "runs"
    at_its_place = load(earlier.path / "experiment.toml", [f"data.root={two_sets[0]}"])
    assert at_its_place.name == "mine-ants"
    assert run_path(as_stored(at_its_place, 0, out), 0, out) == earlier.path

    moved = shutil.copy(two_sets[0], tmp_path / "formicidae.npz")
    now = load(earlier.path / "experiment.toml", [f"data.root={moved}"])
    assert as_stored(now, 0, out) == now  # nobody has opened the data
    assert run(now, out=out).path == earlier.path

    other = load(earlier.path / "experiment.toml", [f"data.root={two_sets[1]}"])
    assert run(other, out=out).path.parent.name.startswith("mine-bees-")


def test_a_run_of_an_earlier_version_keeps_its_split(earlier, tmp_path):
    out = tmp_path / "runs"
    assert earlier.split_rule == "source order"
    with open_run(earlier.experiment, 0, out) as writer:
        writer.write_about(status="interrupted")
    resumed = run(earlier.experiment, out=out)
    assert resumed.data["split_rule"] == "source order"
    fresh = run(earlier.experiment, out=tmp_path / "fresh")
    assert fresh.data["split_rule"] == "stratified"
    assert fresh.data["split"] != resumed.data["split"]
    assert fresh.data["fingerprint"] == resumed.data["fingerprint"]


def test_two_data_sets_are_swept(toml, two_sets, tmp_path, verb):
    roots = f"data.root=[{','.join(map(str, two_sets))}]"
    words = ["sweep", toml, *SHORT, roots, "--seeds", 2, "--jobs", 1, "--out", tmp_path / "runs"]
    code, _, err = verb(*words)
    assert code == 0, err
    found = {path.parent.parent.name.rpartition("-")[0] for path in (tmp_path / "runs").rglob("run.json")}
    assert found == {"mine-ants", "mine-bees"}
    assert "ants" in err
    assert "bees" in err
    code, _, err = verb("compare", tmp_path / "runs")
    assert code == 0, err


def test_finished_runs_of_a_sweep_are_checked(two_sets, tmp_path):
    chosen = [
        tiny.experiment("same", data={"root": str(root)}, train={"steps": 10}, prune={"levels": 0})
        for root in two_sets
    ]
    [done] = execute([Job(chosen[0], 0)], tmp_path).done
    assert execute([Job(chosen[0], 0)], tmp_path).done == (done,)
    with pytest.raises(InputError, match="was run on other images"):
        execute([Job(chosen[1], 0)], tmp_path)


def test_two_data_sets_of_one_name_are_no_two_entries_of_a_sweep(toml, two_sets, tmp_path, verb):
    (tmp_path / "other").mkdir()
    twin = shutil.copy(two_sets[1], tmp_path / "other" / "ants.npz")
    roots = f"data.root=[{two_sets[0]},{twin}]"
    code, _, err = verb("sweep", toml, *SHORT, roots, "--out", tmp_path / "runs", "--dry-run")
    assert code == 2
    assert "two data sets of one name, ants: give each its own data.name" in err


def test_two_data_sets_of_one_name_are_refused_for_other_seeds_too(two_sets, tmp_path, verb):
    (tmp_path / "other").mkdir()
    twin = shutil.copy(two_sets[1], tmp_path / "other" / "ants.npz")
    (tmp_path / "mine.toml").write_text(tiny.experiment("mine").to_toml())
    runs = [
        f'[[runs]]\nseeds = [{seed}]\ndata.root = "{root}"\n' for seed, root in enumerate((two_sets[0], twin))
    ]
    (tmp_path / "sweep.toml").write_text('experiment = "mine.toml"\n' + "".join(runs))
    code, _, err = verb("sweep", tmp_path / "sweep.toml", "--out", tmp_path / "runs", "--dry-run")
    assert code == 2
    assert "two data sets of one name, ants" in err
    named = (tmp_path / "sweep.toml").read_text().replace(f'"{twin}"', f'"{twin}"\ndata.name = "bees"')
    (tmp_path / "sweep.toml").write_text(named)
    assert verb("sweep", tmp_path / "sweep.toml", "--out", tmp_path / "runs", "--dry-run")[0] == 0


def test_a_prepared_folder_below_the_home_folder_is_opened(two_sets, tmp_path, monkeypatch):
    prepared = prepare(Data(source="npz", root=str(two_sets[0])), tmp_path / "home" / "ants")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    chosen = tiny.experiment(data={"root": "~/ants"}, train={"steps": 10}, prune={"levels": 0})
    assert open_dataset(chosen.data, 0).train_size == 300
    assert find_prepared(chosen.data) == prepared
    assert run(chosen, out=tmp_path / "runs").status == "done"


def test_a_sweep_uses_directories_of_earlier_versions_whose_images_have_moved(
    earlier, two_sets, tmp_path, verb
):
    out, moved = tmp_path / "runs", shutil.copy(two_sets[0], tmp_path / "formicidae.npz")
    words = ["sweep", earlier.path / "experiment.toml", f"data.root={moved}", "--out", out]
    code, last, err = verb(*words)  # the copy is not prepared before this
    assert (code, last) == (0, str(earlier.path)), err
    assert verb(*words, "--dry-run")[1] == "nothing to do"
    assert verb("run", *words[1:])[1] == str(earlier.path)
    assert len(list(out.rglob("run.json"))) == 1


def test_trackers_tell_runs_of_one_name_on_two_data_sets_apart(two_sets, tmp_path):
    short = {"train": {"steps": 10}, "prune": {"levels": 0}}
    made = [
        run(tiny.experiment("same", data={"root": str(root)}, **short), out=tmp_path / root.stem)
        for root in two_sets
    ]
    identity = made[0].experiment.identity
    assert [About.of(one).title for one in made] == [
        f"same-ants-{identity}/seed-0",
        f"same-bees-{identity}/seed-0",
    ]
    with open_run(made[0].experiment, 0, tmp_path / "ants") as writer:  # as an earlier version stored it
        writer.write_about(data={k: v for k, v in made[0].data.items() if k != "split"})
    assert About.of(made[0]).title == f"same-{identity}/seed-0"


def test_a_shuffle_of_a_run_on_other_images_says_so(two_sets, tmp_path):
    ants, bees = (
        tiny.experiment(
            "x", data={"root": str(root), "name": root.stem}, train={"steps": 10}, prune={"levels": 1}
        )
        for root in two_sets
    )
    like = run(ants, out=tmp_path)
    notes = []
    reporter = Reporter()
    reporter.note = notes.append
    for base, expected in (
        (ants, []),
        (bees, [f"prune.like: {like.path} was run on other images or another task"]),
    ):
        prune = base.prune.model_copy(
            update={"method": "random", "layout": "shuffle", "like": str(like.path)}
        )
        shuffled = base.model_copy(update={"prune": prune, "name": f"shuffled-{base.data.name}"})
        notes.clear()
        run(shuffled, out=tmp_path, reporter=reporter)
        assert [note for note in notes if "prune.like" in note] == expected


def test_a_seed_of_one_data_set_and_a_seed_of_another_are_two_groups_of_one(two_sets, tmp_path, capsys):
    """Not one group of two, whose mean would be of nothing."""
    for seed, root in enumerate(two_sets):
        chosen = tiny.experiment("same", data={"root": str(root)}, train={"steps": 10}, prune={"levels": 1})
        run(chosen, seed=seed, out=tmp_path / f"runs-{seed}")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["compare", str(tmp_path / "runs-0"), str(tmp_path / "runs-1"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [group["seeds"] for group in told["groups"]] == [[0], [1]]
    assert [group["group"].rpartition(", ")[2] for group in told["groups"]] == ["ants", "bees"]
    assert {row["n"] for row in told["rows"]} == {1}


def test_what_is_noted_of_the_data_is_said_once_by_a_sweep_and_kept(toml, tmp_path, verb):
    x, y = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3), np.uint8), np.arange(60) % 3
    np.savez(tmp_path / "both.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    line = [
        toml,
        *SHORT,
        f"data.root={tmp_path / 'both.npz'}",
        "data.validation=30",
        "--out",
        tmp_path / "runs",
    ]
    code, made, err = verb("run", *line)
    shared = "60 of 60 images of the validation part are also training images"
    assert (code, err.count(shared)) == (0, 1)
    for words in (["--seeds", 2], ["--seeds", 2], []):  # one is done, both are, the first alone
        code, _, err = verb("sweep", *line, *words)
        assert (code, err.count(f"both: {shared}")) == (0, 1)
    assert verb("show", made)[1].startswith("data: ")  # the last line
    code, _, err = verb("report", made, "--out", tmp_path / "page.html")
    assert (code, err.count(shared)) == (0, 1)
    assert shared in (tmp_path / "page.html").read_text()
    assert any(note.startswith(shared) for note in Run(made).data["notes"])
