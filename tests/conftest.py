"""What every test stands on: a home of its own, one thread per process, and no network but this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from hypothesis import settings as hypothesis_settings

from tests.environment import HOME

# The same examples in every run, so that a change that passed does not fail later by chance.
hypothesis_settings.register_profile("same", derandomize=True, database=None)
hypothesis_settings.load_profile("same")


def pytest_configure(config: pytest.Config) -> None:
    """SQLite tests use a file: threads and worker processes then meet the same locks as in a lab."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # logins by the hundred
    # Pages take their files as they are written, without `collectstatic`.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["TEST"] = {**database.get("TEST", {}), "NAME": str(Path(HOME.name) / "test.sqlite3")}

    allow_flushes()


def allow_flushes() -> None:
    """Let the emptying of tables between tests pass where rows are deleted by leave only."""
    from django.db import connection

    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def flush_by_leave(self: Any, statements: list[str]) -> None:
        leave = "INSERT INTO ratings_permit (at) VALUES (CURRENT_TIMESTAMP)"
        last = [text for text in statements if "ratings_permit" in text]
        flush(self, [leave, *(text for text in statements if text not in last), *last])

    operations.execute_sql_flush = flush_by_leave  # type: ignore[method-assign]


def pytest_unconfigure(config: pytest.Config) -> None:
    HOME.cleanup()


class NetworkIsClosed(RuntimeError):
    """A test tried to leave this machine."""


def is_local(address: Any) -> bool:
    if not isinstance(address, tuple):  # a Unix socket
        return True
    host = str(address[0])
    return host in {"localhost", "::1", ""} or host.startswith("127.")


@pytest.fixture(autouse=True, scope="session")
def closed_network() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
    yield
    patch.undo()


def guarded(connect: Any) -> Any:
    def connect_locally(self: socket.socket, address: Any) -> Any:
        if not is_local(address):
            raise NetworkIsClosed(f"{address}: tests reach only this machine")
        return connect(self, address)

    return connect_locally


@pytest.fixture(autouse=True)
def one_torch_thread() -> None:
    """Two processes of tests share two cores; only tests that already loaded torch pay for this."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def collected_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pages' files, as ``collectstatic`` makes it for a server."""
    home = tmp_path_factory.mktemp("collected")
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, "ALMOND_HOME": str(home)},
        check=True,
    )
    return home / "staticfiles"


@pytest.fixture
def experimenter(db: None) -> Any:
    """A person who may do everything in the admin."""
    from accounts.models import User

    return User.objects.create_superuser("experimenter", "experimenter@example.org", "a long enough password")


@pytest.fixture
def staff_client(client: Any, experimenter: Any) -> Any:
    """A browser in which the experimenter is logged in."""
    client.force_login(experimenter)
    return client
