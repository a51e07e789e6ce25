"""Export of a run: write the file, load it again, compare it with the run, write the model card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_jsonable_python

from segkit.analysis.cross_validation.out_of_fold import read_out_of_fold
from segkit.analysis.report.run_data import read_run_data
from segkit.core.errors import DataError, ExportError, SegkitError, first_line, worded
from segkit.experiments.restore_run import FinishedRun, open_trained
from segkit.inference.export.export_graph import EnsembleGraph, ExportGraph, export_program
from segkit.inference.export.model_card import model_card
from segkit.inference.export.onnx_file import require_onnx, write_onnx
from segkit.inference.export.pt2 import reopen_pt2, write_pt2
from segkit.inference.export.verify import Verification, check_shapes, score_warnings, verify
from segkit.inference.export_metadata import ExportMetadata, Input, Output
from segkit.inference.onnx import open_onnx
from segkit.inference.predictor import Predictor
from segkit.inference.torch_network import TorchEnsemble, TorchNetwork, open_network, run_model_info
from segkit.recipe import plain_recipe
from segkit.recipe.yaml_tree import write_yaml
from segkit.runs.run_dir import RunDir
from segkit.utils.atomic import atomic_write
from segkit.utils.os_errors import is_out_of_memory
from segkit.utils.public_text import public_data

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram

    from segkit.analysis.report.run_data import RunData
    from segkit.core.types import Progress
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Network
    from segkit.recipe import Recipe
    from segkit.runs.cv_dir import CvDir

Format = Literal["onnx", "pt2"]
_WRITERS: dict[str, Callable[[ExportedProgram, ExportMetadata, Path], None]] = {
    "onnx": write_onnx,
    "pt2": write_pt2,
}
_OPENERS: dict[str, Callable[[Path], Network]] = {"onnx": open_onnx, "pt2": reopen_pt2}
# Exported models compute in float32 and are compared on the CPU, whatever the run was trained on.
_TRAINED_ON = (
    "Some of the models were trained on the images that were compared: the scores on them show that the file "
    "is the same as the models, not how good they are."
)
_CPU = ("training.accelerator=cpu", "training.precision=32-true", "training.devices=1",
        "training.num_nodes=1", "training.compile=false")  # fmt: skip


@dataclass(frozen=True)
class ExportResult:
    """An exported model.

    Args:
        files: written files, the model first.
        metadata: metadata of the model.
        verification: comparison with the run.
        warnings: warnings in whole sentences.
    """

    files: tuple[Path, ...]
    metadata: ExportMetadata
    verification: Verification
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        metadata = self.metadata
        return {
            "files": [str(file) for file in self.files], "input": metadata.input, "output": metadata.output,
            "facts": metadata.info.as_json(), "verified": asdict(self.verification),
            "warnings": [*self.warnings],
        }  # fmt: skip


def export_run(
    run: RunDir | Sequence[RunDir],
    out: Path,
    format: Format,
    *,
    input: Input = "pixels",
    output: Output = "probabilities",
    overrides: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    on_progress: Progress = lambda label, done, total: None,
    cross_validation: CvDir | None = None,
) -> ExportResult:
    """Write a run's model, or the mean of several, as one file, with a model card beside it.

    Args:
        run: complete run directory; several become an ensemble that averages probabilities.
        out: path of the file, which is written only if it matches the run.
        format: onnx, or torch's pt2.
        input: input of the exported model.
        output: output of the exported model.
        overrides: recipe changes, as for `--set`, for example other images to compare on.
        plugins: files or folders with the parts it used.
        on_progress: callback of (label, done, total).
        cross_validation: cross-validation that the runs are of, whose scores the file then reports.

    Raises:
        ExportError: if the exported model does not match the run.
        SegkitError: if the models cannot be averaged, a run, its images or plugins are damaged, or a package
            is not installed.
        OSError: if a file cannot be written.
    """
    if format == "onnx":
        require_onnx()
    first, *others = [run] if isinstance(run, RunDir) else run
    if others and output == "logits":
        problem = "an ensemble has no logits: it is the mean of probabilities"
        raise SegkitError(problem, hint=f"leave out {worded('--output logits', 'the argument output')}")
    finished, opened = open_for_export(first, overrides, plugins, on_progress)
    data = read_out_of_fold(cross_validation)[0] if cross_validation else read_run_data(first)
    model: TorchNetwork | TorchEnsemble = opened
    if others:
        on_this = [*overrides, *_CPU]
        networks = [open_network(each, plugins, accelerator="cpu", overrides=on_this) for each in others]
        model = _ensemble([opened, *networks], data, input)
    metadata = ExportMetadata(model.info, input, output, public_recipe(opened.recipe))
    card_file = out.with_suffix(".md")
    with atomic_write(card_file) as card, atomic_write(out, durable=True) as temporary:
        network, metadata, shapes, notes = _write(finished, model, metadata, format, temporary)
        verification = verify(network, model, finished, shapes, on_progress)
        del network  # closes the file
        changed = dict.fromkeys(text for each in _members(model) for text in each.warnings)
        of_folds = cross_validation and verification.same_images and verification.split != "test"
        seen = [_TRAINED_ON] if of_folds else []
        warnings = (*finished.warnings, *changed, *notes, *seen, *score_warnings(verification))
        card.write_bytes(model_card(data, metadata, verification, warnings, file=out.name).encode())
    return ExportResult((out, card_file), metadata, verification, warnings)


def open_for_export(
    run: RunDir, overrides: Sequence[str], plugins: Sequence[Path], on_progress: Progress
) -> tuple[FinishedRun, TorchNetwork]:
    """Open a run with its images, and its model in float32 on the CPU.

    Raises:
        SegkitError: if a plugin is missing, or recipe, images or checkpoint are damaged.
    """
    try:
        finished = open_trained(run, [*overrides, *_CPU], plugins, on_progress)
    except DataError as error:
        first = error.problems[0]
        raise DataError(
            f"an export is compared on the run's images, which cannot be read: {first.problem}",
            where=first.file or str(run.path),
            hint="use --set data.source... to name similar images on this machine",
        ) from error
    assembly = finished.assembly
    model = assembly.model.eval()
    info = run_model_info(run, assembly.recipe, assembly.spec, model)
    return finished, TorchNetwork(info, assembly.recipe, model, assembly.fabric)


def _members(model: TorchNetwork | TorchEnsemble) -> tuple[TorchNetwork, ...]:
    return model.members if isinstance(model, TorchEnsemble) else (model,)


def _ensemble(networks: Sequence[TorchNetwork], data: RunData, input: Input) -> TorchEnsemble:
    """Networks that one file can hold.

    Raises:
        SegkitError: if they predict other classes, or see images in other ways.
    """
    Predictor(networks)  # checks that they predict the same classes
    first, *others = (network.info for network in networks)
    for other in others:
        for what, mine, theirs in (
            ("data.fit", first.fit, other.fit),
            ("data.size", first.size, other.size),
            ("data.scale", first.scale, other.scale),
            ("overlap of windows", first.overlap, other.overlap),
            ("data.range", first.range, other.range),
            ("data.normalize", (first.mean, first.std), (other.mean, other.std)),
        ):
            if mine != theirs and (what != "data.normalize" or input == "normalized"):
                raise SegkitError(
                    f"one file cannot hold these models: {what} is {_text(mine)} of {first.name}, and "
                    f"{_text(theirs)} of {other.name}",
                    hint=f"models with one {what}; predict and segkit.load average them as they are",
                )
    multiples = [network.info.multiple for network in networks]
    multiple = lcm(*multiples) if all(multiples) else 0
    info = replace(first, multiple=multiple, scored_on="", images=0, scores={})
    if data.cross_validation:
        scores = data.summary.scores
        info = replace(info, scored_on=scores.split, images=len(data.names), scores=dict(scores.metrics))
    return TorchEnsemble(info, tuple(networks))


def _text(value: Any) -> str:
    return str(to_jsonable_python(value)) if value is not None else "0 to 255"


def public_recipe(recipe: Recipe) -> str:
    """The complete recipe as YAML; absolute paths are reduced to their last name, plugins removed."""
    return write_yaml(public_data({**plain_recipe(recipe), "plugins": []}))


def _write(
    finished: FinishedRun,
    model: TorchNetwork | TorchEnsemble,
    metadata: ExportMetadata,
    format: Format,
    file: Path,
) -> tuple[Network, ExportMetadata, list[tuple[int, int, int]], list[str]]:
    """Write and reopen the file, for as many image sizes as the exporter supports."""
    notes: list[str] = []
    models = [member.model for member in _members(model)]
    encoders: list[Any] = [each.encoder for each in models]
    for info in _size_candidates(metadata.info, lcm(*(each.pyramid.reductions[-1] for each in encoders))):
        candidate = replace(metadata, info=info)
        try:
            graph: nn.Module = ExportGraph(models[0], candidate)
            if len(models) > 1:
                graph = EnsembleGraph(models, candidate)
            graph.eval()
            _WRITERS[format](export_program(graph, candidate), candidate, file)
            network = _OPENERS[format](file)
            shapes = check_shapes(network, model, finished)
        except Exception as error:  # exporters raise many classes
            if isinstance(error, OSError) or is_out_of_memory(error):
                raise
            if not info.multiple:
                raise _export_failed(error, format) from error
            height, width = info.size
            notes = [f"The file takes images of {height}x{width} only: {_root_cause(error)}."]
        else:
            return network, candidate, shapes, [] if info.multiple else notes
    raise AssertionError("the last one returns or raises")


def _size_candidates(info: ModelInfo, reduction: int) -> list[ModelInfo]:
    """Size restrictions to try: as the model, multiples of the encoder's reduction, the training size only.

    A model may check the sizes of its maps and crop or pad those that do not fit. An exporter records what
    happens at the training size, where nothing is cropped if its sides are multiples of the reduction.
    """
    multiples = [info.multiple, lcm(info.multiple, reduction), 0]
    if any(side % reduction for side in info.size):
        del multiples[1]
    return [replace(info, multiple=multiple) for multiple in dict.fromkeys(multiples)]


def _export_failed(error: Exception, format: str) -> ExportError:
    if isinstance(error, ExportError):
        return error
    other = "pt2" if format == "onnx" else "onnx"
    return ExportError(
        f"this model cannot be exported as {format}: {_root_cause(error)}",
        hint=f"use --format {other}, or a decoder whose code does not depend on image sizes",
    )


def _root_cause(error: BaseException) -> str:
    while error.__cause__:  # exporters wrap it in advice for their developers
        error = error.__cause__
    return first_line(error).rstrip(".")
