"""Weights & Biases: one W&B run per run directory, online or offline."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import wandb

from segkit.runs.trackers.run_ids import read_run_id, write_run_id
from segkit.runs.trackers.tracker import Metrics, Outcome, TrackedRun

_EXIT_CODES = {"complete": 0, "failed": 1, "interrupted": 255}  # 255: as W&B itself after Ctrl-C


class Wandb:
    """Recipe as configuration, metrics by epoch, scores as summary, report as a file.

    The project is WANDB_PROJECT, or "segkit".
    """

    hint = "wandb login, or WANDB_MODE=offline"

    def __init__(self) -> None:
        self._run: Any = None
        # Do not wait forever for a server that is gone; `wandb sync` sends the rest.
        os.environ.setdefault("WANDB_FINISH_TIMEOUT", "60")
        # Only segkit writes to the console, except that W&B may ask for a key.
        settings = wandb.setup(settings=wandb.Settings(show_warnings=False)).settings
        try:
            if settings.mode == "online":
                wandb.login(verify=True)
        except BaseException:
            wandb.teardown()
            raise

    def begin(self, run: TrackedRun) -> str:
        """Create or resume the W&B run; send the epochs that it lacks."""
        run_id = read_run_id(run.directory, "wandb") or secrets.token_hex(8)
        write_run_id(run.directory, "wandb", run_id)
        self._run = wandb.init(
            id=run_id,
            resume="allow",
            name=run.name,
            project=os.environ.get("WANDB_PROJECT", "segkit"),
            config={**run.recipe, "run_directory": str(run.directory.path.resolve())},
            # Copy files: they can be sent after the run directory is deleted.
            settings=wandb.Settings(silent=True, console="off", symlink=False),
        )
        first = self._run.step if self._run.resumed else 0
        for number, metrics in run.epochs.items():
            if number >= first:
                self.epoch(number, metrics)
        if self._run.offline:
            return f"wandb sync {Path(self._run.dir).parent}"
        return self._run.url or "is disabled"

    def epoch(self, number: int, metrics: Metrics) -> None:
        """Send the metrics of one epoch."""
        self._run.log(dict(metrics), step=number)

    def end(self, run: TrackedRun, metrics: Metrics) -> None:
        """Send the final metrics and the report."""
        self._run.summary.update(dict(metrics))
        directory = run.directory
        for file in (directory.report, directory.summary, directory.recipe):
            self._run.save(str(file.resolve()), base_path=str(directory.path.resolve()), policy="now")

    def close(self, outcome: Outcome) -> None:
        """Send the outcome and end the process of W&B."""
        if self._run:
            self._run.finish(exit_code=_EXIT_CODES[outcome])
        wandb.teardown()
