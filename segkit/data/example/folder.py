"""`write_example`: the folder that the guide is followed with, drawn, all of it or none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from segkit.core.errors import SegkitError
from segkit.data.example.photographs import Photograph, outlined, unseen

NAMES = ("photos", "masks", "new", "recipe.yaml")
_RECIPE = Path(__file__).with_name("recipe.yaml")


def write_example(folder: Path, on_progress: Callable[[str, int, int], None]) -> list[Path]:
    """Write drawn photographs, the outlines of most of them, and a recipe that learns from these.

    The same versions of packages write the same bytes.

    Args:
        folder: to put them in; made if it is not there, and may hold other things.
        on_progress: callback of (label, done, total).

    Returns:
        The folder's photos, masks, new and recipe.yaml.

    Raises:
        SegkitError: if any of these is there already, or the folder cannot be written to.
    """
    _check_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".example_", dir=folder) as beside:
            draft = Path(beside)
            _draw(draft, on_progress)
            (draft / "recipe.yaml").write_bytes(_RECIPE.read_bytes())
            for name in NAMES:
                (draft / name).rename(folder / name)
    except OSError as error:
        raise SegkitError(
            f"the example cannot be written: {error.strerror or error}",
            where=str(folder),
            hint="choose a folder with write permission, on a disk with 20 MB to spare",
        ) from error
    return [folder / name for name in NAMES]


def _check_free(folder: Path) -> None:
    if taken := [name for name in NAMES if os.path.lexists(folder / name)]:
        raise SegkitError(
            f"{', '.join(taken)}: already exists, and segkit does not overwrite files",
            where=str(folder),
            hint="another folder: it is made if it is not there",
        )


def _draw(folder: Path, on_progress: Callable[[str, int, int], None]) -> None:
    for name in ("photos", "masks", "new"):
        (folder / name).mkdir()
    everything: list[Photograph] = [*outlined(), *unseen()]
    for done, photograph in enumerate(everything):
        on_progress("photographs", done, len(everything))
        photo, mask = photograph.drawn()
        if photograph.is_outlined:
            mask.save(folder / "masks" / f"{photograph.name}.png")
        kind = "photos" if photograph.is_outlined else "new"
        photo.save(folder / kind / f"{photograph.name}.jpg", quality=92)
    on_progress("photographs", len(everything), len(everything))
