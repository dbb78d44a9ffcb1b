"""What a fresh process loads: the site nothing heavy, the library no website."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.conf import settings

HEAVY = ("torch", "diffusers", "transformers", "nibabel", "statsmodels", "sklearn", "matplotlib")

SITE = """
import sys, django
django.setup()
from django.test import Client
import config.wsgi
page = Client(headers={"host": "localhost"}).get("/admin/login/")
assert page.status_code == 200, page.status_code
"""
LIBRARY = "import sys, almond.cli.main; almond.cli.main.build_parser(None)"
DJANGO = ("django", "celery", "psycopg", "accounts", "jobs", "studies")


def loaded(program: str, names: tuple[str, ...]) -> str:
    """Which of the modules a fresh Python has loaded after the program."""
    ending = f"\nprint(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program + ending],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("program", "names"), [(SITE, HEAVY), (LIBRARY, DJANGO + HEAVY)], ids=["site", "library"]
)
def test_a_fresh_process_loads_nothing_it_does_not_need(
    program: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings")
    monkeypatch.setenv("ALMOND_DEBUG", "true")  # the pages' files as they are, not collected
    assert loaded(program, names) == ""
