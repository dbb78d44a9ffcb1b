"""Rules that hold for the repository as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from jobs.registry import KINDS

TEXTS = {".py", ".md", ".toml", ".html", ".js", ".css", ".json", ".yml", ".yaml", ".txt"}
OTHER_TEXTS = {"Makefile", ".importlinter", ".gitignore", "run"}
NOT_OURS = {"node_modules", "var", "vendor", "staticfiles", "build", "dist"}
SOMEBODYS_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/\w+")


@pytest.mark.parametrize("kind", sorted(KINDS.names()))
def test_every_kind_of_job_can_be_loaded(kind: str) -> None:
    assert callable(KINDS.load(kind))


def our_texts(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        hidden = path.name.startswith(".") and path.name != ".ci"
        if path.is_dir() and not hidden and path.name not in NOT_OURS and path.suffix != ".egg-info":
            yield from our_texts(path)
        elif path.is_file() and (path.suffix in TEXTS or path.name in OTHER_TEXTS):
            yield path


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = [
        f"{path.relative_to(settings.BASE_DIR)}: {match[0]}"
        for path in our_texts(settings.BASE_DIR)
        if (match := SOMEBODYS_MACHINE.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []


def test_every_app_keeps_its_migrations_named() -> None:
    """``0002_auto_20...`` says nothing to whoever reads it later."""
    unnamed = [
        str(path) for path in settings.BASE_DIR.glob("*/migrations/*.py") if re.search(r"_auto_\d", path.name)
    ]
    assert unnamed == []
