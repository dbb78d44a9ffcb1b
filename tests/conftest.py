"""What every test stands on: a home of its own, one thread per process, and no network but this machine."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from hypothesis import settings as hypothesis_settings

from almond.files.writing import locked
from config.environment import SQLITE
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
    if database["ENGINE"] == SQLITE:
        database["TEST"] = {**database.get("TEST", {}), "NAME": str(Path(HOME.name) / "test.sqlite3")}

    allow_flushes()


def pytest_collection_finish() -> None:
    """Collect garbage from here on, except among what the imports have left."""
    gc.enable()
    gc.freeze()


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


BLANK = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>\n'


@contextmanager
def figures_left_blank() -> Iterator[None]:
    """Write reports whose figures are made but not drawn, which takes half the time of a report."""
    with (
        mock.patch("almond.report.write.svg_of", return_value=BLANK),
        mock.patch("almond.report.write.png_of", return_value=b""),
    ):
        yield


@pytest.fixture
def blank_figures() -> Iterator[None]:
    """For tests of what a report says; others draw the same figures."""
    with figures_left_blank():
        yield


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of the tests see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def made_once(folder: Path, *words: str) -> Path:
    """The lab's folder in which a command of ``manage.py`` has run, by whichever process came first."""
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            scratch = folder.with_suffix(".partial")
            (scratch / "staticfiles").mkdir(parents=True, exist_ok=True)
            inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
            subprocess.run(
                [sys.executable, "manage.py", *words, "--verbosity", "0"],
                cwd=Path(__file__).resolve().parent.parent,
                env={**inherited, "ALMOND_HOME": str(scratch)},
                check=True,
            )
            scratch.rename(folder)
    return folder


@pytest.fixture(scope="session")
def schema(shared_folder: Path) -> Path:
    """An SQLite database in which every migration was applied, and nothing else happened: to be copied."""
    return made_once(shared_folder / "schema", "migrate") / "db.sqlite3"


@pytest.fixture(scope="session")
def collected_files(shared_folder: Path) -> Path:
    """The folder of the pages' files, as ``collectstatic`` makes it for a server: to be read or copied."""
    return made_once(shared_folder / "collected", "collectstatic", "--noinput") / "staticfiles"


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Take the SQLite database that is there; ``migrate`` then finds nothing to do."""
    return settings.DATABASES["default"]["ENGINE"] == SQLITE


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    database = settings.DATABASES["default"]
    if database["ENGINE"] == SQLITE:
        shutil.copyfile(request.getfixturevalue("schema"), database["TEST"]["NAME"])


@pytest.fixture(scope="module")
def module_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Rows of a module-scoped fixture: every test starts from them, and they go when the module ends.

    Each test's own transaction is a savepoint inside this one, so what a test changes is taken back. Such a
    fixture hands on primary keys, from which each test reads rows of its own.
    """
    from django.db import transaction

    with django_db_blocker.unblock():
        block = transaction.atomic()
        block._from_testcase = True  # type: ignore[attr-defined]  # durable blocks may open within it
        with block:
            yield
            transaction.set_rollback(True)


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
