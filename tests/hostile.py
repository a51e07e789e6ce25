"""What somebody might put into files to do harm when they are opened."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from segkit.runs.run_dir import RunDir, write_json
from segkit.runs.schema import MeasuredCosts

ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202egpj.exe"
SCRIPT = '"\'></title></script><script>hacked=1</script><img src=x onerror="hacked=1"><svg onload=hacked=1>'
MARKDOWN = "|`[a](javascript:hacked=1)\n# b ![c](file:///etc/passwd) <b>"
TEXT = f"{SCRIPT}{MARKDOWN}{ESCAPES} $\\frac{{ {{{{ 7 * 7 }}}} {{% raw %}}"
WORD = SCRIPT.replace(" ", "\u00a0") + "$"  # where no line may end
PICKLES = (
    "checkpoints/best.pt", "checkpoints/best.pth", "checkpoints/best.pkl", "checkpoints/best.ckpt",
    "checkpoints/last.state.pt", "checkpoints/state.pkl", "checkpoints/last.state.safetensors", "run.pkl",
    "scores.npy", "thumbnails.pkl", "samples/samples.pkl", "summary.pickle", "cache.joblib",
)  # fmt: skip
MODULES = ("sitecustomize.py", "yaml.py", "conftest.py", "segkit.py", "evil.py", "plugins/evil.py")


class Payload:
    """A pickle of it makes a folder when it is opened."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.marker,)


def pickled(marker: Path) -> bytes:
    """A pickle that makes a folder when it is opened."""
    return pickle.dumps(Payload(marker))


def code(marker: Path) -> str:
    """A module that makes a folder when it is imported."""
    return f"import os\nos.mkdir({str(marker)!r})\n"


def spoil(run: RunDir, marker: Path) -> None:
    """Put harm into everything in a run that is still read as a run."""
    for name in PICKLES:
        (run.path / name).write_bytes(pickled(marker))
    for name in MODULES:
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_text(code(marker))
    _spoil_recipe(run, marker)
    summary = json.loads(run.summary.read_text())
    for entry in (summary["best"], summary["last"], summary["scores"]):
        entry["metrics"][WORD] = 0.5
    summary |= {"recipe": TEXT, "description": TEXT, "device": TEXT, "precision": TEXT, "status": TEXT}
    summary |= {"warnings": [TEXT], "metrics": [*summary["metrics"], WORD], "images": {TEXT: 3}}
    summary["reference"] = {"source": TEXT, "metrics": {"iou": 0.5}, "epochs": [{"epoch": 1, "iou": 0.4}]}
    for stage in summary["stages"]:
        stage["name"] = TEXT
    write_json(run.summary, summary)
    environment = json.loads(run.environment.read_text())
    packages = {**environment["packages"], TEXT: TEXT}
    changes = {TEXT: [TEXT, {TEXT: TEXT}], "git": TEXT, "packages": packages}
    write_json(run.environment, {**environment, **changes})
    names, scores = run.read_scores()
    run.write_scores([f"{TEXT}{i}" for i in range(len(names))], {**scores, WORD: scores["iou"]})
    lines = run.metrics.read_text().splitlines()
    run.metrics.write_text("".join(json.dumps({**json.loads(line), WORD: 0.5}) + "\n" for line in lines))
    listed = json.loads((run.samples / "samples.json").read_text())
    listed = [{**sample, "image": TEXT, "metric": WORD} for sample in listed]
    (run.samples / "samples.json").write_text(json.dumps(listed))
    machine = {"processor": TEXT, "device": TEXT}
    run.write_costs(MeasuredCosts(machine=machine, precision=TEXT, warnings=[TEXT]))


def _spoil_recipe(run: RunDir, marker: Path) -> None:
    recipe = run.read_recipe()
    recipe |= {"name": TEXT, "description": TEXT, "plugins": [str(run.path / "evil.py"), TEXT]}
    recipe["data"]["classes"] = [TEXT]
    recipe["metrics"] = [*recipe["metrics"], {"name": WORD}]
    secret = marker.with_name("secret.csv")
    secret.write_text("epoch,iou\n1,0.123456\n")
    recipe["reference"] = {"source": TEXT, "epochs": str(secret), "metrics": {}}
    run.write_recipe(yaml.safe_dump(recipe))


def wide_png(side: int) -> bytes:
    """A few kilobytes that are a picture of so many pixels squared."""
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG", optimize=True)
    return file.getvalue()


def packed(path: Path, members: dict[str, bytes]) -> None:
    """A zip of anything."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
