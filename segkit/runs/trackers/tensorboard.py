"""TensorBoard: event files in the run directory; each start writes all epochs again."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from segkit.runs.trackers.tracker import Metrics, Outcome, TrackedRun


class TensorBoard:
    """Writes ``RUN/tensorboard``."""

    hint = ""

    def __init__(self) -> None:
        self._file: Path | None = None

    def begin(self, run: TrackedRun) -> str:
        """Write the recipe and the epochs so far."""
        folder = run.directory.path / "tensorboard"
        folder.mkdir(exist_ok=True)
        first = not any(folder.iterdir())
        self._file = folder / f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"
        self._write(file_version="brain.Event:2")
        # Readers then discard the values of earlier event files.
        self._write(session_log=SessionLog(status=SessionLog.START), step=0)
        self._write(summary=hparams_pb(dict(run.recipe), trial_id=run.name))
        if first:
            self._write(summary=text_pb("recipe", _code_block(run.directory.recipe_text())))
        ago = sum(metrics.get("seconds", 0) for metrics in run.epochs.values())
        for number, metrics in run.epochs.items():
            ago -= metrics.get("seconds", 0)
            self._log("epoch", number, metrics, time.time() - ago)
        return str(folder)

    def epoch(self, number: int, metrics: Metrics) -> None:
        """Write the metrics of one epoch."""
        self._log("epoch", number, metrics, time.time())

    def end(self, run: TrackedRun, metrics: Metrics) -> None:
        """Write the final metrics at the best epoch."""
        self._log("final", int(metrics["best/epoch"]), metrics, time.time())

    def close(self, outcome: Outcome) -> None:
        """Write that the run is complete; others may be resumed, and readers keep the first status."""
        if self._file and outcome == "complete":
            self._write(summary=_success())

    def _log(self, group: str, step: int, metrics: Metrics, at: float) -> None:
        values = [Summary.Value(tag=f"{group}/{name}", simple_value=metrics[name]) for name in metrics]
        self._write(summary=Summary(value=values), step=step, wall_time=at)

    def _write(self, **content: Any) -> None:
        assert self._file
        event = Event(**{"wall_time": time.time(), **content})
        with self._file.open("ab") as file:  # closed at once: flushes, and a full disk raises here
            RecordWriter(file).write(event.SerializeToString())


def _code_block(text: str) -> str:
    # TensorBoard renders texts as Markdown.
    return "\n".join(f"    {line}" for line in text.splitlines())


def _success() -> Summary:
    ended = SessionEndInfo(status=STATUS_SUCCESS, end_time_secs=time.time())
    content = HParamsPluginData(session_end_info=ended)
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    return Summary(value=[value])
