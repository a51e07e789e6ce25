"""References of the parts that a run used: which publication is cited for what, and their BibTeX entries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

# By kind and name of built-in parts; of encoders, which are timm's, by the start of the name.
SOURCES: Mapping[str, Mapping[str, str]] = {
    "encoder": {
        "mobilenetv2": "sandler2018mobilenetv2",
        "mobilenetv3": "howard2019mobilenetv3",
        "tf_mobilenetv3": "howard2019mobilenetv3",
        "mobilenetv4": "qin2024mobilenetv4",
        "resnet": "he2016resnet",
        "resnext": "xie2017resnext",
        "efficientnet": "tan2019efficientnet",
        "tf_efficientnet": "tan2019efficientnet",
        "efficientnetv2": "tan2021efficientnetv2",
        "tf_efficientnetv2": "tan2021efficientnetv2",
        "convnext": "liu2022convnext",
        "convnextv2": "woo2023convnextv2",
        "vit": "dosovitskiy2021vit",
        "swin": "liu2021swin",
        "densenet": "huang2017densenet",
        "regnet": "radosavovic2020regnet",
        "pvt_v2": "wang2022pvtv2",
        "vgg": "simonyan2015vgg",
    },
    "decoder": {
        "unet": "ronneberger2015unet",
        "unetplusplus": "zhou2018unetplusplus",
        "manet": "fan2020manet",
        "linknet": "chaurasia2017linknet",
        "fpn": "kirillov2019fpn",
        "pspnet": "zhao2017pspnet",
        "pan": "li2018pan",
        "deeplabv3": "chen2017deeplabv3",
        "deeplabv3plus": "chen2018deeplabv3plus",
        "upernet": "xiao2018upernet",
        "segformer": "xie2021segformer",
        "dpt": "ranftl2021dpt",
    },
    "loss": {
        "dice": "milletari2016vnet",
        "jaccard": "rahman2016iou",
        "tversky": "salehi2017tversky",
        "mcc": "abhishek2021mcc",
        "focal": "lin2017focal",
        "lovasz": "berman2018lovasz",
    },
    "optimizer": {
        "adamw": "loshchilov2019adamw",
        "adam": "kingma2015adam",
        "nadam": "dozat2016nadam",
        "radam": "liu2020radam",
        "rmsprop": "tieleman2012rmsprop",
        "sgd": "sutskever2013momentum",
        "lamb": "you2020lamb",
        "lion": "chen2023lion",
        "adopt": "taniguchi2024adopt",
    },
    "schedule": {
        "cosine": "loshchilov2017sgdr",
        "cosine_restarts": "loshchilov2017sgdr",
        "one_cycle": "smith2018superconvergence",
        "polynomial": "chen2018deeplab",
    },
    "transform": {
        "Mosaic": "bochkovskiy2020yolov4",
        "CutMix": "yun2019cutmix",
        "CopyPaste": "ghiasi2021copypaste",
    },
    "metric": {
        "iou": "jaccard1912",
        "iou_dataset": "jaccard1912",
        "dice": "dice1945",
        "miou": "everingham2010voc",
        "hd95": "huttenlocher1993hausdorff",
        "boundary_iou": "cheng2021boundary",
        "thresholded_iou": "codella2019isic",
    },
    "source": {"isic2016": "gutman2016isic"},
}


class Citations:
    """Citations of a text; those that were used become its bibliography."""

    def __init__(self) -> None:
        self._entries = _entries()
        self._used: set[str] = set()

    def cite(self, *keys: str) -> str:
        r"""``~\cite{KEYS}``; nothing without keys."""
        unknown = [key for key in keys if key not in self._entries]
        assert not unknown, unknown
        self._used |= {*keys}
        return rf"~\cite{{{','.join(keys)}}}" if keys else ""

    def part(self, kind: str, name: str) -> str:
        """Citation of the publication of a built-in part; nothing if none is known."""
        sources = SOURCES[kind]
        if kind == "encoder":
            starts = [start for start in sources if re.match(rf"{start}(?![a-z])", name)]
            name = max(starts, key=len, default="")
        return self.cite(*([sources[name]] if name in sources else []))

    def has(self, key: str) -> bool:
        """Whether it was cited."""
        return key in self._used

    @property
    def bibliography(self) -> str:
        """BibTeX entries of everything that was cited, by key."""
        return "\n".join(self._entries[key] for key in sorted(self._used))


def _entries() -> dict[str, str]:
    text = files("segkit.analysis.paper").joinpath("references.bib").read_text(encoding="utf-8")
    return {match[2]: match[1] for match in re.finditer(r"(@\w+\{(\w+),\n.*?\n\}\n)", text, re.DOTALL)}
