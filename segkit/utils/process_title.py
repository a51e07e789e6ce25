"""Title of this process, as `ps` shows it to every user of the machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress


def set_process_title(words: Sequence[str]) -> bool:
    """Show these words in place of the command line; returns False if setproctitle is not installed."""
    with suppress(ImportError):
        from setproctitle import setproctitle

        setproctitle(shlex.join(words))
        return True
    return False
