"""Tables of measured runs in docs/results.md and the READMEs of plugins.

    python tests/pages/results.py runs/isic_frozen/001 runs/isic_finetune/001 ...

reads run directories into docs/results.json, where they replace former runs of the same recipe, seed and
revision, and renders the tables from it; without arguments it only renders. The table of decoders comes from
the comparison in docs/examples/decoders.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
import statistics
import sys
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parents[2] / "docs"
PLUGINS = DOCS.parent / "plugins"
RECIPES = DOCS.parent / "recipes"
SHOWN = ("iou", "dice", "iou_dataset", "iou_soft", "thresholded_iou", "boundary_iou", "hd95")
# Published tables, and the recipes that follow the published descriptions.
PUBLISHED = {
    "isic_frozen_published": "published_frozen.csv",
    "isic_finetune_published": "published_finetuned.csv",
}


def collect(run: Path) -> dict[str, Any]:
    """The record of one run in results.json."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    recipe = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    written = datetime.fromtimestamp((run / "summary.json").stat().st_mtime, UTC)
    packages = environment["packages"]
    return {
        "recipe": summary["recipe"],
        "seed": recipe["seed"],
        "command": command_of(environment["command"]),
        "date": f"{written:%Y-%m-%d}",
        "machine": f"{environment['processor']}, {summary['device']}, Python {environment['python']}, "
        f"torch {packages['torch']}, timm {packages['timm']}",
        "revision": (environment["git"] or {}).get("revision", "")[:7],
        "images": summary["images"],
        "scores": summary["scores"]["metrics"],
        "epochs_iou": [epoch["iou"] for epoch in epochs],
        "epochs_dice": [epoch["dice"] for epoch in epochs],
        "last_iou": summary["last"]["metrics"]["iou"],
        "best_epoch": summary["best"]["epoch"],
        "epochs": summary["epochs"],
        "minutes": summary["seconds"] / 60,
        "images_per_second": summary["images_per_second"],
        "parameters": summary["parameters"],
        "decoder_parameters": sum(
            stage["parameters"] for stage in summary["stages"] if stage["part"] == "decoder"
        ),
        "published": (summary["reference"] or {}).get("metrics", {}).get("iou"),
        "encoder_unchanged": (summary["frozen_encoder"] or {}).get("unchanged"),
    }


def command_of(arguments: list[str]) -> str:
    """What was typed, without where the run directory went."""
    words = arguments[1:]
    if "--runs" in words:
        at = words.index("--runs")
        words = words[:at] + words[at + 2 :]
    return shlex.join(["segkit", *words])


def tables(results: list[dict[str, Any]]) -> str:
    """Scores and costs of runs as Markdown, one row per recipe: the mean, and with several seeds the SD."""
    scores = [["recipe", "seeds", "published IoU", *SHOWN], ["---"] * (3 + len(SHOWN))]
    costs = [[
        "recipe", "best epoch", "iou of the last epoch", "minutes", "images/s", "parameters", "trainable",
        "encoder unchanged",
    ], ["---"] * 8]  # fmt: skip
    for name, group in groupby(results, key=lambda run: run["recipe"]):
        runs = list(group)
        first, seeds = runs[0], ", ".join(str(run["seed"]) for run in runs)
        published = f"{first['published']:.4f}" if first["published"] else ""
        means = [mean_of([run["scores"][metric] for run in runs]) for metric in SHOWN]
        scores.append([f"`{name}`", seeds, published, *means])
        best = ", ".join(str(run["best_epoch"]) for run in runs)
        unchanged = {True: "yes, by digest", False: "NO", None: ""}[first["encoder_unchanged"]]
        costs.append([
            f"`{name}`", f"{best} of {first['epochs']}", mean_of([run["last_iou"] for run in runs]),
            f"{statistics.mean(run['minutes'] for run in runs):.0f}",
            f"{statistics.mean(run['images_per_second'] for run in runs):.1f}",
            f"{first['parameters']['total']:,}", f"{first['parameters']['trainable']:,}", unchanged,
        ])  # fmt: skip
    ran = sorted({
        f"- {run['date']}, {run['machine']}, revision {run['revision']}: `{run['command']}`"
        for run in results
    })  # fmt: skip
    return "\n\n".join(
        [markdown(scores), markdown(costs), "Commands, dates and machines:\n\n" + "\n".join(ran)]
    )


