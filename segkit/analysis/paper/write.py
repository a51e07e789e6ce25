"""Writing of the files of a paper into a folder of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from segkit.core.errors import SegkitError
from segkit.runs.run_dir import write_json
from segkit.utils.atomic import atomic_folder, write_text
from segkit.utils.os_errors import cannot_write
from segkit.utils.result_folder import make_folder
from segkit.utils.safe_read import MAX_LIST_BYTES, read_json

if TYPE_CHECKING:
    from segkit.analysis.paper.papers import Paper

LIST = "paper.json"
OTHER_FOLDER = "--paper with another folder"


class _Written(BaseModel):
    """paper.json: the files that were written, so that those which are not written again are removed."""

    of: Literal["comparison", "cross-validation", "run"]
    files: list[Annotated[str, Field(pattern=r"^(tables|figures|recipes)/[^/\\]+$")]]


def prepare_paper_folder(folder: Path, of: str) -> None:
    """Create the folder of a paper, or check that it is empty or has one of the same kind.

    Args:
        folder: where to write.
        of: what the paper is of, as `Paper.label`.

    Raises:
        SegkitError: if it holds something else, or cannot be created.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / LIST).is_file():
        raise SegkitError(
            "this folder holds other files than those of a paper", where=str(folder), hint=OTHER_FOLDER
        )
    if (former := _former(folder)) and former.of != of:
        raise SegkitError(
            f"this folder holds the files of a {former.of}, which those of a {of} would replace",
            where=str(folder), hint=OTHER_FOLDER,
        )  # fmt: skip
    make_folder(folder, "paper", OTHER_FOLDER)


def write_paper(paper: Paper, folder: Path) -> None:
    """Write all files, reproducible byte for byte; tables and figures of a former paper are removed.

    Raises:
        SegkitError: if the folder holds something else.
        TrainingError: if a file cannot be written; existing files are unchanged.
    """
    prepare_paper_folder(folder, paper.label)
    former = _former(folder)
    try:
        with atomic_folder(folder) as new:
            for name in ("tables", "figures", "recipes"):
                (new / name).mkdir()
            for table in paper.tables:
                table.write(new / "tables", paper.label)
            for figure in paper.figures:
                figure.write(new / "figures", paper.label)
            for name, text in paper.recipes.items():
                write_text(new / "recipes" / name, text)
            write_text(new / "methods.tex", paper.methods)
            write_text(new / "references.bib", paper.bibliography)
            write_text(new / "commands.sh", paper.commands)
            written = sorted(file.relative_to(new).as_posix() for file in new.glob("*/*"))
            write_json(new / LIST, _Written.model_validate({"of": paper.label, "files": written}))
        for name in {*(former.files if former else ())} - {*written}:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(error, folder, f"the same again, or {OTHER_FOLDER}") from error


def _former(folder: Path) -> _Written | None:
    file = folder / LIST
    return read_json(file, _Written, max_bytes=MAX_LIST_BYTES) if file.is_file() else None
