"""URLs of the storage of a search, whose passwords are shown nowhere."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from segkit.core.errors import SegkitError, worded

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SECRET_OPTIONS = ("password", "sslpassword")
# Texts of a database without an encoding (SQL_ASCII) would be bytes.
_OPTIONS = {"client_encoding": "utf8", "connect_timeout": "10"}
_FORMS = "sqlite:///FILE, or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True)
class StorageUrl:
    """A checked URL.

    Args:
        url: what the database is opened with.
        shown: the same for messages and files, without user, password and options.
        file: the file, with SQLite.
        secrets: passwords in it, as they are and as they are written in a URL.
    """

    url: str = field(repr=False)
    shown: str
    file: Path | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def without_secrets(self, text: str) -> str:
        """A text in which every password of the URL is ***."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def sqlite_storage(file: Path) -> StorageUrl:
    """The storage in an SQLite file."""
    return StorageUrl(f"sqlite:///{file}", str(file), file)


def parse_storage(text: str) -> StorageUrl:
    """A storage from ``--storage``: a file of SQLite or a database of PostgreSQL.

    ``${NAME}`` is replaced by the environment variable; one that is a password needs no escapes.

    Raises:
        SegkitError: if it is neither, or a variable is not set.
    """
    if whole := _VARIABLE.fullmatch(text):
        text = _variable(whole)
    scheme, separator, _ = text.partition("://")
    if scheme == "sqlite" or not separator:
        file = text.removeprefix("sqlite:///") if separator else text
        if not file or file.startswith(("sqlite:", ":memory:")):
            raise _error("this names no file, in which a search could be kept", "sqlite:///search.sqlite3")
        return sqlite_storage(Path(_VARIABLE.sub(_variable, file)).expanduser())
    if scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise _error(f"{scheme}: is no storage of segkit tune", _FORMS)
    return _postgresql(text.partition("://")[2])


def _postgresql(rest: str) -> StorageUrl:
    try:
        parts = urlsplit(f"postgresql://{rest}")
        if "@" in parts.path or ("@" in rest and "@" not in parts.netloc):
            raise ValueError("a password with a / or a ?")
        host, port = _VARIABLE.sub(_variable, parts.hostname or ""), parts.port
        user, password = (_plain(part) for part in (parts.username, parts.password))
    except ValueError:  # its text may hold pieces of a password
        hint = f"{_FORMS}; in a user or a password write @ as %40, / as %2F, : as %3A"
        raise _error("the URL cannot be read", hint) from None
    database = _VARIABLE.sub(_variable, unquote(parts.path.removeprefix("/")))
    options = [(name, _VARIABLE.sub(_variable, value)) for name, value in parse_qsl(parts.query)]
    secrets = [password, *(value for name, value in options if name in _SECRET_OPTIONS)]
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port else ""
    account = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    url = (
        f"{account and account + '@'}{place}/{quote(database, safe='')}?{urlencode(_OPTIONS | dict(options))}"
    )
    spellings = {spelling for secret in secrets if secret for spelling in (secret, quote(secret, safe=""))}
    if parts.password and not _VARIABLE.search(unquote(parts.password)):
        spellings.add(parts.password)
    return StorageUrl(
        f"postgresql+psycopg://{url}",
        f"postgresql://{place}/{database}",
        secrets=tuple(sorted(spellings, key=len, reverse=True)),
    )


def _plain(part: str | None) -> str:
    """A user or a password as it is: one from a variable is taken literally."""
    if variable := _VARIABLE.fullmatch(unquote(part or "")):
        return _variable(variable)
    return unquote(part or "")


def _variable(name: re.Match[str]) -> str:
    value = os.environ.get(name[1])
    if not value:
        raise _error(f"the environment variable {name[1]} is not set", f"export {name[1]}=...")
    return value


def _error(problem: str, hint: str) -> SegkitError:
    return SegkitError(problem, where=worded("--storage", "storage"), hint=hint)
