"""Weights & Biases: one of its runs for each run directory; online, or in a folder to send later."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import wandb

from segkit.runs.trackers.run_ids import keep_name, kept_name
from segkit.runs.trackers.tracker import Ending, Figures, Followed

_EXIT_CODES = {"complete": 0, "failed": 1, "interrupted": 255}  # what W&B itself says after Ctrl-C


class Wandb:
    """The recipe as configuration, figures by epoch, the scores as summary, and the report as a file.

    The project is that of WANDB_PROJECT, or "segkit".
    """

    hint = "wandb login, or WANDB_MODE=offline"

    def __init__(self) -> None:
        self._run: Any = None
        # A run that has ended does not wait for ever for a server that is gone; `wandb sync` sends the rest.
        os.environ.setdefault("WANDB_FINISH_TIMEOUT", "60")
        # The console is segkit's; W&B may ask for a key there, and keeps what else it has to say in its logs.
        settings = wandb.setup(settings=wandb.Settings(show_warnings=False)).settings
        try:
            if settings.mode == "online":
                wandb.login(verify=True)
        except BaseException:
            wandb.teardown()
            raise

    def begin(self, run: Followed) -> str:
        """Begin the run, or go on with it; send the epochs that are not there."""
        known = kept_name(run.directory, "wandb") or secrets.token_hex(8)
        keep_name(run.directory, "wandb", known)
        self._run = wandb.init(
            id=known,
            resume="allow",
            name=run.name,
            project=os.environ.get("WANDB_PROJECT", "segkit"),
            config={**run.recipe, "run_directory": str(run.directory.path.resolve())},
            # Files are not linked by name: they can be sent when the run directory is gone.
            settings=wandb.Settings(silent=True, console="off", symlink=False),
        )
        there = self._run.step if self._run.resumed else 0
        for number, figures in run.epochs.items():
            if number >= there:
                self.epoch(number, figures)
        if self._run.offline:
            return f"wandb sync {Path(self._run.dir).parent}"
        return self._run.url or "is disabled"

    def epoch(self, number: int, figures: Figures) -> None:
        """Send one more epoch."""
        self._run.log(dict(figures), step=number)

    def end(self, run: Followed, figures: Figures) -> None:
        """Send the scores, and what there is to read."""
        self._run.summary.update(dict(figures))
        directory = run.directory
        for file in (directory.report, directory.summary, directory.recipe):
            self._run.save(str(file.resolve()), base_path=str(directory.path.resolve()), policy="now")

    def close(self, ending: Ending) -> None:
        """Say how the run ended, and end the process that W&B runs beside this one."""
        if self._run:
            self._run.finish(exit_code=_EXIT_CODES[ending])
        wandb.teardown()
