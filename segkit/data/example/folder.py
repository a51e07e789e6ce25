"""Writing of the example data set."""

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
    """Write synthetic photographs, masks of most of them, and a recipe: all of it or none.

    The files are the same for the same versions of packages.

    Args:
        folder: target folder; created if missing, may hold other files.
        on_progress: callback of (label, done, total).

    Returns:
        Paths of photos, masks, new and recipe.yaml.

    Raises:
        SegkitError: if one of these exists, or the folder cannot be written.
    """
    _check_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".example_", dir=folder) as temporary:
            draft = Path(temporary)
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
    if existing := [name for name in NAMES if os.path.lexists(folder / name)]:
        raise SegkitError(
            f"{', '.join(existing)}: already exists, and segkit does not overwrite files",
            where=str(folder),
            hint="choose another folder; it is created if missing",
        )


def _draw(folder: Path, on_progress: Callable[[str, int, int], None]) -> None:
    for name in ("photos", "masks", "new"):
        (folder / name).mkdir()
    photographs: list[Photograph] = [*outlined(), *unseen()]
    for done, photograph in enumerate(photographs):
        on_progress("photographs", done, len(photographs))
        photo, mask = photograph.drawn()
        if photograph.is_outlined:
            mask.save(folder / "masks" / f"{photograph.name}.png")
        kind = "photos" if photograph.is_outlined else "new"
        photo.save(folder / kind / f"{photograph.name}.jpg", quality=92)
    on_progress("photographs", len(photographs), len(photographs))
