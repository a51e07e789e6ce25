import json

import pytest

from segkit.core.errors import SegkitError
from segkit.runs.trackers import tracking
from tests.runs.trackers.cases import epochs_of, followed, gone_on, stopped

pytest.importorskip("mlflow", reason="its store is read back with it")

from mlflow.tracking import MlflowClient

pytestmark = pytest.mark.slow


def only_run():
    client = MlflowClient()
    experiments = [one for one in client.search_experiments() if one.name != "Default"]
    (run,) = client.search_runs([one.experiment_id for one in experiments])
    return experiments[0].name, run


def history(run, name):
    return [
        (metric.step, metric.value) for metric in MlflowClient().get_metric_history(run.info.run_id, name)
    ]


def expected(directory, name):
    return [*enumerate(epochs_of(directory, name), start=1)]


def test_parameters_metrics_and_report(tmp_path):
    directory = followed(tmp_path, ["mlflow"], "data.augment=[]")
    experiment, run = only_run()
    assert (experiment, run.info.run_name, run.info.status) == ("segkit", "small/001", "FINISHED")
    assert run.data.tags["run_directory"] == str(directory.path.resolve())
    parameters = run.data.params
    assert (parameters["optimizer.lr"], parameters["seed"]) == ("0.01", "3")
    assert (parameters["loss.1.name"], parameters["data.size"], parameters["data.augment"]) == (
        "bce", "[64, 64]", "[]",
    )  # fmt: skip
    for name in ("train_loss", "val_loss", "learning_rate", "seconds", "iou", "dice"):
        assert history(run, name) == expected(directory, name)
    summary = directory.read_summary()
    best = summary.best.epoch
    assert history(run, "best/epoch") == [(best, best)]
    assert history(run, "scores/iou") == [(best, summary.scores.metrics["iou"])]
    artifacts = {file.path for file in MlflowClient().list_artifacts(run.info.run_id)}
    assert artifacts == {"report.html", "summary.json", "recipe.yaml"}
    assert json.loads((directory.path / "tracking.json").read_text()) == {"mlflow": run.info.run_id}


def test_a_run_that_goes_on_has_every_epoch_once(tmp_path):
    directory = stopped(tmp_path, ["mlflow"])
    before = only_run()[1]
    assert before.info.status == "KILLED"
    assert history(before, "iou") == expected(directory, "iou")
    for _ in range(2):  # the second time, it has ended
        (said,) = gone_on(directory, ["mlflow"])
        _, run = only_run()
        assert said == f"mlflow: run {run.info.run_id} in {(tmp_path / 'mlruns').as_uri()}"
        assert (run.info.run_id, run.info.status) == (before.info.run_id, "FINISHED")
        assert history(run, "iou") == expected(directory, "iou")
        assert len(history(run, "scores/iou")) == 1


def test_what_it_has_not_heard_of_is_sent_later(tmp_path):
    directory = stopped(tmp_path, [])
    gone_on(directory, ["mlflow"])
    assert history(only_run()[1], "val_loss") == expected(directory, "val_loss")


@pytest.mark.parametrize("lost", ["store", "run"])
def test_a_run_that_the_store_has_not_is_made_anew(tmp_path, monkeypatch, lost):
    directory = followed(tmp_path, ["mlflow"])
    _, run = only_run()
    if lost == "store":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "another").as_uri())
    else:
        MlflowClient().delete_run(run.info.run_id)
    gone_on(directory, ["mlflow"])
    _, anew = only_run()
    assert anew.info.run_id != run.info.run_id
    assert history(anew, "iou") == expected(directory, "iou")


def test_the_experiment_is_the_user_s(tmp_path, monkeypatch):
    directory = followed(tmp_path, [])
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "lesions")
    gone_on(directory, ["mlflow"])
    assert only_run()[0] == "lesions"
    (tmp_path / "runs" / "small" / "001" / "tracking.json").unlink()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    gone_on(directory, ["mlflow"])
    assert len(MlflowClient().search_runs(["0"])) == 1


def test_a_store_that_fails_while_the_run_goes_on(tmp_path):
    told = []
    (tmp_path / "plain").mkdir()
    plain = followed(tmp_path / "plain", [])
    client, log_batch = MlflowClient, MlflowClient.log_batch

    def gone(self, *words, **options):
        if options.get("metrics"):
            raise ConnectionError("nobody answers")
        log_batch(self, *words, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "log_batch", gone)
        directory = followed(tmp_path, ["mlflow"], warn=told.append)
    assert told == [
        f"mlflow failed and no longer tracks this run; segkit resume {directory.path} --track mlflow "
        "sends the rest later: nobody answers"
    ]
    weights = "checkpoints/best.safetensors"
    assert (directory.path / weights).read_bytes() == (plain.path / weights).read_bytes()
    gone_on(directory, ["mlflow"])
    assert history(only_run()[1], "iou") == expected(directory, "iou")


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(
        SegkitError, match="the tracker cannot be set up: API request to http://127"
    ) as caught:
        tracking(["mlflow"]).__enter__()
    problem = caught.value.problems[0]
    assert problem.file == "--track mlflow"
    assert problem.hint.startswith(
        "MLFLOW_TRACKING_URI=http://... names a server; a folder needs MLFLOW_ALLOW"
    )


def test_a_password_in_the_address_is_not_shown(tmp_path, monkeypatch):
    from segkit.runs.trackers import mlflow

    class Client(MlflowClient):
        tracking_uri = "https://me:secret@mlflow.example.org/"

    directory = followed(tmp_path, [])
    monkeypatch.setattr(mlflow, "MlflowClient", Client)
    (said,) = gone_on(directory, ["mlflow"])
    experiment, run = only_run()[1].info.experiment_id, only_run()[1].info.run_id
    assert said == f"mlflow: https://mlflow.example.org/#/experiments/{experiment}/runs/{run}"
