"""TensorBoard: event files in the run directory; each start of a run says once more all that is recorded."""

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

from segkit.runs.trackers.tracker import Ending, Figures, Followed


class TensorBoard:
    """Writes ``RUN/tensorboard``."""

    hint = ""

    def __init__(self) -> None:
        self._file: Path | None = None

    def begin(self, run: Followed) -> str:
        """Write the recipe, and what is recorded so far."""
        folder = run.directory.path / "tensorboard"
        folder.mkdir(exist_ok=True)
        first = not any(folder.iterdir())
        self._file = folder / f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"
        self._write(file_version="brain.Event:2")
        # Readers forget what files of earlier starts have said.
        self._write(session_log=SessionLog(status=SessionLog.START), step=0)
        self._write(summary=hparams_pb(dict(run.recipe), trial_id=run.name))
        if first:
            self._write(summary=text_pb("recipe", _as_code(run.directory.recipe_text())))
        ago = sum(figures.get("seconds", 0) for figures in run.epochs.values())
        for number, figures in run.epochs.items():
            ago -= figures.get("seconds", 0)
            self._log("epoch", number, figures, time.time() - ago)
        return str(folder)

    def epoch(self, number: int, figures: Figures) -> None:
        """Write one more epoch."""
        self._log("epoch", number, figures, time.time())

    def end(self, run: Followed, figures: Figures) -> None:
        """Write the scores, at the best epoch's place."""
        self._log("final", int(figures["best/epoch"]), figures, time.time())

    def close(self, ending: Ending) -> None:
        """Write that the run is complete; any other may go on, and readers keep the first word on it."""
        if self._file and ending == "complete":
            self._write(summary=_completed())

    def _log(self, group: str, step: int, figures: Figures, at: float) -> None:
        """The page shows the curves of one group beside each other."""
        values = [Summary.Value(tag=f"{group}/{name}", simple_value=figures[name]) for name in figures]
        self._write(summary=Summary(value=values), step=step, wall_time=at)

    def _write(self, **content: Any) -> None:
        """One record, written out at once: whoever watches sees it, and a full disk is told of here."""
        assert self._file
        event = Event(**{"wall_time": time.time(), **content})
        with self._file.open("ab") as file:
            RecordWriter(file).write(event.SerializeToString())


def _as_code(text: str) -> str:
    """As Markdown, which is what the page shows texts in."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def _completed() -> Summary:
    """For the table of hyperparameters."""
    ended = SessionEndInfo(status=STATUS_SUCCESS, end_time_secs=time.time())
    content = HParamsPluginData(session_end_info=ended)
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    return Summary(value=[value])
