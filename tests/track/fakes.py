"""Stand-ins for wandb, mlflow and trackio: they take the calls and arguments that prunescope makes, and no others.

Signatures and behaviour after wandb 0.31.0, mlflow 3.17.2 and trackio 0.43.0, which the sinks were run against.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace


def _install(monkeypatch, name, **attributes):
    module = ModuleType(name)
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, name, module)


@dataclass(frozen=True)
class Settings:
    console: str
    silent: bool


@dataclass
class WandbServer:
    """What W&B holds: history rows by step. A row is there once a later step or ``finish`` came."""

    offline: bool = False
    runs: dict = field(default_factory=dict)
    dropped: list = field(default_factory=list)
    begun: int = 0

    def install(self, monkeypatch):
        _install(monkeypatch, "wandb", init=self.init, Settings=Settings)

    def init(self, *, project, dir, id, name, group, config, allow_val_change, resume, reinit, settings):
        assert not set(id) & set("/\\#?%:")
        assert (resume, reinit, allow_val_change) == ("allow", "create_new", True)
        assert settings == Settings(console="off", silent=True)
        assert dir is None or dir.is_dir()
        self.begun += 1
        facts = {
            "project": project,
            "name": name,
            "group": group,
            "config": config,
            "axes": {},
            "state": "running",
        }
        if self.offline:
            folder = (dir or Path()) / "wandb" / f"offline-run-2026-{self.begun}-{id}"
            (folder / "files").mkdir(parents=True)
            stored = self.runs[folder.name] = {"history": {}, **facts}
        else:
            folder = (dir or Path()) / "wandb" / f"run-2026-{self.begun}-{id}"
            stored = self.runs.setdefault(id, {"history": {}})
            stored.update(facts)
        return WandbRun(self, stored, id, str(folder / "files"))


class WandbRun:
    def __init__(self, server, stored, id, folder):
        self.id, self.dir, self.offline = id, folder, server.offline
        self.url = None if server.offline else f"https://wandb.test/{id}"
        self._server, self._stored = server, stored
        self._pending = {}
        self.step = max(stored["history"], default=-1) + 1

    def define_metric(self, name, *, step_metric=None, hidden=None):
        assert "*" not in name[:-1]
        self._stored["axes"][name] = step_metric

    def log(self, data, *, step):
        if step < self.step:
            self._server.dropped.append(step)
            return
        if step > self.step:
            self._flush()
            self.step = step
        self._pending |= data

    def finish(self, *, exit_code):
        self._flush()
        self._stored["state"] = "finished" if exit_code == 0 else "failed"

    def _flush(self):
        if self._pending:
            self._stored["history"][self.step] = self._pending
            self._pending = {}


@dataclass(frozen=True)
class Metric:
    key: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True)
class Param:
    key: str
    value: str


class MlflowException(Exception):
    pass


@dataclass
class MlflowServers:
    """Tracking servers by address: append-only metrics, params that do not change."""

    stores: dict = field(default_factory=dict)
    broken: bool = False

    def install(self, monkeypatch):
        _install(monkeypatch, "mlflow", MlflowClient=self.client, MlflowException=MlflowException)
        _install(monkeypatch, "mlflow.entities", Metric=Metric, Param=Param)

    def client(self, *, tracking_uri):
        if self.broken:
            raise MlflowException("server not reached\nmore of it")
        store = self.stores.setdefault(tracking_uri, {"experiments": {}, "runs": {}})
        return MlflowClient(store)


class MlflowClient:
    def __init__(self, store):
        self._experiments, self._runs = store["experiments"], store["runs"]

    def get_experiment_by_name(self, name):
        known = self._experiments.get(name)
        return None if known is None else SimpleNamespace(experiment_id=known)

    def create_experiment(self, name, *, artifact_location):
        if name in self._experiments:
            raise MlflowException("exists")
        self._experiments[name] = str(len(self._experiments))
        return self._experiments[name]

    def search_runs(self, experiments, filter_string, *, max_results):
        assert max_results == 1
        tag, value = filter_string.removeprefix("tags.`").removesuffix("'").split("` = '")
        found = [run for run in self._runs.values() if run["tags"].get(tag) == value]
        return [
            SimpleNamespace(
                info=SimpleNamespace(run_id=run["id"]),
                data=SimpleNamespace(metrics={metric.key: metric.value for metric in run["metrics"]}),
            )
            for run in found
            if run["experiment"] in experiments
        ]

    def get_metric_history(self, run_id, key):
        return [metric for metric in self._runs[run_id]["metrics"] if metric.key == key]

    def create_run(self, experiment, *, tags, run_name):
        id = f"run{len(self._runs)}"
        self._runs[id] = {
            "id": id, "experiment": experiment, "tags": tags, "name": run_name, "metrics": [], "params": {},
            "status": "RUNNING",
        }  # fmt: skip
        return SimpleNamespace(info=SimpleNamespace(run_id=id))

    def log_batch(self, run_id, *, metrics=(), params=()):
        assert len(metrics) <= 1000
        assert len(params) <= 100
        run = self._runs[run_id]
        for param in params:
            assert isinstance(param.value, str)
            if run["params"].setdefault(param.key, param.value) != param.value:
                raise MlflowException("params do not change")
        run["metrics"] += metrics

    def update_run(self, run_id, *, status):
        self._runs[run_id]["status"] = status

    def set_terminated(self, run_id, *, status):
        assert status in ("FINISHED", "FAILED", "KILLED")
        self._runs[run_id]["status"] = status


@dataclass
class TrackioStore:
    """The local database of trackio: rows by run. It says what it does on stdout."""

    projects: dict = field(default_factory=dict)

    def install(self, monkeypatch, folder):
        monkeypatch.setenv("TRACKIO_DIR", str(folder))
        for name in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
            monkeypatch.delenv(name, raising=False)
        _install(monkeypatch, "trackio", Api=lambda: self, init=self.init, finish=self.finish)

    def runs(self, project):
        if project not in self.projects:
            raise ValueError(f"Project '{project}' does not exist")
        return list(self.projects[project])

    def init(self, *, project, name, group, config, resume, embed, auto_log_gpu, auto_log_cpu):
        assert (resume, embed, auto_log_gpu, auto_log_cpu) == ("never", False, False, False)
        print(f"* Trackio project initialized: {project}")
        runs = self.projects.setdefault(project, [])
        self.current = TrackioRun(runs, name, group, config)
        runs.append(self.current)
        return self.current

    def finish(self):
        print("* Run finished.")
        self.current.finished = True


class TrackioRun:
    def __init__(self, runs, name, group, config):
        self.name, self.group, self.config = name, group, config
        self.rows, self.finished, self._runs = [], False, runs

    def log(self, metrics, *, step):
        self.rows.append((step, metrics))

    def delete(self):
        self._runs.remove(self)
