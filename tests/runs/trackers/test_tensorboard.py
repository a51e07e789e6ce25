import pytest

from tests.runs.trackers.cases import epochs_of, followed, gone_on, stopped

pytest.importorskip("tensorboard", reason="its event files are read back with it")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

pytestmark = pytest.mark.slow


def read(directory):
    found = EventAccumulator(str(directory.path / "tensorboard"))
    found.Reload()
    return found


def curve(found, name):
    return [(point.step, point.value) for point in found.Scalars(name)]


def hparams(found, tag):
    content = HParamsPluginData.FromString(found.SummaryMetadata(tag).plugin_data.content)
    return getattr(content, content.WhichOneof("data"))


def expected(directory, name):
    return [
        (number, pytest.approx(value)) for number, value in enumerate(epochs_of(directory, name), start=1)
    ]


def test_curves_scores_and_recipe(tmp_path):
    directory = followed(tmp_path, ["tensorboard"])
    found = read(directory)
    names = [
        "train_loss",
        "val_loss",
        "learning_rate",
        "seconds",
        "train_seconds",
        "images_per_second",
        "iou",
    ]
    for name in (*names, "dice"):
        assert curve(found, f"epoch/{name}") == expected(directory, name)
    summary = directory.read_summary()
    best = summary.best.epoch
    assert curve(found, "final/best/epoch") == [(best, best)]
    assert curve(found, "final/scores/iou") == [(best, pytest.approx(summary.scores.metrics["iou"]))]
    (text,) = found.Tensors("recipe")
    assert "    name: small" in text.tensor_proto.string_val[0].decode()
    started = hparams(found, "_hparams_/session_start_info")
    assert started.group_name == "small/001"
    assert started.hparams["optimizer.lr"].number_value == 0.01
    assert started.hparams["seed"].number_value == 3
    assert hparams(found, "_hparams_/session_end_info").status == api_pb2.STATUS_SUCCESS


def test_a_run_that_goes_on_has_every_epoch_once(tmp_path):
    directory = stopped(tmp_path, ["tensorboard"])
    assert curve(read(directory), "epoch/iou") == expected(directory, "iou")
    assert "_hparams_/session_end_info" not in read(directory).Tags()["tensors"]
    said = gone_on(directory, ["tensorboard"])
    assert said == [f"tensorboard: {directory.path / 'tensorboard'}"]
    assert len(read(directory).Tensors("recipe")) == 1
    found = read(directory)
    assert len(curve(found, "epoch/iou")) == 2
    assert curve(found, "epoch/iou") == expected(directory, "iou")
    times = [point.wall_time for point in found.Scalars("epoch/iou")]
    assert times == sorted(times)


def test_who_watches_sees_every_epoch_once(tmp_path):
    directory = stopped(tmp_path, ["tensorboard"])
    watching = read(directory)
    gone_on(directory, ["tensorboard"])
    watching.Reload()
    assert curve(watching, "epoch/iou") == expected(directory, "iou")


def test_a_run_that_nobody_followed_is_written_afterwards(tmp_path):
    directory = followed(tmp_path, [])
    assert not (directory.path / "tensorboard").exists()
    for _ in range(2):
        gone_on(directory, ["tensorboard"])
        found = read(directory)
        assert curve(found, "epoch/val_loss") == expected(directory, "val_loss")
        assert len(curve(found, "final/scores/dice")) == 1
