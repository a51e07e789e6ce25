"""Import modules one after another and print a line of JSON for each; run as a script by `installation`.

A module that ends the process, as a broken binary may, prints nothing.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import warnings
from typing import Any


def probe(module: str) -> dict[str, Any]:
    """Version of a module, or the error of its import; of torch, also what it says of the GPU."""
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            imported = importlib.import_module(module)
            about = {"module": module, "version": str(getattr(imported, "__version__", "imported"))}
            if module == "torch":
                about |= _gpu(imported)
            if module == "torchvision":
                _try_operator(imported)
            return about
    except Exception as error:
        first, *_ = str(error).strip().splitlines() or [""]
        return {"module": module, "error": f"{type(error).__name__}: {first}"}


def _gpu(torch: Any) -> dict[str, Any]:
    error = ""
    if torch.version.cuda or torch.version.hip:
        try:
            torch.cuda.init()
        except Exception as raised:
            error = str(raised).strip().splitlines()[0]
    kinds = torch.cuda.get_arch_list()
    devices = []
    for number in range(torch.cuda.device_count() if not error else 0):
        supported = bool(torch.version.hip) or runs_on(torch.cuda.get_device_capability(number), kinds)
        devices.append({"name": torch.cuda.get_device_name(number), "supported": supported})
    return {
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "cuda_error": error,
        "devices": devices,
        "mps": torch.backends.mps.is_available(),
    }


def runs_on(capability: tuple[int, int], kinds: list[str]) -> bool:
    """Whether code for `kinds` (``sm_80``, ``compute_90``) runs on a GPU of that compute capability."""
    for kind in kinds:
        form, _, number = kind.partition("_")
        digits = number.rstrip("af")  # sm_90a
        built = int(digits[:-1]), int(digits[-1])
        # Machine code runs on the later minor versions of a major one; PTX is compiled for any later version.
        if built <= capability and (form == "compute" or built[0] == capability[0]):
            return True
    return False


def _try_operator(torchvision: Any) -> None:
    """Call a compiled operator: a torchvision built for another torch imports, but does not have it."""
    import torch

    torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        sys.stdout.write(json.dumps(probe(name)) + "\n")
        sys.stdout.flush()
