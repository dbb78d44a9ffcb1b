"""How the site starts where something is wrong: one line that names the setting or the file.

Settings are read here as Django reads them; the circumstances that only a process meets are met by
``scripts/run.py`` itself. The marker file ``example-lab.built`` keeps it from building an example lab.
"""

from __future__ import annotations

import os
import re
import resource
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from almond.errors import InputError
from almond.files.writing import locked
from config.secret_key import read_secret_key
from scripts import vendor_js

SETTINGS = Path(settings.BASE_DIR) / "config" / "settings.py"
READ = re.compile(r'\benv\.\w+\(\s*"([A-Z_]+)"')
PASSWORD = "a-password-of-the-lab"

WRONG: tuple[tuple[str, str], ...] = (
    ("ALMOND_HOME", "{file}"),
    ("ALMOND_HOME", "{file}/below"),
    ("ALMOND_HOME", "~nobody-of-this-name/lab"),
    ("ALMOND_HOME", "{folder}/" + 300 * "a"),
    ("ALMOND_DATA_ROOTS", "{folder},{folder}/missing"),
    ("ALMOND_DATA_ROOTS", "{file}"),
    ("DATABASE_URL", "abc"),
    ("DATABASE_URL", "mysql://lab:" + PASSWORD + "@127.0.0.1/lab"),
    ("DATABASE_URL", "postgres://lab:" + PASSWORD + "@127.0.0.1:port/lab"),
    ("DATABASE_URL", "postgres://lab:" + PASSWORD + "/1@127.0.0.1:5432/lab"),
    ("DATABASE_URL", "postgres://lab:" + PASSWORD + "@127.0.0.1:5432"),
    ("DATABASE_URL", "postgres://lab:" + PASSWORD + "@127.0.0.1/lab?speed=high"),
    ("DATABASE_URL", "postgres://[::1/lab"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite://:memory:"),
    ("ALMOND_SECRET_KEY", "short"),
    ("ALMOND_HOSTS", "https://lab.example.org"),
    ("ALMOND_HOSTS", "lab.example.org:8000"),
    ("ALMOND_HOSTS", "lab.example.org lab2.example.org"),
    ("ALMOND_ORIGINS", "lab.example.org"),
    ("ALMOND_ORIGINS", "https://lab.example.org/"),
    ("ALMOND_ORIGINS", "https://lab.example.org:port"),
    ("ALMOND_ORIGINS", "https://"),
    ("ALMOND_PROXIES", "lab.example.org"),
    ("ALMOND_PROXIES", "10.0.0.1:80"),
    ("ALMOND_RECRUITMENT_KEY", "short"),
    ("ALMOND_HTTPS", "yse"),
    ("ALMOND_DEBUG", "2"),
    ("ALMOND_TIME_ZONE", "Mars"),
    ("ALMOND_TIME_ZONE", "Europe"),
    ("ALMOND_TIME_ZONE", "../../../etc/passwd"),
    ("ALMOND_TIME_ZONE", "zone.tab"),
    ("ALMOND_LOG_LEVEL", "LOUD"),
    ("ALMOND_JOBS", "abc"),
    ("ALMOND_BROKER", "127.0.0.1:6379"),
    ("ALMOND_BROKER", "redis://:" + PASSWORD + "@127.0.0.1:port/0"),
    ("ALMOND_BROKER", "http://127.0.0.1"),
    ("ALMOND_PROLIFIC_TOKEN", PASSWORD + " and more"),
    ("ALMOND_PROLIFIC_SECRET", PASSWORD + "\u00e4"),
    ("ALMOND_PROLIFIC_API", "api.prolific.com"),
    ("ALMOND_PROLIFIC_APP", "ftp://app.prolific.com"),
    ("ALMOND_CHROMIUM", "{folder}/chromium"),
    ("ALMOND_CHROMIUM", "{file}"),
)


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Read the settings with these variables alone."""
    (tmp_path / "file").write_bytes(b"")

    def read_settings(**variables: str) -> dict[str, Any]:
        for name in READ.findall(SETTINGS.read_text()):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"ALMOND_HOME": "{folder}/home", **variables}.items():
            text = value.replace("{file}", str(tmp_path / "file")).replace("{folder}", str(tmp_path))
            monkeypatch.setenv(name, text)
        return runpy.run_path(str(SETTINGS))

    return read_settings


def test_every_setting_is_tried_with_a_wrong_value() -> None:
    assert {name for name, _ in WRONG} == set(READ.findall(SETTINGS.read_text()))


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_named_in_one_line(
    name: str, value: str, read: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(InputError) as caught:
        read(**{name: value})
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert "(expected " in text
    assert "\n" not in text
    assert PASSWORD not in text


@pytest.mark.parametrize(
    ("variables", "name", "value"),
    [
        ({"ALMOND_HTTPS": "True"}, "HTTPS", True),
        ({"ALMOND_HTTPS": "off"}, "HTTPS", False),
        ({"ALMOND_DEBUG": ""}, "DEBUG", False),
        ({"ALMOND_HOSTS": ""}, "ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"]),
        ({"ALMOND_HOSTS": "*, .example.org"}, "ALLOWED_HOSTS", ["*", ".example.org"]),
        (
            {"ALMOND_ORIGINS": "https://*.example.org,http://[::1]:8000"},
            "CSRF_TRUSTED_ORIGINS",
            [
                *("https://*.example.org", "http://[::1]:8000"),
                *("http://localhost", "http://127.0.0.1", "http://[::1]"),
            ],
        ),
        ({"ALMOND_TIME_ZONE": "Europe/Berlin"}, "TIME_ZONE", "Europe/Berlin"),
        ({"ALMOND_BROKER": "rediss://:x@host:6379/0"}, "CELERY_BROKER_URL", "rediss://:x@host:6379/0"),
        ({"ALMOND_JOBS": "inline"}, "JOBS_DISPATCHER", "inline"),
    ],
)
def test_right_values_are_taken(
    variables: Mapping[str, str], name: str, value: object, read: Callable[..., dict[str, Any]]
) -> None:
    assert read(**variables)[name] == value


def test_a_folder_of_any_name_holds_the_database(tmp_path: Path, read: Callable[..., dict[str, Any]]) -> None:
    home = read(ALMOND_HOME="{folder}/50% of a lab? #1")
    assert home["DATABASES"]["default"]["NAME"] == str(tmp_path / "50% of a lab? #1" / "db.sqlite3")


def test_an_address_of_postgresql_is_taken_apart(read: Callable[..., dict[str, Any]]) -> None:
    database = read(DATABASE_URL="postgres://lab:a%23b@host:5433/study?sslmode=require")["DATABASES"][
        "default"
    ]
    assert [database[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
        "study", "lab", "a#b", "host", 5433,
    ]  # fmt: skip
    prepared = {"server_side_binding": True, "prepare_threshold": 3}
    assert database["OPTIONS"] == {"connect_timeout": 10, "sslmode": "require", **prepared}


@pytest.mark.parametrize("content", [None, b"", b" \n", bytes(67)], ids=["none", "empty", "blank", "zeros"])
def test_a_key_that_was_never_written_is_made_anew(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret_key"
    if content is not None:
        path.write_bytes(content)
    key = read_secret_key("", path)
    assert len(key) >= 40
    assert read_secret_key("", path) == key == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"abc", bytes(range(1, 90)), "ä".encode() * 50])
def test_a_damaged_key_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret_key"
    path.write_bytes(content)
    with pytest.raises(InputError, match="secret_key: is no secret key"):
        read_secret_key("", path)
    assert path.read_bytes() == content


def test_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.write_bytes(b"")
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: read_secret_key("", path), range(32)))
    assert keys == {path.read_text()}


def test_broken_page_files_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "jspsych.js"
    path.symlink_to(tmp_path / "gone")
    assert vendor_js.broken(tmp_path) == [path]
    path.unlink()
    path.write_bytes(b"")
    assert vendor_js.broken(tmp_path) == [tmp_path / name for name in vendor_js.FILES]


# ── processes


def environment(**variables: str) -> dict[str, str]:
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("ALMOND_", "DATABASE_"))
    }
    return {**ours, "DJANGO_SETTINGS_MODULE": "config.settings", "PORT": "8390", **variables}


def run(*words: str, limit: int | None = None, **variables: str) -> tuple[int, str]:
    """Run a program of ours to its end; returns its status and what it told on standard error.

    :param limit: bytes beyond which no file of it may grow, as on a full disk.
    """

    def allow() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        words or (sys.executable, "scripts/run.py"),
        cwd=settings.BASE_DIR,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=allow,
    )
    return done.returncode, done.stderr


def lab(folder: Path) -> Path:
    folder.mkdir()
    (folder / "example-lab.built").touch()
    return folder


def migrated(folder: Path, *rows: tuple[str, str]) -> Path:
    """A lab whose database says that these migrations were applied."""
    with sqlite3.connect(lab(folder) / "db.sqlite3") as database:
        database.execute("CREATE TABLE django_migrations (id INTEGER PRIMARY KEY, app, name, applied)")
        for app, name in rows:
            database.execute("INSERT INTO django_migrations (app, name) VALUES (?, ?)", (app, name))
    database.close()
    return folder


def corrupt(folder: Path) -> Path:
    (lab(folder) / "db.sqlite3").write_bytes(b"no database" * 1000)
    return folder


def circumstances(folder: Path) -> dict[str, tuple[dict[str, Any], str]]:
    """What is wrong -> the variables, and what the line begins with."""
    home, short = lab(folder / "home"), lab(folder / "short")
    (short / "secret_key").write_text("short")
    (folder / "file").write_bytes(b"")
    newer = migrated(folder / "newer", ("studies", "9999_later"))
    full, fuller = lab(folder / "full"), lab(folder / "fuller")
    refused = "DATABASE_URL: connection failed: connection to server at"
    return {
        "time zone": ({"ALMOND_HOME": home, "ALMOND_TIME_ZONE": "Mars"}, "ALMOND_TIME_ZONE: is 'Mars'"),
        "jobs": ({"ALMOND_HOME": home, "ALMOND_JOBS": "abc"}, "ALMOND_JOBS: is 'abc'"),
        "port": ({"ALMOND_HOME": home, "PORT": "²"}, "PORT is '²'"),
        "refused": ({"ALMOND_HOME": home, "DATABASE_URL": "postgres://x@127.0.0.1:1/none"}, refused),
        "file": ({"ALMOND_HOME": folder / "file"}, f"ALMOND_HOME: {folder / 'file'}"),
        "key": ({"ALMOND_HOME": short}, f"{short / 'secret_key'}: is no secret key"),
        "corrupt": ({"ALMOND_HOME": corrupt(folder / "corrupt")}, f"{folder / 'corrupt' / 'db.sqlite3'}: "),
        "newer": ({"ALMOND_HOME": newer}, f"database {newer / 'db.sqlite3'}: was changed by a newer version"),
        "full": ({"ALMOND_HOME": full, "limit": 0}, f"{full / 'secret_key'}: cannot be written"),
        "fuller": ({"ALMOND_HOME": fuller, "limit": 65536}, f"{fuller / 'db.sqlite3'}: disk I/O error"),
    }


def told(variables: Mapping[str, Any]) -> tuple[int, str]:
    return run(**{name: value if name == "limit" else str(value) for name, value in variables.items()})


@pytest.mark.slow
def test_a_start_that_cannot_be_ends_in_one_line(tmp_path: Path) -> None:
    tried = circumstances(tmp_path)
    with ThreadPoolExecutor(3) as threads:
        ends = dict(
            zip(tried, threads.map(told, [variables for variables, _ in tried.values()]), strict=True)
        )
    wrong = {
        name: (status, text)
        for name, (status, text) in ends.items()
        if status != 1 or text.count("\n") != 1 or not text.startswith(f"almond: {tried[name][1]}")
    }
    assert wrong == {}
    assert sorted(os.listdir(tmp_path / "full")) == [".secret_key.lock", "example-lab.built"]
    assert len((tmp_path / "fuller" / "secret_key").read_text()) >= 40


MOUNT = "mount -t tmpfs -o {options} none {home} && {first} && exec {python} scripts/run.py"


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root can mount a disk of its own"
)
@pytest.mark.parametrize(
    ("options", "first", "line"),
    [
        ("ro", "true", "ALMOND_HOME: {home} cannot be written to"),
        ("size=4k", "true", "{home}/recruitment_key: cannot be written (No space left on device)"),
        ("size=64k", "true", "{home}/db.sqlite3: database or disk is full"),
        ("size=4m", "cp {schema} {home}/db.sqlite3", "{home}/staticfiles"),
    ],
)
def test_a_disk_that_is_full_or_read_only_is_named(
    tmp_path: Path, schema: Path, options: str, first: str, line: str
) -> None:
    before = first.format(schema=schema, home=tmp_path)
    words = MOUNT.format(options=options, first=before, home=tmp_path, python=sys.executable)
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this system gives no process disks of its own")
    status, text = run("unshare", "-m", "sh", "-c", words, ALMOND_HOME=str(tmp_path))
    assert (status, text.count("\n")) == (1, 1), text
    assert text.startswith(f"almond: {line.format(home=tmp_path)}")


@contextmanager
def started(home: Path) -> Any:
    """The site and its first lines up to the last of its welcome."""
    words = [sys.executable, "scripts/run.py"]
    with subprocess.Popen(
        words,
        cwd=settings.BASE_DIR,
        env=environment(
            ALMOND_HOME=str(home), ALMOND_HOSTS="lab.example.org", http_proxy="http://127.0.0.1:9"
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        lines: list[str] = []
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                if "Ctrl-C stops everything" in line:
                    break
            yield process, "".join(lines)
        finally:
            process.send_signal(signal.SIGTERM)
            lines.append(process.stdout.read())
            process.wait(60)


@pytest.mark.slow
def test_the_site_starts_with_an_empty_key_and_only_once(
    tmp_path: Path, schema: Path, collected_files: Path
) -> None:
    home = lab(tmp_path / "home")
    shutil.copyfile(schema, home / "db.sqlite3")
    shutil.copytree(collected_files, home / "staticfiles")
    (home / "secret_key").write_bytes(b"")
    with started(home) as (process, lines):
        address = re.search(r"http://127\.0\.0\.1:\d+", lines)
        assert address is not None, lines
        assert "secret_key was empty: a new key is made" in lines
        second = run(ALMOND_HOME=str(home))
        holder = f"almond: {home / 'run.lock'}: the lab is open already: process {process.pid} on "
        assert second[0] == 1
        assert second[1].startswith(holder)
        assert f", {address[0]} (stop that one with Ctrl-C" in second[1]
        assert second[1].count("\n") == 1
    assert process.returncode == 0
    with locked(home / "run.lock", wait=False):
        assert len((home / "secret_key").read_text()) >= 40


@pytest.mark.parametrize(
    ("words", "status", "begins"),
    [
        (["manage.py", "check"], 1, "manage.py check: "),
        (["manage.py", "worker", "--once"], 1, "manage.py worker: "),
        (["-c", "import config.wsgi"], 1, "almond: "),
        (["-c", "import config.celery"], 1, "celery: "),
    ],
)
def test_every_entry_point_names_a_wrong_value(
    tmp_path: Path, words: list[str], status: int, begins: str
) -> None:
    ended = run(sys.executable, *words, ALMOND_HOME=str(tmp_path), ALMOND_JOBS="abc")
    assert ended == (status, f"{begins}ALMOND_JOBS: is 'abc' (expected polling, celery or inline)\n")


def test_a_worker_says_that_the_database_is_not_up_to_date(tmp_path: Path) -> None:
    status, text = run(sys.executable, "manage.py", "worker", "--once", ALMOND_HOME=str(tmp_path))
    assert status == 1
    assert text.startswith(
        f"manage.py worker: database {tmp_path / 'db.sqlite3'}: is not up to date (it lacks "
    )
    assert text.count("\n") == 1


def test_a_fault_of_the_program_keeps_its_traceback(tmp_path: Path) -> None:
    home = migrated(tmp_path / "home", *[("contenttypes", "0001_initial")])
    status, text = run(sys.executable, "manage.py", "shell", "-c", "1 / 0", ALMOND_HOME=str(home))
    assert status == 1
    assert "Traceback" in text
    assert "ZeroDivisionError" in text
