"""Download, verification and unpacking of the ISIC 2016 lesion segmentation data (challenge part 1).

Gutman et al., "Skin Lesion Analysis toward Melanoma Detection", 2016, arXiv:1605.01397.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from segkit.core.errors import DataError
from segkit.data.download.http import DownloadError, download, remote_bytes, state_of
from segkit.data.download.unzip import unpack, wanted_members
from segkit.utils.atomic import replace, write_text

BASE_URL = "https://isic-challenge-data.s3.amazonaws.com/2016/"
PAGE = "https://challenge.isic-archive.com/data/#2016"
RECORD = "fetched.json"

Progress = Callable[[str, int, int], None]

_COUNTS = {"Training": 900, "Test": 379}  # images, and as many masks
_NOTE = (
    "SHA-256 of the zips as they were first downloaded or found here. The challenge publishes none; later "
    "downloads into this folder are compared with these."
)


@dataclass(frozen=True)
class _Archive:
    name: str
    ending: str
    files: int
    home: Path

    @property
    def folder(self) -> Path:
        return self.home / self.name

    @property
    def zip(self) -> Path:
        return self.home / f"{self.name}.zip"

    @property
    def part(self) -> Path:
        return self.home / f"{self.name}.zip.part"


def fetch_isic2016(
    to: Path, *, base_url: str = BASE_URL, on_progress: Progress = lambda label, done, total: None
) -> None:
    """Download the training and test images of ISIC 2016 with their masks.

    Unpacked folders, zips placed by hand and partial downloads are used. Zips are checked by length,
    checksums, number of files, and the SHA-256 of the first download in `fetched.json`, as the challenge
    publishes none. Zips are removed after unpacking.

    Args:
        to: target folder for `ISBI2016_ISIC_Part1_Training_Data`, `..._Training_GroundTruth`, `..._Test_Data`
            and `..._Test_GroundTruth`.
        base_url: address of the folder with the four zips.
        on_progress: callback of (label, done, total).

    Raises:
        DataError: if a zip cannot be downloaded or written, or fails a check.
    """
    try:
        to.mkdir(parents=True, exist_ok=True)
        _fetch(_pairs(to), base_url.rstrip("/") + "/", on_progress)
    except OSError as error:
        raise DataError(
            f"the data cannot be written: {error.strerror or error}",
            where=str(error.filename or to),
            hint="downloaded files are kept; free some space or choose another folder, then run again",
        ) from error


def _fetch(pairs: list[tuple[_Archive, _Archive]], base_url: str, on_progress: Progress) -> None:
    archives = [archive for pair in pairs for archive in pair]
    missing = [archive for archive in archives if not _is_unpacked(archive)]
    _download(missing, base_url, on_progress)
    members = {archive: _verified(archive, on_progress) for archive in missing}
    for images, masks in pairs:
        _check_pairs(members.get(images) or _unpacked(images), members.get(masks) or _unpacked(masks), masks)
    for archive, files in members.items():
        _check_free_space(archive.home, sum(member.file_size for member in files.values()))
        unpack(archive.zip, files, archive.folder, partial(on_progress, f"unpacking {archive.name}"))
    for archive in archives:
        for leftover in (archive.zip, archive.part, state_of(archive.part)):
            leftover.unlink(missing_ok=True)


def _pairs(home: Path) -> list[tuple[_Archive, _Archive]]:
    return [
        (
            _Archive(f"ISBI2016_ISIC_Part1_{split}_Data", ".jpg", count, home),
            _Archive(f"ISBI2016_ISIC_Part1_{split}_GroundTruth", ".png", count, home),
        )
        for split, count in _COUNTS.items()
    ]


def _unpacked(archive: _Archive) -> list[str]:
    if not archive.folder.exists():
        return []
    names = (path.name for path in archive.folder.iterdir())
    return [name for name in names if name.lower().endswith(archive.ending) and not name.startswith(".")]


def _is_unpacked(archive: _Archive) -> bool:
    if not archive.folder.exists() or not any(archive.folder.iterdir()):
        return False
    if (count := len(_unpacked(archive))) != archive.files:
        raise DataError(
            f"the folder holds {count} {archive.ending} files, the data set has {archive.files}",
            where=str(archive.folder),
            hint="segkit leaves it as it is: move it away, or fetch into another folder",
        )
    return True


def _download(archives: list[_Archive], base_url: str, on_progress: Progress) -> None:
    missing = [archive for archive in archives if not archive.zip.exists()]
    if missing:
        _check_free_space(missing[0].home, _bytes_needed(missing, base_url))
    for position, archive in enumerate(missing):
        url = f"{base_url}{archive.zip.name}"
        try:
            download(url, archive.part, _in_megabytes(f"downloading {archive.zip.name}, MB", on_progress))
        except DownloadError as error:
            names = ", ".join(left.zip.name for left in missing[position:])
            raise DataError(
                f"the data set cannot be downloaded: {error}",
                where=url,
                hint=f"run again to resume, or download {names} by hand (see {PAGE}), put them into "
                f"{archive.home} and run again to verify and unpack them",
            ) from error


def _bytes_needed(archives: list[_Archive], base_url: str) -> int:
    needed = 0
    for archive in archives:
        size = remote_bytes(f"{base_url}{archive.zip.name}")
        if size is None:
            break  # the server reports no sizes
        downloaded = archive.part.stat().st_size if archive.part.exists() else 0
        needed += max(size - downloaded, 0) + size  # unpacked, images need about as much again
    return needed


def _in_megabytes(label: str, on_progress: Progress) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        on_progress(label, -(-done // 10**6), -(-total // 10**6))

    return report


def _verified(archive: _Archive, on_progress: Progress) -> dict[str, zipfile.ZipInfo]:
    label = f"verifying {archive.zip.name}"
    on_progress(label, 0, 1)
    path = archive.zip if archive.zip.exists() else archive.part
    try:
        members = wanted_members(path, archive.ending)
        if len(members) != archive.files:
            raise DataError(
                f"it holds {len(members)} {archive.ending} files, the data set has {archive.files}",
                where=str(path),
                hint=f"see {PAGE} whether the data set has changed; remove the zip to fetch it again",
            )
    except DataError:
        if path == archive.part:  # a zip placed by hand is for the user to remove
            path.unlink()
            state_of(path).unlink(missing_ok=True)
        raise
    _check_record(archive, path)
    if path == archive.part:
        replace(path, archive.zip)
    on_progress(label, 1, 1)
    return members


def _check_record(archive: _Archive, path: Path) -> None:
    record = archive.home / RECORD
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        known = json.loads(record.read_text(encoding="utf-8"))["zips"] if record.exists() else {}
        before = known.get(archive.zip.name, {}).get("sha256", digest)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            "this record of digests cannot be read", where=str(record), hint="remove it"
        ) from error
    if before != digest:
        raise DataError(
            f"{archive.zip.name} is not the file that was fetched before: SHA-256 {digest}, then {before}",
            where=str(path),
            hint=f"find out which of them is right; remove {record} to accept the new one",
        )
    known[archive.zip.name] = {"sha256": digest, "bytes": path.stat().st_size, "files": archive.files}
    write_text(record, json.dumps({"note": _NOTE, "zips": known}, indent=2) + "\n")


def _check_pairs(images: Iterable[str], masks: Iterable[str], where: _Archive) -> None:
    stems = {Path(mask).stem for mask in masks}
    unpaired = sorted(image for image in images if f"{Path(image).stem}_Segmentation" not in stems)
    if unpaired:
        shown = ", ".join(unpaired[:5]) + (", ..." if len(unpaired) > 5 else "")
        raise DataError(
            f"{len(unpaired)} images have no mask: {shown}",
            where=str(where.folder if where.folder.exists() else where.zip),
            hint=f"see {PAGE} whether the data set has changed; remove folders and zips to fetch them again",
        )


def _check_free_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"the data set needs {needed / 1e9:.2f} GB more, {free / 1e9:.2f} GB are free",
            where=str(folder),
            hint="free some space or choose a folder on another disk; downloaded files are kept",
        )
