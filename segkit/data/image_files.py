"""Image files of a folder, and why some of them cannot be read."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from segkit.core.errors import DataError, Problem
from segkit.data.images import ENDINGS

READ = "PNG, JPEG, BMP, TIFF, GIF and WebP are read"
# Formats of images and volumes that are not read.
UNREAD = (
    ".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".jpe", ".jfif",
    ".dcm", ".dicom", ".nii", ".nii.gz", ".nrrd", ".mha", ".mhd",
    ".svs", ".ndpi", ".mrxs", ".scn", ".czi", ".lif", ".nd2", ".vsi",
    ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2",
    ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".exr", ".psd",
)  # fmt: skip
_ANNEX = ("git-annex", "git annex get")
_LFS = ("Git LFS", "git lfs pull")
_DVC = ("DVC", "dvc pull")
_MAX_PLACEHOLDER = 1024  # bytes


@dataclass(frozen=True)
class ImageFiles:
    """Files of a folder and its subfolders, sorted; hidden ones are left out.

    Args:
        images: image files.
        unread: problem by path of the images that cannot be read: other formats, broken links, placeholders
            of git-annex, Git LFS and DVC.
        others: files that are no images, and images in other formats beside one of the same name.
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
    if not folder.is_dir():
        raise DataError.of(
            [why_unread(folder) or Problem("there is no such folder", str(folder), kind="missing")]
        )
    found = ImageFiles([], {}, [], [])
    for path in _walk(folder, found.problems):
        _add(found, path)
    names = {without_ending(str(path)) for path in found.images}
    # A camera may write a raw file beside each JPEG.
    beside = {
        path
        for path in found.unread
        if path.name.lower().endswith(UNREAD) and without_ending(str(path)) in names
    }
    unread = {path: problem for path, problem in sorted(found.unread.items()) if path not in beside}
    return ImageFiles(sorted(found.images), unread, sorted([*found.others, *beside]), found.problems)


def without_ending(name: str) -> str:
    """A file name or path without the ending of an image format."""
    lower = name.lower()
    ending = next((ending for ending in (*ENDINGS, *UNREAD) if lower.endswith(ending)), "")
    return name[: len(name) - len(ending)]


def why_unread(path: Path) -> Problem | None:
    """Why an image or folder cannot be read, as far as its name, its links and its first bytes tell."""
    if path.name.lower().endswith(UNREAD):
        form = path.name[len(without_ending(path.name)) + 1 :].upper()
        hint = f"convert it; {READ}"
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
        return _placeholder(path, _LFS)
    return _placeholder(path, _ANNEX) if b"annex/objects/" in content else None


def _missing(path: Path) -> Problem | None:
    if not path.is_symlink():
        sidecar = path.with_name(f"{path.name}.dvc")
        return _placeholder(sidecar, _DVC) if sidecar.is_file() else None
    target = os.readlink(path)
    if "annex/objects/" in Path(target).as_posix():
        return _placeholder(path, _ANNEX)
    if {".dvc", "md5"} & {*Path(target).parts}:
        return _placeholder(path, _DVC)
    hint = "restore it, or connect the drive that it is on"
    return Problem(f"this is a link to {target}, which does not exist", str(path), hint=hint, kind="missing")


def _placeholder(path: Path, tool: tuple[str, str]) -> Problem:
    name, command = tool
    problem = f"this is a placeholder of {name}, not the data itself"
    return Problem(problem, str(path), hint=f"fetch the data with '{command}'", kind="missing")


def _add(found: ImageFiles, path: Path) -> None:
    if path.name.lower().endswith(".dvc"):
        path = path.with_suffix("")
        if path.exists() or path.is_symlink():
            return  # the data itself is listed
    if without_ending(path.name) == path.name:
        if not path.suffix and (problem := why_unread(path)):  # it may stand for a folder
            found.problems.append(problem)
        else:
            found.others.append(path)
    elif problem := why_unread(path):
        found.unread[path] = problem
    else:
        found.images.append(path)


def _walk(root: Path, problems: list[Problem]) -> Iterator[Path]:
    """Files below a folder. Each folder is read once, whatever links lead to it."""
    folders, links = [root], deque[Path]()  # links last: a folder has its own name before that of a link
    read: set[tuple[int, int]] = set()
    while folders or links:
        folder = folders.pop() if folders else links.popleft()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in read:
                continue
            if folder != root and folder.is_symlink() and _leads_up(folder, root):
                problems.append(_upward_link(folder))
                continue
            read.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=attrgetter("name"))
        except OSError as error:
            problem = f"the folder cannot be read: {error.strerror}"
            problems.append(Problem(problem, str(folder), kind="unreadable"))
            continue
        for entry in entries:
            if not entry.name.startswith("."):
                path = Path(entry.path)
                if not _is_folder(entry):
                    yield path
                else:
                    (links if entry.is_symlink() else folders).append(path)


def _leads_up(link: Path, root: Path) -> bool:
    target = link.resolve()
    return any(folder.resolve().is_relative_to(target) for folder in (link.parent, root))


def _upward_link(link: Path) -> Problem:
    problem = "this link leads to a folder that contains it, and is not followed"
    return Problem(problem, str(link), hint="remove the link", kind="unreadable")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
