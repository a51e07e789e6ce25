"""A small plugin to write down and to break."""

from __future__ import annotations

from pathlib import Path

from segkit.core.errors import PartError

LOSS = '''\
from segkit import LOSSES


@LOSSES.register("{name}")
def loss(task, *, width: int = 3):
    """A loss.

    Args:
        width: of nothing.
    """
'''


def plugin(path: Path, name: str = "mine", text: str = LOSS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("{name}", name))
    return path


def told(error: PartError, folder: Path) -> str:
    """As a user reads it, paths shortened."""
    return str(error).replace(f"{folder}/", "")
