"""The methods section says what was recorded, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from segkit.recipe.postprocess_settings import PostprocessSettings
from tests.analysis.paper.cases import methods, subject


def test_a_plain_run() -> None:
    text, cited, entries = methods(subject())
    assert cited == entries
    for sentence in (
        r"Images and masks came from \texttt{isic2016}~\cite{gutman2016isic}.",
        "Each pixel was assigned to the foreground (lesion) or the background.",
        "700 images were used for training, 200 for validation and 329 for testing.",
        "This division is that of the source.",
        r"Images were resized to 128 $\times$ 160 pixels (height $\times$ width), whatever their "
        "aspect ratio.",
        "Training images were not augmented.",
        r"The encoder was \texttt{resnet18}~\cite{he2016resnet} of timm~\cite{wightman2019timm}, with the "
        r"pretrained weights \texttt{imagenet}~\cite{deng2009imagenet}; its learning rate was 0.3 "
        "times that of "
        "the other parts.",
        r"The decoder was \texttt{unet}~\cite{ronneberger2015unet} of "
        r"segmentation-models-pytorch~\cite{iakubovskii2019smp}.",
        "The model has 14.30 million parameters.",
        r"The loss was the sum of \texttt{dice}~\cite{milletari2016vnet} and 0.5 times \texttt{bce}.",
        r"The optimizer was \texttt{adamw}~\cite{loshchilov2019adamw} with a learning rate of 0.001 "
        "and a weight "
        "decay of 0.05.",
        "Training took 20 epochs with batches of 16 images.",
        "The weights of the epoch with the highest IoU on the validation images are the result.",
        r"Scores were calculated on 329 test images of 128 $\times$ 160 pixels, without test-time "
        "augmentation: "
        r"IoU~\cite{jaccard1912}.",
        r"The software was segkit 0.1.0, PyTorch 2.11.0~\cite{paszke2019pytorch}, timm 1.0.20 and "
        "Python 3.11.7.",
        "Training ran on cpu, 2 threads.",
    ):
        assert sentence in text
    assert "optimistic" not in text
    assert "someone" not in text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": {"source": {"name": "synthetic_lesions"}}}, "Images and masks were drawn by a program."),
        (
            {"results": {"scored_on": "test", "images": {"train": 900, "test": 329}}},
            "The final scores are those of the same test images on which the epoch was chosen, so they are "
            "optimistic.",
        ),
        (
            {"results": {"select": "last"}},
            "The weights of the last epoch are the result: no epoch was chosen by a score.",
        ),
        (
            {"results": {"status": "stopped", "epochs": 7}},
            "Training took 7 epochs with batches of 16 images; it was stopped before the 20 epochs "
            "of the recipe "
            "were done.",
        ),
        (
            {"results": {"epochs": 12}, "training": {"early_stopping_epochs": 5}},
            "it ended early after 5 epochs without a better score, and at the latest after 20 epochs.",
        ),
        (
            {"results": {"validate_windows": 40}},
            "with the highest IoU on 40 windows of the validation images",
        ),
        (
            {"data": {"split": {"by": "fraction", "val": 0.2, "seed": 3, "group": "/x/patients.csv"}}},
            "Of the training images of the source, a share of 0.2 for validation was drawn at random "
            "(seed 3). "
            r"Images of the same group (\texttt{patients.csv}) were kept together.",
        ),
        (
            {"data": {"split": {"by": "kfold", "folds": 5, "fold": 1, "seed": 0}}},
            "divided at random (seed 0) into 5 parts, of which part 2 was used for validation.",
        ),
        (
            {
                "data": {"split": {"by": "kfold", "folds": 5, "fold": 0}},
                "results": {"reported_on": "out-of-fold", "images": {"out-of-fold": 900}},
            },
            "In a 5-fold cross-validation, 900 images were divided at random (seed 0) into 5 folds; "
            "the images of "
            "each fold were scored by models that were trained on the other folds.",
        ),
        (
            {"results": {"left_out": 2100}, "data": {"fraction": 0.25, "fraction_seed": 1}},
            "Training used 700 of 2,800 training images, drawn at random (seed 1).",
        ),
        (
            {"data": {"task": "multiclass", "classes": ["sky", "car_1"], "ignore_index": 255}},
            r"Each pixel was assigned to one of 2 classes (sky and car\_1); pixels that are marked as "
            "ignored were "
            "left out of losses and scores.",
        ),
        (
            {"data": {"fit": "crop", "scale": 0.5, "crop": {"overlap": 0.25}}},
            "Images were scaled by 0.5; the model was trained on windows of",
        ),
        (
            {"data": {"range": [0, 4095], "normalize": {"mean": 0.5, "std": [0.2, 0.25]}}},
            "Pixel values from 0 to 4095 were scaled to 0 to 1. Channels were normalised with a mean "
            "of 0.5 and a "
            "standard deviation of 0.2 and 0.25.",
        ),
        (
            {"data": {"augment": [{"name": "CutMix", "p": 0.5}, {"name": "Rotate", "p": 1.0}]}},
            r"augmented by \texttt{Cut\allowbreak{}Mix}~\cite{yun2019cutmix} (probability 0.5) and "
            r"\texttt{Rotate} "
            r"(probability 1), with Albumentations~\cite{buslaev2020albumentations}.",
        ),
        (
            {"data": {"augment": [{"name": "Rotate", "limit": [-15.0, 15.0], "fill": 0.0, "p": 0.5}]}},
            r"augmented by \texttt{Rotate} (probability 0.5, \texttt{limit} [-15, 15]), with Albumentations",
        ),
        (
            {"loss": [{"name": "tversky", "gamma": 0.75, "smooth": 0.0, "weight": 2}]},
            r"The loss was 2 times \texttt{tversky}~\cite{salehi2017tversky}~\cite{abraham2019focaltversky} "
            r"(\texttt{gamma} 0.75).",
        ),
        (
            {"model": {"decoder": {"name": "unet", "channels": [64, 32], "attention": "scse"}}},
            r"with channel and spatial attention~\cite{roy2018scse} (\texttt{channels} [64, 32]).",
        ),
        (
            {"model": {"decoder": {"name": "mine", "width": 8, "bias": None}}},
            r"The decoder was \texttt{mine} (\texttt{width} 8, \texttt{bias} none).",
        ),
        (
            {"optimizer": {"name": "adamw", "lr": 0.1, "weight_decay": 0.01, "betas": [0.8, 0.999]}},
            r"with a learning rate of 0.1 and a weight decay of 0.01 (\texttt{betas} [0.8, 0.999]).",
        ),
        (
            {"model": {"encoder": {"name": "resnet18", "weights": "none"}, "decoder": {"name": "unet"}}},
            "with random initial weights.",
        ),
        (
            {"results": {"postprocess": PostprocessSettings(keep_largest=True)}},
            "Scores are those of masks without post-processing, unless they are called post-processed.",
        ),
    ],
)  # fmt: skip
def test_what_differs_is_said(changes: dict[str, Any], sentence: str) -> None:
    text, cited, entries = methods(subject(**changes))
    assert sentence in text
    assert cited == entries


def test_an_arrangement_of_files_is_no_data_set() -> None:
    text, _, _ = methods(subject(data={"source": {"name": "folder", "images": "images"}}))
    assert r"\paragraph{Data.}" + "\nEach pixel was assigned" in text


def test_a_part_of_a_plugin_is_named_and_not_cited() -> None:
    plugin = {"name": "mine", "path": "mine.py", "digest": "0", "parts": ["decoder unet"]}
    text, cited, entries = methods(subject(environment={"plugins": [plugin]}))
    assert r"The decoder was \texttt{unet}." in text
    assert "ronneberger2015unet" not in cited
    assert cited == entries


def test_what_models_share_is_said_once_and_what_not_with_their_names() -> None:
    fpn = subject("f_pn", model={"decoder": {"name": "fpn"}})
    text, cited, entries = methods(subject("unet"), subject("unet 2", seeds=(0,)), fpn)
    assert text.count("The encoder was") == text.count("The optimizer was") == 1
    assert r"For \emph{unet} and \emph{unet 2}: The decoder was \texttt{unet}" in text
    assert r"For \emph{f\_pn}: The decoder was \texttt{fpn}~\cite{kirillov2019fpn}" in text
    assert cited == entries


def test_what_was_not_recorded_is_left_out() -> None:
    bare = subject(environment={"packages": {}, "python": "", "device": ""}, results={"parameters": {}})
    bare.recipe.clear()  # type: ignore[attr-defined]
    text, cited, entries = methods(bare)
    assert cited == entries
    for word in ("encoder", "optimizer", "loss", "None", "software", "parameters"):
        assert word not in text
