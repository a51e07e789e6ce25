"""Pages of the site that are made from the code, and what the pages of docs/ need to be pages of the site."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic_core import PydanticUndefined

from segkit.cli.console.format import format_value
from segkit.core.registry import REGISTRIES, Entry, Registry, first_paragraph, meanings_of
from segkit.recipe import Recipe
from segkit.recipe.part_schema import PARTS, Part
from segkit.recipe.schema import Settings
from segkit.recipe.type_names import in_words

DOCS = Path(__file__).parent
ROOT = DOCS.parent
GENERATED = DOCS / "generated"  # ignored by git
LINK = re.compile(r"\]\((?!\w+:)([^)\s#]+)(#[^)\s]*)?\)")
NAMED_BLOCK = re.compile(r"^```(\w+) (\S+)$", re.MULTILINE)
# Pages beside docs/ that are pages of the site too, by the file that they are made from.
OUTSIDE = {
    **{path: f"plugins/{path.parent.name}.md" for path in sorted(ROOT.glob("plugins/*/README.md"))},
    **{path: f"project/{path.parent.name}.md" for path in sorted(ROOT.glob("tests/*/README.md"))},
    **{path: f"project/{path.name}" for path in sorted(ROOT.glob("*.md")) if path.name != "README.md"},
}


def write() -> None:
    """Write all pages into `GENERATED`; a page that is there and has not changed is left alone."""
    pages = dict(_pages())
    if GENERATED.is_dir():
        for path in sorted(GENERATED.rglob("*.md")):
            if path.relative_to(GENERATED).as_posix() not in pages:
                path.unlink()
    for name, text in pages.items():
        path = GENERATED / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def adapted(text: str, file: Path) -> str:
    """A page as the site shows it: README's text where it is asked for, links and names of files.

    Args:
        text: Markdown.
        file: file that the links in it are relative to.
    """
    readme = ROOT / "README.md"
    if "<!-- README -->" in text:
        start, _, _ = readme.read_text(encoding="utf-8").partition("## Documentation\n")
        text = text.replace("<!-- README -->", adapted(start, readme))
    if GENERATED not in file.parents:
        text = LINK.sub(lambda link: f"]({_on_site(link[1], file)}{link[2] or ''})", text)
    return NAMED_BLOCK.sub(r"```{code-block} \1\n:caption: \2\n", text)


def _on_site(target: str, file: Path) -> str:
    """The target of a link, from the root of the site."""
    if target.startswith("/"):  # a link in README, which is adapted already
        return target
    path = Path(os.path.normpath(file.parent / target))
    if path.is_dir():
        path /= "README.md"
    page = GENERATED / OUTSIDE[path] if path in OUTSIDE else path
    return "/" + Path(os.path.relpath(page, DOCS)).as_posix()


def _pages() -> Iterator[tuple[str, str]]:
    for file, page in OUTSIDE.items():
        yield page, adapted(file.read_text(encoding="utf-8"), file)
    yield (
        "plugins/index.md",
        _contents("Example plugins", [path.parent.name for path in ROOT.glob("plugins/*/README.md")]),
    )
    yield "parts/index.md", _contents("All parts", [registry.plural for registry in REGISTRIES.values()])
    for registry in REGISTRIES.values():
        yield f"parts/{registry.plural}.md", _parts(registry)
    yield "recipe_keys.md", _recipe_keys()
    yield "command_line.md", _command_line()


def _contents(title: str, pages: list[str]) -> str:
    return "\n".join([f"# {title}\n", "```{toctree}", ":maxdepth: 2\n", *sorted(pages), "```\n"])


def _parts(registry: Registry) -> str:
    kind, article = registry.kind, "an" if registry.kind[0] in "aeiou" else "a"
    page = [
        f"# {registry.plural.capitalize()}",
        f"What a recipe can name as {article} {kind}, with options. `segkit show {kind} NAME` prints the "
        "same, also for parts of plugins.",
    ]
    part = next(part for part in PARTS.values() if part.kind == kind)
    if own := _keys(part, skipped="name"):
        page += [f"Keys of every {kind}, beside its own options:", own]
    page += [_section([entry.name], entry) for entry in registry.own()]
    for family in registry.families:
        alike: dict[str, tuple[list[str], Entry]] = {}
        for name in sorted(family.names()):
            entry = family.entry(name)
            assert entry, name
            alike.setdefault(f"{entry.summary} {entry.options}", ([], entry))[0].append(name)
        page += [f"## {family.title.capitalize()}"] * (len(alike) > 1)
        for names, entry in alike.values():
            page.append(_section(names, entry, title=family.title, level="###" if len(alike) > 1 else "##"))
    return "\n\n".join(page) + "\n"


def _section(names: list[str], entry: Entry, *, title: str = "", level: str = "##") -> str:
    rows = [
        (
            f"`{option.name}`",
            _prose(in_words(option.annotation) or "anything"),
            "required" if option.required else f"`{format_value(option.default)}`",
            _prose(option.meaning),
        )
        for option in entry.options.values()
    ]
    several = len(names) > 1
    text = [
        f"{level} {title}" if several else f"{level} {names[0]}",
        _prose(entry.summary),
        _table(rows) if rows else "It has no options.",
        f"{len(names):,} names: {', '.join(f'`{name}`' for name in names)}" if several else "",
    ]
    return "\n\n".join(filter(None, text))


def _recipe_keys() -> str:
    page = [
        "# Keys of a recipe",
        "Every key with its type, default and meaning. [Recipes](../recipes.md) explains how they are "
        "written; `segkit schema` prints the same for editors, as a JSON Schema.",
    ]
    return "\n\n".join([*page, *_sections(Recipe, "")]) + "\n"


def _sections(model: type[Settings], path: str) -> Iterator[str]:
    text = [f"## {path or 'recipe'}", _prose(first_paragraph(model.__doc__ or "")), _keys(model)]
    yield "\n\n".join(filter(None, text))
    for name, field in model.model_fields.items():
        for inner in _models(field.annotation):
            if not issubclass(inner, Part):
                yield from _sections(inner, f"{path}.{name}".lstrip("."))


def _models(annotation: Any) -> Iterator[type[Settings]]:
    """Sections and parts of recipes in a type."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _keys(model: type[Settings], skipped: str = "") -> str:
    meanings = meanings_of(inspect.getdoc(model) or "")
    rows = []
    for name, field in model.model_fields.items():
        if name == skipped:
            continue
        default = field.get_default(call_default_factory=True)
        shown = "" if isinstance(default, Settings) else f"`{format_value(default)}`"
        kinds = [_type_of(inner, field.annotation, name) for inner in _models(field.annotation)]
        rows.append((
            f"`{name}`",
            " or ".join(kinds) or _prose(in_words(field.rebuild_annotation())),
            "required" if default is PydanticUndefined else shown,
            _prose(meanings.get(name, "")),
        ))  # fmt: skip
    return _table(rows) if rows else ""