def mean_of(values: list[float]) -> str:
    """The mean, with the standard deviation of several values."""
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def markdown(rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def beside_published(results: list[dict[str, Any]]) -> str:
    """IoU and Dice of every epoch, published and measured; best epochs in the last row."""
    runs = {name: [run for run in results if run["recipe"] == name] for name in PUBLISHED}
    runs = {name: found for name, found in runs.items() if found}
    published = {
        name: list(csv.DictReader((RECIPES / PUBLISHED[name]).read_text(encoding="utf-8").splitlines()))
        for name in runs
    }
    head = ["epoch", *(f"{name.split('_')[1]}, {metric}{who}" for name in runs for metric in ("iou", "dice")
                       for who in (" published", ""))]  # fmt: skip
    rows = [head, ["---"] * len(head)]
    for epoch in range(max((len(table) for table in published.values()), default=0)):
        row = [str(epoch + 1)]
        for name, found in runs.items():
            for metric in ("iou", "dice"):
                row += [
                    published[name][epoch][metric],
                    mean_of([run[f"epochs_{metric}"][epoch] for run in found]),
                ]
        rows.append(row)
    best = ["best"]
    for name, found in runs.items():
        for metric in ("iou", "dice"):
            best += [f"{max(float(row[metric]) for row in published[name]):.4f}",
                     mean_of([max(run[f"epochs_{metric}"]) for run in found])]  # fmt: skip
    return markdown([*rows, best])


def comparison(results: list[dict[str, Any]]) -> str:
    """A plugin beside what it is compared with."""
    metrics = ("iou", "dice", "boundary_iou", "hd95")
    head = ["recipe", *metrics, "iou of the last epoch", "parameters", "of the decoder"]
    rows = [
        [
            f"`{one['recipe']}`", *(f"{one['scores'][name]:.4f}" for name in metrics),
            f"{one['last_iou']:.4f}", f"{one['parameters']['total']:,}",
            f"{one['decoder_parameters']:,}" if "decoder_parameters" in one else "",
        ]
        for one in results
    ]  # fmt: skip
    return markdown([head, ["---"] * len(head), *rows])


def decoders(document: dict[str, Any]) -> str:
    """The ranking of a comparison with its costs, as Markdown; the name of the common recipe is left out."""
    head = [
        "rank",
        "decoder",
        "iou",
        "95% interval",
        "dice",
        "hd95",
        "parameters",
        "MACs",
        "latency",
        "images/s",
    ]
    rows = []
    for place in document["ranking"]:
        scores, costs = place["metrics"], place["costs"]
        rows.append([
            str(place["rank"]), f"`{place['name'].partition('-')[2]}`", f"{scores['iou']['mean']:.4f}",
            f"{scores['iou']['low']:.4f} to {scores['iou']['high']:.4f}", f"{scores['dice']['mean']:.4f}",
            f"{scores['hd95']['mean']:.2f}", f"{costs['parameters'] / 1e6:.2f} M",
            f"{costs['macs'] / 1e9:.3f} G", f"{costs['latency_ms']:.1f} ms",
            f"{costs['predict_images_per_second']:.0f}",
        ])  # fmt: skip
    table, command = markdown([head, ["---"] * len(head), *rows]), f"`{document['command']}`"
    return f"{table}\n\n{document['costs_measured']} {document['images']} images. {command}"


def rendered_plugin(page: str, results: list[dict[str, Any]]) -> str:
    """A plugin's README with its table made anew: of the recipes that its mark names."""

    def table(found: re.Match[str]) -> str:
        names = found[1].split()
        own = next(run for run in results if run["recipe"] == names[-1])

        def run_of(name: str) -> dict[str, Any]:
            """Of the same revision as the plugin's own run, where there is one."""
            runs = [run for run in results if run["recipe"] == name and run["seed"] == own["seed"]]
            return next((run for run in runs if run["revision"] == own["revision"]), runs[0])

        rows = comparison([run_of(name) for name in names])
        return f"<!-- measured: {found[1]} -->\n{rows}\n<!-- end of measured -->"

    return re.sub(r"<!-- measured: (.*?) -->.*?<!-- end of measured -->", table, page, flags=re.DOTALL)


def rendered(page: str, results: list[dict[str, Any]], comparison: dict[str, Any]) -> str:
    """The page with its tables made anew. A mark names the revisions of its runs, or "earlier" ones."""
    named = {revision for mark in re.findall(r"<!-- measured: (.*?) -->", page) for revision in mark.split()}

    def block(found: re.Match[str]) -> str:
        kind, revisions = found[1], (found[2] or "").split()
        if kind == "decoders":
            text = decoders(comparison)
        else:
            runs = [run for run in results if (run["revision"] in revisions) or
                    (revisions == ["earlier"] and run["revision"] not in named)]  # fmt: skip
            text = tables(runs) if kind == "measured" else beside_published(runs)
        return f"<!-- {found[1]}{': ' + found[2] if found[2] else ''} -->\n{text}\n<!-- end of {kind} -->"

    kinds = "measured|published|decoders"
    return re.sub(rf"<!-- ({kinds})(?:: (.*?))? -->.*?<!-- end of \1 -->", block, page, flags=re.DOTALL)


def main(runs: list[str]) -> None:
    """Read the runs that are named, and render."""
    file, page = DOCS / "results.json", DOCS / "results.md"

    def key(run: dict[str, Any]) -> tuple[str, int, str]:
        return run["recipe"], run["seed"], run["revision"]

    former = {key(run): run for run in json.loads(file.read_text(encoding="utf-8"))}
    results = sorted((former | {key(run): run for run in map(collect, map(Path, runs))}).values(), key=key)
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for readme in PLUGINS.glob("*/README.md"):
        text = readme.read_text(encoding="utf-8")
        readme.write_text(rendered_plugin(text, results), encoding="utf-8")
    comparison = json.loads((DOCS / "examples/decoders/comparison.json").read_text(encoding="utf-8"))
    page.write_text(rendered(page.read_text(encoding="utf-8"), results, comparison), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
