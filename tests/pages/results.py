"""Puts measured runs into results.md and the READMEs of plugins, so that no number in them is typed.

    python tests/pages/results.py runs/isic_frozen/001 runs/isic_finetune/001 ...

reads run directories into results.json, where they take the place of former runs of the same name, and
renders the tables from it; without arguments it renders them again. The table of decoders comes from the
comparison in examples/decoders.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
PLUGINS = DOCS.parent / "plugins"
SHOWN = ("iou", "dice", "iou_dataset", "iou_soft", "thresholded_iou", "boundary_iou", "hd95")


def collect(run: Path) -> dict[str, Any]:
    """What results.md says of one run."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    written = datetime.fromtimestamp((run / "summary.json").stat().st_mtime, UTC)
    packages = environment["packages"]
    return {
        "recipe": summary["recipe"],
        "command": command_of(environment["command"]),
        "date": f"{written:%Y-%m-%d}",
        "machine": f"{environment['processor']}, {summary['device']}, Python {environment['python']}, "
        f"torch {packages['torch']}, timm {packages['timm']}",
        "revision": (environment["git"] or {}).get("revision", "")[:7],
        "images": summary["images"],
        "scores": summary["scores"]["metrics"],
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
    """The scores and the costs, as Markdown."""
    scores = [["recipe", "published IoU", *SHOWN], ["---"] * (2 + len(SHOWN))]
    costs = [
        [
            "recipe",
            "best epoch",
            "iou of the last",
            "minutes",
            "images/s",
            "parameters",
            "of them learning",
            "encoder unchanged",
        ],
        ["---"] * 8,
    ]
    for one in results:
        published = f"{one['published']:.4f}" if one["published"] else ""
        scores.append([f"`{one['recipe']}`", published, *(f"{one['scores'][name]:.4f}" for name in SHOWN)])
        unchanged = {True: "yes, by digest", False: "NO", None: ""}[one["encoder_unchanged"]]
        costs.append([
            f"`{one['recipe']}`", f"{one['best_epoch']} of {one['epochs']}", f"{one['last_iou']:.4f}",
            f"{one['minutes']:.0f}", f"{one['images_per_second']:.1f}",
            f"{one['parameters']['total']:,}", f"{one['parameters']['trainable']:,}", unchanged,
        ])  # fmt: skip
    ran = sorted(
        {
            f"- {one['date']}, {one['machine']}, revision {one['revision']}: `{one['command']}`"
            for one in results
        }
    )
    blocks = ["\n".join(f"| {' | '.join(row)} |" for row in table) for table in (scores, costs)]
    return "\n\n".join([*blocks, "Commands, dates and machines:\n\n" + "\n".join(ran)])


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
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


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
    table = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    command = f"`{document['command']}`"
    return "\n".join([*table, "", f"{document['costs_measured']} {document['images']} images. {command}"])


def rendered_plugin(page: str, results: list[dict[str, Any]]) -> str:
    """A plugin's README with its table made anew: of the recipes that its mark names."""
    by_name = {one["recipe"]: one for one in results}

    def table(found: re.Match[str]) -> str:
        rows = comparison([by_name[name] for name in found[1].split()])
        return f"<!-- measured: {found[1]} -->\n{rows}\n<!-- end of measured -->"

    return re.sub(r"<!-- measured: (.*?) -->.*?<!-- end of measured -->", table, page, flags=re.DOTALL)


def rendered(page: str, results: list[dict[str, Any]], comparison: dict[str, Any]) -> str:
    """The page with its tables made anew."""
    for name, text in (("measured", tables(results)), ("decoders", decoders(comparison))):
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        block = f"{begin}\n{text}\n{end}"
        page = re.sub(f"{begin}.*?{end}", lambda _, block=block: block, page, flags=re.DOTALL)
    return page


def main(runs: list[str]) -> None:
    """Read the runs that are named, and render."""
    file, page = DOCS / "results.json", DOCS / "results.md"
    former = {one["recipe"]: one for one in json.loads(file.read_text(encoding="utf-8"))}
    results = list((former | {one["recipe"]: one for one in map(collect, map(Path, runs))}).values())
    file.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for readme in PLUGINS.glob("*/README.md"):
        text = readme.read_text(encoding="utf-8")
        readme.write_text(rendered_plugin(text, results), encoding="utf-8")
    comparison = json.loads((DOCS / "examples/decoders/comparison.json").read_text(encoding="utf-8"))
    page.write_text(rendered(page.read_text(encoding="utf-8"), results, comparison), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
