"""MLflow: one of its runs for each run directory, in the store that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import os
import re
import time

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from segkit.runs.trackers.run_ids import keep_name, kept_name
from segkit.runs.trackers.tracker import Ending, Figures, Followed

# Where the user says nothing else. A server that is gone holds the training up once: by default for minutes.
_QUICK_AND_QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_AT_ONCE = 100  # parameters in one request
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
        for name, value in _QUICK_AND_QUIET.items():
            os.environ.setdefault(name, value)
        self._client = MlflowClient()
        self._experiment = self._find_experiment()
        self._run = ""
        self._sent: set[tuple[str, int]] = set()

    def begin(self, run: Followed) -> str:
        """Find the run, or make it; send the recipe, and the epochs that are not there."""
        known = kept_name(run.directory, "mlflow")
        if known and self._is_there(known):
            self._run = known
            self._client.update_run(known, status="RUNNING")
            self._sent = self._already_sent()
        else:
            tags = {"mlflow.source.name": "segkit", "run_directory": str(run.directory.path.resolve())}
            made = self._client.create_run(self._experiment, tags=tags, run_name=run.name)
            self._run = made.info.run_id
            keep_name(run.directory, "mlflow", self._run)
        parameters = [Param(_allowed(name), str(value)) for name, value in run.recipe.items()]
        for start in range(0, len(parameters), _AT_ONCE):
            self._client.log_batch(self._run, params=parameters[start : start + _AT_ONCE])
        for number, figures in run.epochs.items():
            self.epoch(number, figures)
        place = re.sub("//[^/@]*@", "//", self._client.tracking_uri.rstrip("/"))  # without a password
        if place.startswith("http"):
            return f"{place}/#/experiments/{self._experiment}/runs/{self._run}"
        return f"run {self._run} in {place}"

    def epoch(self, number: int, figures: Figures) -> None:
        """Send one more epoch; what is there already is not sent twice."""
        now = int(time.time() * 1000)
        new = {_allowed(name): value for name, value in figures.items()}
        metrics = [
            Metric(name, value, now, number)
            for name, value in new.items()
            if (name, number) not in self._sent
        ]
        if metrics:
            self._client.log_batch(self._run, metrics=metrics)
            self._sent |= {(metric.key, number) for metric in metrics}

    def end(self, run: Followed, figures: Figures) -> None:
        """Send the scores, at the best epoch, and what there is to read."""
        self.epoch(int(figures["best/epoch"]), figures)
        directory = run.directory
        for file in (directory.report, directory.summary, directory.recipe):
            self._client.log_artifact(self._run, str(file))

    def close(self, ending: Ending) -> None:
        """Set the run's status."""
        if self._run:
            self._client.set_terminated(self._run, _STATUSES[ending])

    def _find_experiment(self) -> str:
        if identifier := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return str(self._client.get_experiment(identifier).experiment_id)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "segkit")
        if found := self._client.get_experiment_by_name(name):
            return str(found.experiment_id)
        return str(self._client.create_experiment(name))

    def _is_there(self, run: str) -> bool:
        """Whether the store has it: another one may be asked by now, or somebody has deleted it."""
        try:
            return bool(self._client.get_run(run).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def _already_sent(self) -> set[tuple[str, int]]:
        names = self._client.get_run(self._run).data.metrics
        return {
            (name, metric.step)
            for name in names
            for metric in self._client.get_metric_history(self._run, name)
        }


def _allowed(name: str) -> str:
    """A name without the signs that MLflow refuses."""
    return re.sub(r"[^\w\-. /:]", "_", name)
