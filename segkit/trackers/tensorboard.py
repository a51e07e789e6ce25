"""TensorBoard: event files in the run directory, written anew from what is recorded whenever a run goes on."""

from __future__ import annotations

import socket
import time
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from segkit.trackers.tracker import Ending, Figures, Followed


class TensorBoard:
    """Writes ``RUN/tensorboard``."""

    hint = ""

    def __init__(self) -> None:
        self._file: Any = None

    def begin(self, run: Followed) -> str:
        """Write the recipe, and what is recorded so far."""
        folder = run.directory.path / "tensorboard"
        folder.mkdir(exist_ok=True)
        for former in folder.glob("events.out.tfevents.*"):
            former.unlink()
        self._file = (folder / f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}").open("xb")
        self._write(file_version="brain.Event:2")
        # A TensorBoard that is watching forgets what it has read of the former file.
        self._write(session_log=SessionLog(status=SessionLog.START), step=1)
        self._write(summary=hparams_pb(dict(run.recipe), trial_id=run.name))
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
        """Write how the run ended, unless it may go on."""
        if not self._file:
            return
        statuses = {"complete": api_pb2.STATUS_SUCCESS, "failed": api_pb2.STATUS_FAILURE}
        if ending in statuses:
            self._write(summary=_ended(statuses[ending]))
        self._file.close()

    def _log(self, group: str, step: int, figures: Figures, at: float) -> None:
        """The page shows the curves of one group beside each other."""
        values = [Summary.Value(tag=f"{group}/{name}", simple_value=figures[name]) for name in figures]
        self._write(summary=Summary(value=values), step=step, wall_time=at)

    def _write(self, **content: Any) -> None:
        """One record, to the disk at once: whoever watches sees it, and a full disk is told of here."""
        event = Event(**{"wall_time": time.time(), **content})
        RecordWriter(self._file).write(event.SerializeToString())
        self._file.flush()


def _as_code(text: str) -> str:
    """As Markdown, which is what the page shows texts in."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def _ended(status: int) -> Summary:
    """For the table of hyperparameters."""
    content = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=time.time()))
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    return Summary(value=[value])
