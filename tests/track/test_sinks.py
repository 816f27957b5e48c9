"""W&B, MLflow and trackio against stand-ins with their call signatures. Run with `pytest tests/track/test_sinks.py`."""

import pytest

from prunescope.errors import InputError
from prunescope.track import About, Destination, TrackerFailed, entries, send
from track.fakes import MlflowServers, TrackioStore, WandbServer
from track.truth import numbers


class Wandb:
    """W&B, and what it holds of the one run it was given."""

    name, offline = "wandb", False

    def __init__(self, monkeypatch, folder):
        monkeypatch.delenv("WANDB_PROJECT", raising=False)
        self.server = WandbServer(offline=self.offline)
        self.server.install(monkeypatch)

    def points(self, tmp_path):
        (stored,) = self.server.runs.values()
        axes = stored["axes"]
        assert sorted(stored["history"]) == list(range(len(stored["history"])))
        for row in stored["history"].values():
            for name, value in row.items():
                if name not in ("global_step", "level"):
                    axis = axes.get(f"{name.split('/')[0]}/*") or axes["layer-*"]
                    yield name, row[axis], value


class OfflineWandb(Wandb):
    offline = True

    def points(self, tmp_path):
        folders = [folder.name for folder in (tmp_path / "wandb").iterdir()]
        self.server.runs = {name: run for name, run in self.server.runs.items() if name in folders}
        return super().points(tmp_path)


class Mlflow:
    name = "mlflow"

    def __init__(self, monkeypatch, folder):
        monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        self.servers = MlflowServers()
        self.servers.install(monkeypatch)

    def points(self, tmp_path):
        (run,) = self.servers.stores[f"sqlite:///{tmp_path}/mlflow.db"]["runs"].values()
        return [(metric.key, metric.step, metric.value) for metric in run["metrics"]]


class Trackio:
    name = "trackio"

    def __init__(self, monkeypatch, folder):
        self.store = TrackioStore()
        self.store.install(monkeypatch, folder)

    def points(self, tmp_path):
        (run,) = self.store.projects["prunescope"]
        for step, row in run.rows:
            for name, value in row.items():
                if name not in ("global_step", "level"):
                    yield name, step, value


@pytest.fixture(params=[Wandb, OfflineWandb, Mlflow, Trackio])
def tracker(request, monkeypatch, tmp_path):
    return request.param(monkeypatch, tmp_path)


def assert_holds(tracker, tmp_path, run):
    points = list(tracker.points(tmp_path))
    truth = numbers(run)
    assert len(points) == len(truth) > 100
    assert {(name, step): value for name, step, value in points} == truth


def test_every_number_is_there_once_however_often_it_is_sent(tracker, finished_run, tmp_path, capfd):
    for _ in range(3):
        send(finished_run, Destination(tracker.name, tmp_path))
        assert_holds(tracker, tmp_path, finished_run)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 7, 15, 16])
def test_what_was_sent_before_a_kill_is_not_sent_again(tracker, cut, finished_run, tmp_path):
    found = entries(finished_run)
    assert len(found) == 16
    killed = Destination(tracker.name, tmp_path).sink()
    killed.start(About.of(finished_run))
    for entry in found[:cut]:
        killed.send([entry])
    send(finished_run, Destination(tracker.name, tmp_path))
    assert_holds(tracker, tmp_path, finished_run)


def test_wandb_never_has_to_drop_a_row(monkeypatch, finished_run, tmp_path):
    tracker = Wandb(monkeypatch, tmp_path)
    for _ in range(2):
        assert send(finished_run, Destination("wandb", tmp_path)).startswith("https://wandb.test/tiny-")
    assert tracker.server.dropped == []
    (run,) = tracker.server.runs.values()
    identity = finished_run.experiment.identity
    assert (run["project"], run["name"], run["state"]) == (
        "prunescope",
        f"tiny-{identity}/seed-3",
        "finished",
    )
    assert run["config"]["train.steps"] == 30
    assert run["config"]["network.hidden"] == "[12, 10]"
    assert (run["config"]["seed"], run["config"]["identity"]) == (3, identity)
    assert (
        run["history"][3] | {"level": 0, "global_step": 30} == run["history"][3]
    )  # level 0 behind its evaluations