def _type_of(inner: type[Settings], annotation: Any, name: str) -> str:
    if not issubclass(inner, Part):
        return "section below"
    plural = REGISTRIES[inner.kind].plural
    shown = plural if inner is not annotation else inner.kind
    return f"[{shown}](parts/{plural}.md)"


def _command_line() -> str:
    """What typer makes of the commands' help; its lists of commands get links and whole sentences."""
    command = [sys.executable, "-m", "typer", "segkit.cli", "utils", "docs", "--name", "segkit"]
    environment = {**os.environ, "NO_COLOR": "1"}
    page = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    _, *parts = re.split(r"^(#+ )`(.+)`\n\n", page, flags=re.MULTILINE)
    helps = dict(zip(parts[1::3], parts[2::3], strict=True))

    def listed(name: str, command: str) -> str:
        sentence, _, _ = helps[f"{name} {command}"].partition("\n")
        return f"* [`{command}`](#{f'{name} {command}'.replace(' ', '-')}): {sentence}"

    return "".join(
        f"{level}{name if ' ' in name else 'Command line'}\n\n"
        + re.sub(
            r"^\* `([a-z][a-z-]*)`: .*$",
            lambda line, name=name: listed(name, line[1]),
            text,
            flags=re.MULTILINE,
        )
        for level, name, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    )


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    head = ("name", "type", "default", "meaning")
    lines = [head, ("---",) * len(head), *(tuple(cell.replace("|", r"\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _prose(text: str) -> str:
    """Text of a docstring as Markdown, of which it uses only `code` and ``code``."""
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_\[\]<>#])", r"\\\1", part)
        for part in re.split(r"(`[^`]+`|``.+?``)", text)
    )
