"""MLflow: one MLflow run per run directory, in the store at MLFLOW_TRACKING_URI."""

from __future__ import annotations

import os
import re
import time

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from segkit.runs.trackers.run_ids import read_run_id, write_run_id
from segkit.runs.trackers.tracker import Metrics, Outcome, TrackedRun

# Defaults; MLflow's own timeouts delay a run by minutes if a server is gone.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_MAX_PARAMETERS = 100  # in one request
_STATUSES = {"complete": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class Mlflow:
    """Parameters, metrics by epoch, and the report as an artifact.

    The experiment is that of MLFLOW_EXPERIMENT_ID or MLFLOW_EXPERIMENT_NAME, or "segkit".
    """

    hint = (
        "MLFLOW_TRACKING_URI=http://... names a server; a folder needs MLFLOW_ALLOW_FILE_STORE=true, "
        "and a database the package mlflow"
    )

    def __init__(self) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._client = MlflowClient()
        self._experiment = self._find_experiment()
        self._run = ""
        self._sent: set[tuple[str, int]] = set()

    def begin(self, run: TrackedRun) -> str:
        """Find or create the MLflow run; send the recipe and the epochs that it lacks."""
        run_id = read_run_id(run.directory, "mlflow")
        if run_id and self._is_active(run_id):
            self._run = run_id
            self._client.update_run(run_id, status="RUNNING")
            self._sent = self._sent_metrics()
        else:
            tags = {"mlflow.source.name": "segkit", "run_directory": str(run.directory.path.resolve())}
            created = self._client.create_run(self._experiment, tags=tags, run_name=run.name)
            self._run = created.info.run_id
            write_run_id(run.directory, "mlflow", self._run)
        parameters = [Param(_valid_name(name), str(value)) for name, value in run.recipe.items()]
        for start in range(0, len(parameters), _MAX_PARAMETERS):
            self._client.log_batch(self._run, params=parameters[start : start + _MAX_PARAMETERS])
        for number, metrics in run.epochs.items():
            self.epoch(number, metrics)
        uri = re.sub("//[^/@]*@", "//", self._client.tracking_uri.rstrip("/"))  # without a password
        if uri.startswith("http"):
            return f"{uri}/#/experiments/{self._experiment}/runs/{self._run}"
        return f"run {self._run} in {uri}"

    def epoch(self, number: int, metrics: Metrics) -> None:
        """Send the metrics of one epoch, without those that the store has."""
        now = int(time.time() * 1000)
        values = {_valid_name(name): value for name, value in metrics.items()}
        new = [
            Metric(name, value, now, number)
            for name, value in values.items()
            if (name, number) not in self._sent
        ]
        if new:
            self._client.log_batch(self._run, metrics=new)
            self._sent |= {(metric.key, number) for metric in new}

    def end(self, run: TrackedRun, metrics: Metrics) -> None:
        """Send the final metrics at the best epoch, and the report."""
        self.epoch(int(metrics["best/epoch"]), metrics)
        directory = run.directory
        for file in (directory.report, directory.summary, directory.recipe):
            self._client.log_artifact(self._run, str(file))

    def close(self, outcome: Outcome) -> None:
        """Set the status of the MLflow run."""
        if self._run:
            self._client.set_terminated(self._run, _STATUSES[outcome])

    def _find_experiment(self) -> str:
        if identifier := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return str(self._client.get_experiment(identifier).experiment_id)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "segkit")
        if experiment := self._client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        return str(self._client.create_experiment(name))

    def _is_active(self, run_id: str) -> bool:
        try:
            return bool(self._client.get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":  # another store, or deleted
                return False
            raise

    def _sent_metrics(self) -> set[tuple[str, int]]:
        names = self._client.get_run(self._run).data.metrics
        return {
            (name, metric.step)
            for name in names
            for metric in self._client.get_metric_history(self._run, name)
        }


def _valid_name(name: str) -> str:
    # MLflow allows no other characters.
    return re.sub(r"[^\w\-. /:]", "_", name)