def test_wandb_in_a_project_of_ones_own(monkeypatch, finished_run, tmp_path):
    tracker = Wandb(monkeypatch, tmp_path)
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    send(finished_run, Destination("wandb", tmp_path))
    assert [run["project"] for run in tracker.server.runs.values()] == ["mine"]


def test_mlflow_gets_params_a_status_and_a_name(monkeypatch, finished_run, tmp_path):
    tracker = Mlflow(monkeypatch, tmp_path)
    place = send(finished_run, Destination("mlflow"))
    (run,) = tracker.servers.stores[None]["runs"].values()  # MLflow's own choice of a server
    assert place == f"MLflow run {run['id']} ({run['name']})"
    assert run["name"] == f"tiny-{finished_run.experiment.identity}/seed-3"
    assert run["status"] == "FINISHED"
    assert run["params"]["train.steps"] == "30"
    assert "prune.density" not in run["params"]
    monkeypatch.setattr(type(finished_run), "status", "interrupted")
    send(finished_run, Destination("mlflow"))
    assert run["status"] == "KILLED"


def test_mlflow_refuses_a_run_of_other_numbers(monkeypatch, finished_run, tmp_path):
    tracker = Mlflow(monkeypatch, tmp_path)
    send(finished_run, Destination("mlflow"))
    (run,) = tracker.servers.stores[None]["runs"].values()
    at = next(i for i, metric in enumerate(run["metrics"]) if metric.key == "level/seconds")
    changed = run["metrics"][at]
    run["metrics"][at] = type(changed)(changed.key, 7.5, changed.timestamp, changed.step)
    with pytest.raises(
        InputError, match=r"mlflow has 7\.5 for level/seconds of tiny-.*delete MLflow's run run0"
    ):
        send(finished_run, Destination("mlflow"))
    assert run["metrics"][at].value == 7.5


def test_what_a_tracker_raises_is_one_line(monkeypatch, finished_run, tmp_path):
    tracker = Mlflow(monkeypatch, tmp_path)
    tracker.servers.broken = True
    with pytest.raises(TrackerFailed, match=r"seed-3: mlflow failed: server not reached$"):
        send(finished_run, Destination("mlflow"))


def test_trackio_stays_local(monkeypatch, finished_run, tmp_path):
    Trackio(monkeypatch, tmp_path)
    monkeypatch.setenv("TRACKIO_SPACE_ID", "me/space")
    with pytest.raises(InputError, match="TRACKIO_SPACE_ID is set"):
        Destination("trackio", tmp_path).sink()
    monkeypatch.delenv("TRACKIO_SPACE_ID")
    with pytest.raises(InputError, match=r"was imported before, its folder cannot be .*elsewhere now"):
        Destination("trackio", tmp_path / "elsewhere").sink()


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_a_missing_package_says_what_to_install(name, monkeypatch, tmp_path):
    def missing(module):
        raise ModuleNotFoundError(f"No module named {module!r}")

    monkeypatch.setattr("prunescope.track.sink.import_module", missing)
    monkeypatch.setenv("TRACKIO_DIR", "")
    with pytest.raises(InputError, match=rf"^{name}: its package is not installed .*'prunescope\[{name}\]'$"):
        Destination(name).sink()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tensorbord", "--track is 'tensorbord': give one of tensorboard, wandb, mlflow, trackio"),
        ("wandb=", "--track is 'wandb=': give a folder behind the ="),
        (f"wandb={__file__}", "is a file; give a folder"),
    ],
)
def test_a_destination_is_checked(text, message):
    with pytest.raises(InputError) as refused:
        Destination.read(text)
    assert message in str(refused.value)
