"""How to use an exported model, as code that runs: with segkit, and without it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from segkit.inference.export_metadata import Exported

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Code:
    """A piece of code.

    Args:
        title: what it does, as one sentence.
        language: of it.
        code: itself.
    """

    title: str
    language: str
    code: str


def pages_of_code(exported: Exported, file: str) -> list[Code]:
    """What to type, by the file's ending.

    Args:
        exported: what the file says of itself.
        file: its name, or that of a folder for the hub.
    """
    match Path(file).suffix.lower():
        case ".pt2":
            codes = [_with_torch(exported, file)]
        case ".onnx":
            codes = [*_with_segkit(file), _with_onnx_runtime(exported, file)]
        case _:
            codes = _with_segkit(file)
    return [Code(code.title, code.language, Markup(code.code)) for code in codes]


def _with_segkit(file: str) -> list[Code]:
    predict = f'mask = segkit.load({_quoted(file)}).predict("photo.jpg").mask'
    return [
        Code("From a terminal:", "sh", f"segkit predict {shlex.quote(file)} photos --out masks --overlay"),
        Code("From Python:", "python", f"import segkit\n\n{predict}"),
    ]


def _with_onnx_runtime(exported: Exported, file: str) -> Code:
    lines = [
        "import numpy as np",
        "import onnxruntime",
        "from PIL import Image",
        "",
        f"session = onnxruntime.InferenceSession({_quoted(file)})",
        *_image_lines(exported),
        f'({exported.output},) = session.run(None, {{"image": image}})  # 1 K H W, float32',
        _mask_line(exported),
    ]
    return Code("With ONNX Runtime alone:", "python", "\n".join(lines))


def _with_torch(exported: Exported, file: str) -> Code:
    lines = [
        "import numpy as np",
        "import torch",
        "from PIL import Image",
        "",
        f"model = torch.export.load({_quoted(file)}).module()",
        *_image_lines(exported),
        f"{exported.output} = model(torch.from_numpy(image)).numpy()  # 1 K H W, float32",
        _mask_line(exported),
    ]
    return Code("With torch:", "python", "\n".join(lines))


def _image_lines(exported: Exported) -> list[str]:
    facts = exported.facts
    height, width = facts.size
    lines = [
        f'photo = Image.open("photo.jpg").convert({_quoted(_MODES[facts.channels])})',
        f"small = np.asarray(photo.resize(({width}, {height}), Image.Resampling.BILINEAR))",
        f"image = small.reshape({height}, {width}, {facts.channels}).transpose(2, 0, 1)[None].copy()"
        "  # 1 C H W, uint8",
    ]
    if exported.input == "normalized":
        mean, std = (f"np.float32({list(values)}).reshape(-1, 1, 1)" for values in (facts.mean, facts.std))
        lines += [f"mean, std = {mean}, {std}", "image = (image / np.float32(255) - mean) / std  # float32"]
    return lines


def _mask_line(exported: Exported) -> str:
    kind, name = exported.facts.task.kind, exported.output
    if kind == "multiclass":
        return f"mask = {name}[0].argmax(axis=0)  # H W, an index into {list(exported.facts.task.classes)}"
    above = "0.5" if exported.output == "probabilities" else "0"
    if kind == "multilabel":
        return f"masks = {name}[0] > {above}  # K H W, one for each of {list(exported.facts.task.classes)}"
    return f"mask = {name}[0, 0] > {above}  # H W, true where there is {exported.facts.task.classes[0]!r}"


def _quoted(text: str) -> str:
    """As Python has it, in the quotes that its formatters take."""
    return json.dumps(text, ensure_ascii=False)
