"""Readers of the environment, one for each kind of value: a wrong one is an error that names the variable.

A variable that is empty counts as one that is not set: compose files and shells pass on ``NAME=``.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import shutil
import zoneinfo
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ

from almond.errors import InputError

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")
HOST = re.compile(r"\*|\.?[\w-]+(\.[\w-]+)*\.?|\[[0-9a-f:.]+\]", re.IGNORECASE)
ZONES = Path("/usr/share/zoneinfo")
SQLITE = "django.db.backends.sqlite3"
PATIENCE = 10
"""Seconds for which a database that does not answer is waited for."""


class Environment:
    """The variables that are set, by name."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables

    def text(self, name: str, default: str = "") -> str:
        return self.variables.get(name, "").strip() or default

    def token(self, name: str) -> str:
        """Read a token that goes into a header; empty where unset. It is not repeated in an error."""
        token = self.text(name)
        if not token.isascii() or not token.isprintable() or " " in token:
            raise InputError(name, "is no token", "visible letters and digits without spaces")
        return token

    def program(self, name: str) -> str:
        """A program that can be run, by its name or its path; empty for none."""
        value = self.text(name)
        if value and shutil.which(value) is None:
            raise InputError(name, f"is {value!r}, which cannot be run", "a program, by its name or path")
        return value

    def option(self, name: str, default: str, options: Collection[str]) -> str:
        """Read one of several words."""
        word = self.text(name, default)
        if word not in options:
            raise InputError(name, f"is {word!r}", _either(options))
        return word

    def flag(self, name: str) -> bool:
        """Read yes or no; unset is no."""
        word = self.text(name, FALSE[0])
        if word.lower() not in (*TRUE, *FALSE):
            raise InputError(name, f"is {word!r}", "true or false")
        return word.lower() in TRUE

    def words(self, name: str, default: str = "") -> list[str]:
        """Read words with commas between them."""
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def hosts(self, name: str, default: str) -> list[str]:
        """Read names of this site, as browsers send them; Django compares them without a port."""
        hosts = self.words(name, default)
        for host in hosts:
            if not HOST.fullmatch(host):
                expected = "names such as lab.example.org, without https:// and without a port"
                raise InputError(name, f"holds {host!r}", expected)
        return hosts

    def origins(self, name: str) -> list[str]:
        """Read addresses, of which only scheme, name and port may be there: else browsers' differ."""
        origins = self.words(name)
        for origin in origins:
            try:
                parts = urlsplit(origin)
                good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            except ValueError:
                good = False
            if not good or origin != f"{parts.scheme}://{parts.netloc}" or "@" in origin:
                expected = "addresses such as https://lab.example.org, without a path"
                raise InputError(name, f"holds {origin!r}", expected)
        return origins

    def address(self, name: str, default: str, schemes: Collection[str]) -> str:
        """Read the address of a server; its password is not repeated in an error."""
        address = self.text(name, default)
        try:
            parts = urlsplit(address)
            if parts.scheme in schemes and (parts.port is None or parts.port > 0):
                return address
        except ValueError:  # no number where the port stands
            pass
        raise InputError(name, "is not an address that can be used", f"{_either(schemes)}://host:port")

    def addresses_of_machines(self, name: str) -> list[str]:
        """Read internet addresses of machines, such as 10.0.0.1."""
        addresses = self.words(name)
        for address in addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise InputError(name, f"holds {address!r}", "addresses such as 10.0.0.1 or ::1") from None
        return addresses

    def zone(self, name: str, default: str) -> str:
        """Read a time zone that both Python and the system, whom Django asks, know."""
        zone = self.text(name, default)
        try:
            zoneinfo.ZoneInfo(zone)
            known = (ZONES / zone).is_file() or not ZONES.exists()
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            known = False
        if not known:
            raise InputError(name, f"is {zone!r}", "a time zone such as UTC or Europe/Berlin")
        return zone

    def folder(self, name: str, default: Path) -> Path:
        """Read a folder of ours, which is made where it is missing, and which we must be able to write to."""
        folder = _absolute(name, self.text(name, str(default)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            expected = "a folder, or where one can be made"
            raise InputError(name, f"{folder}: {error.strerror}", expected) from error
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise InputError(name, f"{folder} cannot be written to", "a folder of yours, on a writable disk")
        return folder

    def folders(self, name: str) -> list[Path]:
        """Read folders that are there."""
        folders = [_absolute(name, word) for word in self.words(name)]
        for folder in folders:
            if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
                raise InputError(
                    name, f"{folder} is not a folder that can be read", "folders, separated by commas"
                )
        return folders

    def database(self, name: str, default: Path) -> dict[str, Any]:
        """Read the address of a database, as Django's entry; unset is SQLite in the file ``default``.

        :raises InputError: it is none. The address is not repeated, because a password stands in it.
        """
        url = self.text(name)
        if not url:
            return {"ENGINE": SQLITE, "NAME": str(default)}
        expected = "postgres://user:password@host:5432/name, with other than letters and digits as %XX"
        if url.partition("://")[0] not in ("postgres", "postgresql", "sqlite"):
            raise InputError(name, "is not an address of a database that can be used", expected)
        try:
            database: dict[str, Any] = environ.Env.db_url_config(url)
        except ValueError:
            raise InputError(name, "cannot be taken apart", expected) from None
        if database["NAME"] in ("", ":memory:"):
            raise InputError(name, "names no database", f"{expected}; or sqlite:////folder/file")
        if database["ENGINE"] != SQLITE:
            database["OPTIONS"] = read_options(name, database.get("OPTIONS", {}))
        return database

    def needs(self, name: str, module: str, extra: str) -> None:
        """Make sure that a package is there which a value asks for.

        :raises InputError: it is not.
        """
        if importlib.util.find_spec(module) is None:
            raise InputError(name, f"needs the package {module}", f"pip install almond[{extra}]")


def _absolute(name: str, text: str) -> Path:
    try:
        return Path(text).expanduser().resolve()
    except (OSError, RuntimeError) as error:  # links in a circle, or ~ of nobody
        raise InputError(name, f"{text}: {error}", "a folder") from error


def read_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Check what follows the question mark, and wait for a server only so long."""
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import make_conninfo
    except ImportError as error:
        raise InputError(name, f"needs psycopg ({error})", "pip install almond[postgres]") from error
    try:
        make_conninfo(**options)
    except ProgrammingError as error:
        raise InputError(name, str(error).strip(), "options of PostgreSQL after the question mark") from None
    return {"connect_timeout": PATIENCE, **options}


def _either(words: Collection[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
