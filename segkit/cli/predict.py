"""Command `predict`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Exit, Option

from segkit.cli import options
from segkit.cli.app import app, example
from segkit.core.errors import SegkitError
from segkit.inference.options import ProbabilityFormat


@app.command(epilog=example("predict runs/quickstart/001 photos --out masks --overlay"))
def predict(
    model: Annotated[str, Argument(metavar="RUN", help="Run, cross-validation, .onnx file or hub folder.")],
    inputs: Annotated[
        list[str], Argument(metavar="INPUT...", help="Image files, folders, or patterns such as 'a/*.jpg'.")
    ],
    out: Annotated[Path, Option(metavar="DIR", help="Output folder; masks get the names of the images.")],
    overlay: Annotated[
        bool, Option("--overlay", help="Also draw each mask over its image: DIR/overlays/*.jpg.")
    ] = False,
    probabilities: Annotated[
        bool, Option("--probabilities", help="Also write probabilities: DIR/probabilities/.")
    ] = False,
    probability_format: Annotated[
        ProbabilityFormat | None,
        Option("--probability-format", help="16-bit PNG (default) or float32 arrays (K, H, W)."),
    ] = None,
    tta: options.TtaOption = False,
    scales: options.ScalesOption = "1",
    tile: Annotated[
        int,
        Option(min=0, metavar="N", help="Predict in NxN windows at full size, or at the model's data.scale."),
    ] = 0,
    overlap: Annotated[
        int | None,
        Option(
            min=0, metavar="N", help="Overlap of windows in pixels (default: a quarter, or as in training)."
        ),
    ] = None,
    batch_size: Annotated[
        int, Option(min=0, metavar="N", help="Images or windows per batch (default: by their size).")
    ] = 0,
    overwrite: options.OverwriteOption = False,
    accelerator: Annotated[Literal["auto", "cpu", "cuda", "mps"], Option(help="Device to run on.")] = "auto",
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    quiet: options.QuietOption = False,
    json: options.JsonOption = False,
) -> None:
    """Predict masks of images and write them as PNG files."""
    from segkit.api import load
    from segkit.cli import console
    from segkit.inference.inputs import check_out_folder, check_overwriting, find_inputs
    from segkit.inference.options import PredictOptions
    from segkit.inference.outputs import Outputs, mask_classes
    from segkit.inference.predict_files import predict_files
    from segkit.utils.os_errors import cannot_write

    predict_options = PredictOptions(tta, options.parse_scales(scales), tile, overlap, batch_size)
    check_out_folder(out, inputs)
    found = find_inputs(inputs)
    options.load_plugins(no_plugins, models=[Path(model)])
    with console.RunView(quiet=quiet or json) as view:
        view.note("Loading the model")
        predictor = load(model, plugins=plugins or (), accelerator=accelerator)
        warnings = [*found.warnings(), *predictor.warnings]
        view.print_warnings(warnings)
        probability_kind = probability_format or (ProbabilityFormat.png if probabilities else None)
        outputs = Outputs(out, predictor.info.task, overlay, probability_kind)
        check_overwriting(found.images, outputs, overwrite=overwrite)
        started = time.perf_counter()
        try:
            predicted = predict_files(predictor, found.images, outputs, predict_options, view.progress)
        except OSError as error:
            raise cannot_write(error, out, "the same command with --overwrite") from error
        seconds = time.perf_counter() - started
        view.print_warnings(predicted.warnings)
    masks = len(found.images) - len({problem.file for problem in predicted.problems})
    images = len(found.images) + sum(not Path(problem.file).is_dir() for problem in found.problems)
    problems = [*found.problems, *predicted.problems]
    if json:
        console.print_json({
            "model": model, "out": out, "images": images, "masks": masks,
            "classes": mask_classes(predictor.info),
            "no_foreground": predicted.without_foreground, "seconds": seconds,
            "errors": options.problems_as_json(problems), "left_out": found.others,
            "warnings": [*warnings, *predicted.warnings],
        })  # fmt: skip
    elif not quiet:
        console.print_predicted(out, masks, images, seconds)
        console.print_class_numbers(predictor.info.task)
        console.print_without_foreground(predicted.without_foreground, predictor.info.task)
    if problems:
        if not json:
            console.print_error(SegkitError.of(problems))
        raise Exit(2)
