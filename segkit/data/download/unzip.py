"""Safe unpacking of downloaded zip files."""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from segkit.core.errors import DataError
from segkit.utils.os_errors import is_out_of_memory

UNPACKED_BYTES = 4 << 30  # limit against zip bombs; ISIC 2016 has less than 1 GB
MEMBERS = 10_000

_SAFE_NAME = re.compile(r"[\w-][\w.-]*", re.ASCII)
_PLAIN = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: no mode, as on Windows


def wanted_members(path: Path, ending: str) -> dict[str, zipfile.ZipInfo]:
    """Check a zip with all its checksums; returns the members with an extension by their file name.

    Args:
        path: zip file.
        ending: extension such as ".jpg"; hidden files and `__MACOSX` are left out.

    Raises:
        DataError: if the zip is damaged, has paths outside its folder, links or other special files, or two
            files of one name, or would unpack to more than `UNPACKED_BYTES` or `MEMBERS` files.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_bounds(path, members)
            for member in members:
                _check_path(path, member)
            damaged = archive.testzip()
    except DataError:
        raise
    except Exception as error:  # damaged or hostile files raise many types
        if is_out_of_memory(error):
            raise
        raise DataError(
            f"this is not a valid zip file ({error or type(error).__name__})", where=str(path), hint=_AGAIN
        ) from error
    if damaged is not None:
        raise DataError(f"{damaged!r} in it does not match its checksum", where=str(path), hint=_AGAIN)
    return _by_name(path, [member for member in members if _is_wanted(member, ending)])


def unpack(
    path: Path, members: dict[str, zipfile.ZipInfo], folder: Path, on_progress: Callable[[int, int], None]
) -> None:
    """Unpack members into a folder, which is created when all are unpacked.

    Args:
        path: zip file.
        members: result of `wanted_members`.
        folder: target folder; missing or empty.
        on_progress: callback of (done, total) files.

    Raises:
        OSError: if the files cannot be written.
    """
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            for done, (name, member) in enumerate(members.items(), start=1):
                with archive.open(member) as packed, (temporary / name).open("xb") as file:
                    shutil.copyfileobj(packed, file)
                on_progress(done, len(members))
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


_AGAIN = (
    "run again to download it again; if you placed it there yourself, remove it first. If this persists, "
    "a proxy or login page may be answering instead of the server"
)


def _check_bounds(path: Path, members: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(member.file_size for member in members)  # zipfile unpacks no member beyond its size
    if unpacked > UNPACKED_BYTES or len(members) > MEMBERS:
        raise DataError(
            f"it would unpack to {len(members)} files of {unpacked} bytes in all",
            where=str(path),
            hint=f"this is not the data set: segkit unpacks at most {MEMBERS} files, {UNPACKED_BYTES} bytes",
        )


def _check_path(path: Path, member: zipfile.ZipInfo) -> None:
    place = PurePosixPath(member.filename.replace("\\", "/"))
    outside = place.is_absolute() or ".." in place.parts or ":" in member.filename
    if outside or stat.S_IFMT(member.external_attr >> 16) not in _PLAIN:
        kind = "has a path outside the folder" if outside else "is a link or another special file"
        raise DataError(
            f"{member.filename!r} in it {kind}",
            where=str(path),
            hint="nothing was unpacked; remove the zip, it is not the data set",
        )


def _is_wanted(member: zipfile.ZipInfo, ending: str) -> bool:
    place = PurePosixPath(member.filename)
    shown = not place.name.startswith(".") and "__MACOSX" not in place.parts
    return shown and not member.is_dir() and place.suffix.lower() == ending


def _by_name(path: Path, members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    names = {member: PurePosixPath(member.filename).name for member in members}
    seen: set[str] = set()
    for name in names.values():
        if not _SAFE_NAME.fullmatch(name) or name.lower() in seen:  # some file systems ignore case
            problem = "two files of the name" if name.lower() in seen else "a file of the name"
            raise DataError(f"it holds {problem} {name!r}", where=str(path), hint=_AGAIN)
        seen.add(name.lower())
    return {name: member for member, name in names.items()}
