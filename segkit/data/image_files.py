"""Image files of a folder, and why some of them cannot be read."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from segkit.core.errors import DataError, Problem
from segkit.data.images import ENDINGS
from segkit.data.readers.open import READABLE

# Formats of images and volumes that are not read.
UNREAD = (
    ".jxl", ".jp2", ".j2k", ".jpx", ".jpe", ".jfif",
    ".dcm", ".dicom", ".nii", ".nii.gz", ".nrrd", ".mha", ".mhd",
    ".svs", ".ndpi", ".mrxs", ".scn", ".czi", ".lif", ".nd2", ".vsi",
    ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2",
    ".tga", ".exr", ".psd",
)  # fmt: skip
_ARRAYS = (".npy", ".mat")  # which hold other things than images too
_SECOND = (*_ARRAYS, ".heic", ".heif", ".hif", ".avif", ".pbm", ".pgm", ".ppm", ".pnm")
_OF_DRIVES = ("lost+found", "System Volume Information", "$RECYCLE.BIN")  # which only the system may read
_MAX_PLACEHOLDER = 1024  # bytes


@dataclass(frozen=True)
class ImageFiles:
    """Files of a folder and its subfolders, sorted; hidden ones are left out.

    Args:
        images: image files.
        unread: problem by path of the images that cannot be read: other formats, broken links, placeholders
            of git-annex, Git LFS and DVC.
        others: files that are no images, images in other formats beside one of the same name, and arrays
            beside images.
        problems: problems of folders that were not searched.
    """

    images: list[Path]
    unread: dict[Path, Problem]
    others: list[Path]
    problems: list[Problem]


def find_images(folder: Path) -> ImageFiles:
    """Find the image files of a folder and its subfolders; links to folders are followed.

    Raises:
        DataError: if the folder does not exist.
    """
    if not os.path.isdir(folder):
        missing = Problem("there is no such folder", str(folder), kind="missing")
        raise DataError.of([why_unread(folder) or missing])
    found = ImageFiles([], {}, [], [])
    for path in _walk(folder, found.problems):
        _add(found, path)
    first = [path for path in found.images if not path.name.lower().endswith(_SECOND)]
    names, folders = {without_ending(str(path)) for path in first}, {path.parent for path in first}

    def is_beside(path: Path) -> bool:  # such as a camera's raw file beside its JPEG
        is_array = path.name.lower().endswith(_ARRAYS) and path.parent in folders
        has_namesake = without_ending(str(path)) in names
        return path.name.lower().endswith((*_SECOND, *UNREAD)) and (is_array or has_namesake)

    beside = [path for path in (*found.images, *found.unread) if is_beside(path)]
    images = {*found.images}.difference(beside)
    unread = {path: found.unread[path] for path in sorted({*found.unread}.difference(beside))}
    return ImageFiles(sorted(images), unread, sorted([*found.others, *beside]), found.problems)


def name_in(folder: Path, path: Path) -> str:
    """Name of an image: its path in a folder without the ending, in composed Unicode.

    The same name may be composed in one folder and decomposed in another, as systems differ.
    """
    return normalize("NFC", without_ending(path.relative_to(folder).as_posix()))


def is_hidden(name: str) -> bool:
    """Whether a file or folder is left out everywhere."""
    return name.startswith(".") or name in _OF_DRIVES


def without_ending(name: str) -> str:
    """A file name or path without the ending of an image format."""
    lower = name.lower()
    ending = next((ending for ending in (*ENDINGS, *UNREAD) if lower.endswith(ending)), "")
    return name[: len(name) - len(ending)]


def why_unread(path: Path) -> Problem | None:
    """Why an image or folder cannot be read, as far as its name, its links and its first bytes tell."""
    if path.name.lower().endswith(UNREAD):
        form = path.name[len(without_ending(path.name)) + 1 :].upper()
        hint = f"convert it; {READABLE}"
        return Problem(f"{form} files are not read", str(path), hint=hint, kind="unreadable")
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return None if path.is_dir() else Problem("this is not a file", str(path), kind="unreadable")
        content = path.read_bytes() if status.st_size < _MAX_PLACEHOLDER else b""
    except FileNotFoundError:
        return _missing(path)
    except OSError as error:
        return Problem(f"the file cannot be read: {error.strerror}", str(path), kind="unreadable")
    except ValueError:  # a name with a null character
        return None
    if content.startswith(b"version https://git-lfs.github.com/spec/"):
        return _placeholder(path, "Git LFS", "git lfs pull")
    return _placeholder(path, "git-annex", "git annex get") if b"annex/objects/" in content else None


def _missing(path: Path) -> Problem | None:
    if not path.is_symlink():
        sidecar = path.with_name(f"{path.name}.dvc")
        return _placeholder(sidecar, "DVC", "dvc pull") if os.path.isfile(sidecar) else None
    target = os.readlink(path)
    if "annex/objects/" in Path(target).as_posix():
        return _placeholder(path, "git-annex", "git annex get")
    if {".dvc", "md5"} & {*Path(target).parts}:
        return _placeholder(path, "DVC", "dvc pull")
    hint = "restore it, or connect the drive that it is on"
    return Problem(f"this is a link to {target}, which does not exist", str(path), hint=hint, kind="missing")


def _placeholder(path: Path, tool: str, command: str) -> Problem:
    problem = f"this is a placeholder of {tool}, not the data itself"
    return Problem(problem, str(path), hint=f"fetch the data with '{command}'", kind="missing")


def _add(found: ImageFiles, path: Path) -> None:
    if path.name.lower().endswith(".dvc"):
        path = path.with_suffix("")
        if os.path.lexists(path):
            return  # the data itself is listed
    is_image = without_ending(path.name) != path.name
    problem = why_unread(path) if is_image or not path.suffix else None  # without a suffix: perhaps a folder
    if problem and is_image:
        found.unread[path] = problem
    elif problem:
        found.problems.append(problem)
    else:
        (found.images if is_image else found.others).append(path)


def _walk(root: Path, problems: list[Problem]) -> Iterator[Path]:
    """Files below a folder. Each folder is read once, whatever links lead to it."""

    def note(error: OSError) -> None:
        problem = f"the folder cannot be read: {error.strerror}"
        problems.append(Problem(problem, str(error.filename), kind="unreadable"))

    starts = deque([root])  # links last: a folder has its own name before that of a link
    read: set[tuple[int, int]] = set()
    while starts:
        start = starts.popleft()
        for place, names, files in os.walk(start, onerror=note):
            folder, status = Path(place), os.stat(place)
            names[:] = sorted(name for name in names if not is_hidden(name))
            if (status.st_dev, status.st_ino) in read:
                names.clear()
            elif folder == start != root and _leads_up(folder, root):
                names.clear()
                problem = "this link leads to a folder that contains it, and is not followed"
                problems.append(Problem(problem, str(folder), hint="remove the link", kind="unreadable"))
            else:
                read.add((status.st_dev, status.st_ino))
                starts.extend(link for name in names if (link := folder / name).is_symlink())
                yield from (folder / name for name in files if not is_hidden(name))


def _leads_up(link: Path, root: Path) -> bool:
    target = link.resolve()
    return any(folder.resolve().is_relative_to(target) for folder in (link.parent, root))
