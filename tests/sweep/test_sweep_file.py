"""prunescope.sweep.sweep_file: run with `pytest tests/sweep/test_sweep_file.py`."""

import pytest

import tiny
from prunescope.errors import InputError
from prunescope.sweep.sweep_file import read_jobs


@pytest.fixture
def folder(tmp_path):
    """A folder with tiny.toml, an experiment."""
    (tmp_path / "tiny.toml").write_text(tiny.experiment(data={"root": "x.npz"}).to_toml())
    return tmp_path


def write(folder, text):
    path = folder / "sweep.toml"
    path.write_text(text)
    return str(path)


def facts(jobs):
    return [(job.experiment.train.lr, job.experiment.prune.method, job.seed) for job in jobs]


def test_an_experiment_a_grid_and_seeds(folder):
    overrides = ["train.lr=[0.1,0.2]", "prune.method=[imp,oneshot]", "prune.density=0.5"]
    jobs = read_jobs(str(folder / "tiny.toml"), overrides, 2)
    points = [(lr, method) for lr in (0.1, 0.2) for method in ("imp", "oneshot")]
    assert facts(jobs) == [(*point, seed) for point in points for seed in (0, 1)]
    assert len({job.path("runs") for job in jobs}) == 8
    assert facts(read_jobs(str(folder / "tiny.toml"))) == [(0.1, "imp", 0)]


def test_a_file_with_fields_grid_and_runs(folder):
    path = write(
        folder,
        """
        experiment = "tiny.toml"
        seeds = 2
        [fields]
        train.steps = 40
        [grid]
        "train.lr" = [0.1, 0.2]
        prune.levels = 1
        [[runs]]
        prune.method = "oneshot"
        prune.density = [0.3, 0.1]
        seeds = [7]
        """,
    )
    jobs = read_jobs(path)
    assert facts(jobs) == [
        (0.1, "imp", 0),
        (0.1, "imp", 1),
        (0.2, "imp", 0),
        (0.2, "imp", 1),
        (0.1, "oneshot", 7),
    ]
    assert {job.experiment.train.steps for job in jobs} == {40}
    assert [job.experiment.prune.levels for job in jobs] == [1, 1, 1, 1, 3]
    assert jobs[-1].experiment.prune.density == (0.3, 0.1)


def test_what_is_typed_goes_before_the_file(folder):
    path = write(folder, 'experiment = "tiny.toml"\nseeds = 5\n[grid]\ntrain.lr = [0.1, 0.2]\n')
    assert facts(read_jobs(path, ["train.lr=0.3"], 1)) == [(0.3, "imp", 0)]
    assert len(read_jobs(path, ["prune.rate=[0.2,0.3]"], 3)) == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('experimnt = "x"\nseeds = 1', "unknown key 'experimnt': did you mean 'experiment'"),
        ("seeds = 2", "experiment is None: give a preset's name or a TOML file"),
        ('experiment = "tiny.toml"\nseeds = 0', "seeds is 0: give how many, or a list"),
        ('experiment = "tiny.toml"\nseeds = [1, -1]', r"seeds is \[1, -1\]"),
        ('experiment = "tiny.toml"\n[grid]\n', "grid is empty: nothing to run"),
        ('experiment = "tiny.toml"\nruns = []', "runs is empty: nothing to run"),
        ('experiment = "tiny.toml"\ngrid = 3', "grid is 3: write"),
        ('experiment = "tiny.toml"\n[grid]\ntrain.lr = []', "train.lr is an empty list"),
        ('experiment = "tiny.toml"\n[grid]\ntrain.stepz = [1]', "unknown field 'train.stepz': did you mean"),
        ('experiment = "tiny.toml"\n[[runs]]\ntrain.lr = "x"', "sweep.toml, run 1: .*train.lr is 'x'"),
        ('experiment = "tiny.toml"\n[fields]\ntrain.lr = 2024-01-01', "train.lr is 2024-01-01: use a number"),
        ('experiment = "tiny.toml"\n[grid]\ntrain.lr = [0.1, 0.1]', "two entries are the same experiment"),
        ('experiment = "tiny.toml"\n[grid]\nrun.threads = [1, 2]', "two entries are the same experiment"),
        ('experiment = "tiny.toml"\nseeds = [3, 3]', "two entries .* seed 3"),
        ('experiment = "gone.toml"', "gone.toml: No such file"),
        ('experiment = "no-preset"', "unknown experiment 'no-preset'"),
        ("experiment = ", "not TOML"),
    ],
)
def test_files_that_are_wrong_are_refused_in_one_line(folder, text, message):
    with pytest.raises(InputError, match=message) as refused:
        read_jobs(write(folder, text))
    assert "\n" not in str(refused.value)


def test_names_do_not_make_an_experiment_another(folder):
    text = 'experiment = "tiny.toml"\n[[runs]]\nname = "a"\n[[runs]]\nname = "b"\n'
    with pytest.raises(InputError, match="a and b: two entries are the same experiment"):
        read_jobs(write(folder, text))


def test_no_seed_is_refused(folder):
    with pytest.raises(InputError, match="--seeds is 0"):
        read_jobs(str(folder / "tiny.toml"), (), 0)


def test_what_follows_from_other_fields_is_said_once_for_all_jobs(capsys):
    jobs = read_jobs("quickstart", ["train.steps=100", "train.lr=[0.1,0.2]", "train.eval_every=10"], 2)
    assert {job.experiment.prune.rewind_step for job in jobs} == {10}
    assert len(jobs) == 4
    assert capsys.readouterr().err == (
        "prunescope: prune.rewind_step is 10 in place of 200, the same share of train.steps=100 as of 2000: "
        "set it to choose another\n"
    )


def test_fields_that_a_method_does_not_read_are_named_once(capsys):
    read_jobs("quickstart", ["prune.density=0.1", "prune.rate=[0.2,0.3]"])
    told = capsys.readouterr().err
    assert told.count("prune.density is not read by prune.method=imp") == 1


@pytest.mark.parametrize("seeds", [0, -1, 10_001, 10**30])
def test_seeds_are_as_many_as_can_be_planned(folder, seeds):
    with pytest.raises(InputError, match=r"--seeds is .*at most 10,000"):
        read_jobs(str(folder / "tiny.toml"), seeds=seeds)


def test_a_grid_too_large_to_plan_is_refused_without_being_made(folder):
    axis = [round(0.001 * n, 3) for n in range(1, 1000)]
    grid = [f"{name}={axis}" for name in ("train.lr", "prune.rate", "data.label_noise", "prune.stop_units")]
    with pytest.raises(InputError, match=r"996005996001 runs or more; a sweep has at most 10,000"):
        read_jobs(str(folder / "tiny.toml"), grid)
