"""The pictures of docs/guide.md, made again.

segkit data example lesions
segkit run lesions/recipe.yaml
python tests/pages/guide_pictures.py lesions runs/lesions/001
"""

import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

PICTURES = Path(__file__).parents[2] / "docs" / "guide"
SHOWN = ("lesion_07", "lesion_10", "lesion_12", "lesion_26", "lesion_36")
TILE = 220
GAP = 6
TITLE = 22


def tile(path: Path) -> Image.Image:
    """A picture on a white square, as large as fits."""
    with Image.open(path) as image:
        scale = TILE / max(image.size)
        small = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)))
    square = Image.new("RGB", (TILE, TILE), "white")
    square.paste(small, ((TILE - small.width) // 2, (TILE - small.height) // 2))
    return square


def sheet(rows: list[list[Path]], titles: list[str] | None = None) -> Image.Image:
    """Rows of pictures, with titles above the columns."""
    top = TITLE if titles else 0
    step = TILE + GAP
    page = Image.new("RGB", (step * len(rows[0]) - GAP, top + step * len(rows) - GAP), "white")
    for column, title in enumerate(titles or []):
        ImageDraw.Draw(page).text((column * step + 2, 2), title, "black", ImageFont.load_default(14))
    for row, paths in enumerate(rows):
        for column, path in enumerate(paths):
            page.paste(tile(path), (column * step, top + row * step))
    return page


def main(example: Path, run: Path, outlines: Path) -> None:
    """Write all pictures beside this file."""
    photos = [example / "photos" / f"{name}.jpg" for name in SHOWN]
    masks = [example / "masks" / f"{name}.png" for name in SHOWN]
    sheet([photos, masks]).save(PICTURES / "photographs.jpg", quality=85)

    samples = json.loads((run / "samples" / "samples.json").read_text(encoding="utf-8"))
    kinds = ("image", "truth", "prediction", "overlay")
    rows = [[run / "samples" / f"{number}_{kind}.png" for kind in kinds] for number in (1, 3, len(samples))]
    titles = ["photograph", "your outline", "the model's", "both"]
    sheet(rows, titles).save(PICTURES / "samples.jpg", quality=85)

    overlays = sorted((outlines / "overlays").glob("*.jpg"))
    sheet([overlays[:3], overlays[3:]]).save(PICTURES / "overlays.jpg", quality=85)

    with Image.open(run / "curves.png") as curves:
        small = curves.convert("RGB")
    small.thumbnail((1000, 1000))
    small.quantize(64).save(PICTURES / "curves.png", optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
