"""The MLflow sink logs to the run with the tag prunescope.run, and only metrics that this run does not have yet."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.errors import InputError
from prunescope.track.entries import Entry
from prunescope.track.sink import PROJECT, About, Sink, needed

TAG = "prunescope.run"
METRICS_A_CALL, PARAMS_A_CALL = 1000, 100  # the limits of MLflow's log-batch
STATUS = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED", "running": "RUNNING"}


class MLflow(Sink):
    """Logs to the server of MLFLOW_TRACKING_URI, or to ``mlflow.db`` in a folder."""

    def __init__(self, out: Path | None) -> None:
        self._mlflow = needed("mlflow", "mlflow")
        self._entities = needed("mlflow.entities", "mlflow")
        self._out = out
        self._client: Any = None
        self._run = ""
        self._title = ""
        self._has: dict[tuple[str, int], float] = {}

    def start(self, about: About) -> None:
        uri, files = None, None
        if self._out is not None:
            self._out.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{self._out.resolve() / 'mlflow.db'}"
            files = (self._out.resolve() / "artifacts").as_uri()
        self._client = self._mlflow.MlflowClient(tracking_uri=uri)
        self._title = about.title
        experiment = self._experiment(files)
        found = self._client.search_runs([experiment], f"tags.`{TAG}` = '{about.title}'", max_results=1)
        if found:
            self._run = found[0].info.run_id
            self._has = {
                (metric.key, metric.step): metric.value
                for key in found[0].data.metrics
                for metric in self._client.get_metric_history(self._run, key)
            }
            self._client.update_run(self._run, status="RUNNING")
        else:
            self._run = self._create(experiment, about)
            self._has = {}

    def send(self, entries: Sequence[Entry]) -> None:
        now = int(1000 * time.time())
        metrics = []
        for entry in entries:
            for key, value in entry.values.items():
                there = self._has.get((key, entry.step))
                if there is None:
                    metrics.append(self._entities.Metric(key, value, now, entry.step))
                elif not math.isclose(there, value, rel_tol=1e-9):
                    raise InputError(
                        f"mlflow has {there:g} for {key} of {self._title} at step {entry.step}, "
                        f"the run's files {value:g}: it was "
                        f"sent from another copy of this run: delete MLflow's run {self._run} to send this one"
                    )
        for first in range(0, len(metrics), METRICS_A_CALL):
            self._client.log_batch(self._run, metrics=metrics[first : first + METRICS_A_CALL])

    def finish(self, status: str) -> str:
        if status == "running":
            self._client.update_run(self._run, status="RUNNING")
        else:
            self._client.set_terminated(self._run, status=STATUS[status])
        return f"MLflow run {self._run} ({self._title})"

    def _experiment(self, files: str | None) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        known = self._client.get_experiment_by_name(name)
        if known is None:
            try:
                return str(self._client.create_experiment(name, artifact_location=files))
            except self._mlflow.MlflowException:  # Another run of a sweep has created it meanwhile.
                known = self._client.get_experiment_by_name(name)
                if known is None:
                    raise
        return str(known.experiment_id)

    def _create(self, experiment: str, about: About) -> str:
        tags = {TAG: about.title, "prunescope.group": about.group}
        run = self._client.create_run(experiment, tags=tags, run_name=about.title)
        params = [self._entities.Param(key, str(value)) for key, value in about.known.items()]
        for first in range(0, len(params), PARAMS_A_CALL):
            self._client.log_batch(run.info.run_id, params=params[first : first + PARAMS_A_CALL])
        return str(run.info.run_id)
