"""The images of a folder that annotation files name."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from pathlib import Path

from segkit.core.errors import Problem
from segkit.core.paths import as_stored
from segkit.data.image_files import find_images, why_unread
from segkit.data.text_file import with_slashes
from segkit.utils.listing import listed


class ImageFolder:
    """Images of a folder and its subfolders, and which of them are listed in annotation files.

    Raises:
        DataError: if the folder does not exist.
    """

    def __init__(self, folder: Path) -> None:
        found = find_images(folder)
        self._folder = folder
        self._images = dict.fromkeys(found.images, False)  # whether it is listed
        self._unread = found.unread

    def find(self, file_name: str) -> tuple[Path, str, str]:
        """Path of an image, why it cannot be read, and what to try.

        A name is a path in the folder; else that of the only image in it with this last part.
        """
        path = as_stored(self._folder / with_slashes(file_name, self._folder))
        if path not in self._images and len(self._by_last_part.get(path.name, ())) == 1:
            (path,) = self._by_last_part[path.name]
        if path in self._images:
            self._images[path] = True
        elif problem := self._unread.get(path) or why_unread(path):
            return path, problem.problem, problem.hint
        elif not path.is_file():
            hint = "data.source.images is the folder that the names in the file are relative to"
            return path, f"not in the folder {self._folder}", hint
        return path, "", ""

    @cached_property
    def _by_last_part(self) -> dict[str, list[Path]]:
        paths: dict[str, list[Path]] = defaultdict(list)
        for path in self._images:
            paths[path.name].append(path)
        return paths

    def unused(self) -> list[Problem]:
        """A warning of images that are not listed."""
        names = [path.name for path, is_listed in self._images.items() if not is_listed]
        if not names:
            return []
        problem = (
            f"{len(names):,} images of this folder are not in the annotation files and not used "
            f"({listed(names, 3)})"
        )
        hint = "list them in images of the annotation file, if they are to be used"
        return [Problem(problem, str(self._folder), hint=hint, kind="unpaired")]
