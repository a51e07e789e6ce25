"""What is done with a trained model and somebody's photographs: predict."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from segkit.cli.app import app, example
from segkit.cli.options import (
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    QuietOption,
    ScalesOption,
    numbers,
    problems_as_json,
)
from segkit.core.errors import SegkitError
from segkit.inference.options import ProbabilityFormat


class Accelerator(StrEnum):
    """What computes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


@app.command(epilog=example("predict runs/quickstart/001 photos --out masks --overlay"))
def predict(
    model: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A run directory, an .onnx file, or a hub folder."),
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Image files, folders of them, patterns such as 'a/*.jpg'."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where masks go, under the images' names.")],
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Draw each mask over its image: DIR/overlays/*.jpg.")
    ] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write the probabilities too: DIR/probabilities/.")
    ] = False,
    probability_format: Annotated[
        ProbabilityFormat | None,
        typer.Option("--probability-format", help="16-bit PNG (default), or float32 arrays (K, H, W)."),
    ] = None,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Ask about mirror images too, and take the mean; four times the work."),
    ] = False,
    scales: ScalesOption = "1",
    tile: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Go over the image's own pixels in tiles of NxN, instead of resizing it."
        ),
    ] = 0,
    overlap: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Pixels that tiles share (default: a quarter).")
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=0, metavar="N", help="Images or tiles asked at once (default: by their size).")
    ] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace masks that are there.")] = False,
    accelerator: Annotated[Accelerator, typer.Option(help="What computes.")] = Accelerator.auto,
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Write the masks of images, each at its image's own size, without loss."""
    from segkit.api import load
    from segkit.cli import console
    from segkit.cli.options import load_default_plugins
    from segkit.inference.inputs import check_out_folder, check_overwriting, find_inputs
    from segkit.inference.options import PredictOptions
    from segkit.inference.outputs import Outputs
    from segkit.inference.predict_files import predict_files
    from segkit.utils.os_errors import cannot_write

    if overlap is not None and not tile:
        raise SegkitError("--overlap is of tiles, and there are none", hint="--tile 512, say")
    ways = PredictOptions(tta, numbers(scales), tile, overlap, batch_size)
    check_out_folder(out, inputs)
    found = find_inputs(inputs)
    load_default_plugins(no_plugins)
    with console.RunView(quiet=quiet or json) as view:
        view.note("Loading the model")
        predictor = load(model, plugins=plugins or (), accelerator=accelerator)
        view.caution(predictor.warnings)
        kind = probability_format or (ProbabilityFormat.png if probabilities else None)
        outputs = Outputs(out, predictor.info.task, overlay, kind)
        check_overwriting(found, outputs, overwrite=overwrite)
        started = time.perf_counter()
        try:
            problems = predict_files(predictor, found, outputs, ways, view.progress)
        except OSError as error:
            raise cannot_write(error, out, "the same command with --overwrite") from error
        seconds = time.perf_counter() - started
    masks = len(found) - len({problem.file for problem in problems})
    if json:
        console.print_json({
            "model": model, "out": out, "images": len(found), "masks": masks, "seconds": seconds,
            "errors": problems_as_json(problems), "warnings": predictor.warnings,
        })  # fmt: skip
    elif not quiet:
        console.print_predicted(out, masks, len(found), seconds)
    if problems:
        if not json:
            console.error_panel(SegkitError.of(problems))
        raise typer.Exit(2)
