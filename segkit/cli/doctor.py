"""Command `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer import Exit

from segkit.cli import options
from segkit.cli.app import app, example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segkit.utils.installation import Finding

MODULES = (
    "torch", "torchvision", "timm", "segmentation_models_pytorch", "albumentations", "cv2",
    "lightning_fabric",
)  # fmt: skip
EXTRAS = ("onnx", "tensorboard", "mlflow", "wandb")


@app.command(epilog=example("doctor"))
def doctor(
    no_plugins: options.NoPluginsOption = False,
    quiet: options.QuietOption = False,
    json: options.JsonOption = False,
) -> None:
    """Check the installation: packages, GPU, plugins, folders."""
    from segkit.cli import console

    with console.RunView(quiet=quiet or json) as view:
        view.note("Importing packages")
        findings = list(_findings(no_plugins))
    ok = all(finding.status != "fault" for finding in findings)
    if json:
        console.print_json({"ok": ok, "findings": [finding.as_json() for finding in findings]})
    elif not (quiet and ok):
        console.print_findings([one for one in findings if not quiet or one.status == "fault"])
    raise Exit(0 if ok else 1)


def _findings(no_plugins: bool) -> Iterator[Finding]:
    from segkit.core.paths import cache_folder, home
    from segkit.core.plugins import broken_plugins, load_installed
    from segkit.utils import installation

    yield from installation.check_distribution("segkit", EXTRAS)
    yield from installation.check_one_distribution("cv2")
    yield from installation.check_imports(MODULES)
    if not no_plugins:
        load_installed()
        for error in broken_plugins():
            for problem in error.problems:
                where = f"{problem.file}: " if problem.file else ""
                yield installation.Finding("plugin", "fault", f"{where}{problem.problem}", problem.hint or "")
    yield installation.check_folder("data", home(), "SEGKIT_HOME")
    yield installation.check_folder("cache", cache_folder(), "SEGKIT_CACHE")
