"""The sentence of an export: open the run, write the file, open it again, compare, describe it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from segkit.core.errors import DataError, ExportError, SegkitError, first_line
from segkit.experiments.finished_run import FinishedRun, open_trained
from segkit.inference.export.export_graph import ExportGraph, program_of
from segkit.inference.export.model_card import card, page_beside
from segkit.inference.export.onnx_file import require_onnx, write_onnx
from segkit.inference.export.pt2 import reopen_pt2, write_pt2
from segkit.inference.export.recipe import public_recipe
from segkit.inference.export.verify import Verified, check_shapes, reported_otherwise, verify
from segkit.inference.export_metadata import Exported, Input, Output
from segkit.inference.onnx import open_onnx
from segkit.inference.torch_network import RunNetwork, facts_of
from segkit.utils.atomic import atomic_write

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from segkit.core.types import Progress
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Network
    from segkit.runs.run_dir import RunDir

Format = Literal["onnx", "pt2"]
_WRITERS: dict[str, Callable[[ExportedProgram, Exported, Path], None]] = {
    "onnx": write_onnx,
    "pt2": write_pt2,
}
_OPENERS: dict[str, Callable[[Path], Network]] = {"onnx": open_onnx, "pt2": reopen_pt2}
# Whatever it was trained on: a file for others computes in float32, and is compared on the CPU.
_PLAIN = ("training.accelerator=cpu", "training.precision=32-true", "training.devices=1",
          "training.num_nodes=1", "training.strategy=auto", "training.compile=false")  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """An exported model.

    Args:
        files: what was written, the model first.
        exported: what it says of itself.
        verified: what was compared.
        warnings: what its user should know, in whole sentences.
    """

    files: tuple[Path, ...]
    exported: Exported
    verified: Verified
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        told = self.exported
        return {
            "files": [str(file) for file in self.files], "input": told.input, "output": told.output,
            "facts": told.facts.as_json(), "verified": self.verified.as_json(), "warnings": [*self.warnings],
        }  # fmt: skip


def export_run(
    run: RunDir,
    out: Path,
    format: Format,
    *,
    input: Input = "pixels",
    output: Output = "probabilities",
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
) -> Outcome:
    """Write a run's model as a file that other programs run, and a page beside it that says what it is.

    Args:
        run: a complete run directory.
        out: the file; it appears when all is verified, or not at all.
        format: onnx, or torch's own pt2.
        input: what goes in.
        output: what comes out.
        overrides: changes of its recipe, as `--set` takes them; other images to compare on, say.
        plugins: files or folders with the parts that it used.
        on_progress: callback of (label, done, total).

    Raises:
        ExportError: if what was written is not the run's model.
        SegkitError: if the run, its images or plugins are at fault, or something is not installed.
        OSError: if it cannot be written.
    """
    if format == "onnx":
        require_onnx()
    trained, model = open_to_export(run, overrides, plugins, on_progress)
    exported = Exported(model.facts, input, output, public_recipe(model.recipe))
    with atomic_write(page_beside(out)) as about, atomic_write(out, durable=True) as temporary:
        network, exported, shapes, notes = _written(trained, model, exported, format, temporary)
        verified = verify(network, model, trained, shapes, on_progress)
        del network  # whatever has the file open
        warnings = (*trained.warnings, *notes, *filter(None, [reported_otherwise(verified)]))
        about.write_text(card(run, exported, verified, warnings, file=out.name), encoding="utf-8")
    return Outcome((out, page_beside(out)), exported, verified, warnings)


def open_to_export(
    run: RunDir, overrides: Sequence[str], plugins: Sequence[Path], on_progress: Progress
) -> tuple[FinishedRun, RunNetwork]:
    """A run with its images, and its model in float32 on the CPU.

    Raises:
        SegkitError: if a plugin is missing, or recipe, images or checkpoint are at fault.
    """
    try:
        trained = open_trained(run, [*overrides, *_PLAIN], plugins, on_progress)
    except SegkitError as error:
        raise _without_images(run, error) from error
    assembly, summary = trained.assembly, run.read_summary()
    facts = replace(
        facts_of(assembly.recipe, assembly.spec, assembly.model),
        scored_on=summary.reported_on,
        images=summary.images.get(summary.reported_on, 0),
        scores=summary.scores.metrics,
    )
    return trained, RunNetwork(facts, assembly.recipe, assembly.model.eval(), assembly.fabric)


def _written(
    trained: FinishedRun, model: RunNetwork, exported: Exported, format: Format, file: Path
) -> tuple[Network, Exported, list[tuple[int, int, int]], list[str]]:
    """The file, opened again; for fewer sizes, or one, where it cannot be had for more."""
    notes: list[str] = []
    encoder: Any = model.model.encoder
    for facts in _of_most_sizes_first(exported.facts, encoder.pyramid.reductions[-1]):
        told = replace(exported, facts=facts)
        try:
            graph = ExportGraph(model.model, told).eval()
            _WRITERS[format](program_of(graph, told), told, file)
            network = _OPENERS[format](file)
            shapes = check_shapes(network, model, trained)
        except OSError:
            raise
        except Exception as error:  # exporters raise what they like
            if not facts.multiple:
                raise _cannot(error, format) from error
            height, width = facts.size
            notes = [f"The file takes images of {height}x{width} only: {_reason(error)}."]
        else:
            return network, told, shapes, [] if facts.multiple else notes
    raise AssertionError("the last one returns or raises")


def _of_most_sizes_first(facts: ModelInfo, reduction: int) -> list[ModelInfo]:
    """All that the model takes; then those that need no rounding on the way down; then the one of training.

    A model may look at its maps while it runs, and mend those that do not fit each other. An exporter follows
    what happens at the size of training, where nothing is mended if its sides are multiples of the reduction.
    """
    sizes = [facts.multiple, lcm(facts.multiple, reduction), 0]
    if any(side % reduction for side in facts.size):
        del sizes[1]
    return [replace(facts, multiple=multiple) for multiple in dict.fromkeys(sizes)]


def _cannot(error: Exception, format: str) -> ExportError:
    if isinstance(error, ExportError):
        return error
    other = "pt2" if format == "onnx" else "onnx"
    return ExportError(
        f"this model cannot be exported as {format}: {_reason(error)}",
        hint=f"--format {other}, or a decoder that asks less of sizes while it runs",
    )


def _without_images(run: RunDir, error: SegkitError) -> SegkitError:
    """Images that are not there are no reason to write what nobody has compared."""
    if not isinstance(error, DataError):
        return error
    first = error.problems[0]
    return DataError(
        f"an export is compared on the run's images, and they cannot be read: {first.problem}",
        where=first.file or str(run.path),
        hint="--set data.source... names images of the same kind that are here",
    )


def _reason(error: BaseException) -> str:
    """What has made the exporter fail: it wraps the cause in advice for those who write exporters."""
    while error.__cause__:
        error = error.__cause__
    return first_line(error).rstrip(".")
