"""Every setting is documented, and nothing is documented that does not exist."""

from __future__ import annotations

import re

from django.conf import settings

READ = re.compile(r'\benv\.\w+\(\s*"([A-Z_]+)"')
ROW = re.compile(r"^\| `([A-Z_]+)` \|", re.MULTILINE)


def test_settings_and_their_page_agree() -> None:
    read = set(READ.findall((settings.BASE_DIR / "config" / "settings.py").read_text()))
    page = (settings.BASE_DIR / "docs" / "settings.md").read_text()
    site, _, commands = page.partition("## The commands")
    assert set(ROW.findall(site)) == read
    assert set(ROW.findall(commands)) == {"PORT", "PYTHON", "ALMOND_PIP_ARGS", "ALMOND_REAL_DATA"}
