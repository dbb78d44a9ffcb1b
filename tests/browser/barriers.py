"""axe-core in a page, as it stands or at every size: whatever it finds is a failure, of any impact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

LOOKS = (
    ("1280", 1280, 800, "light"),
    ("1280 dark", 1280, 800, "dark"),
    ("360", 360, 640, "light"),
    ("360 dark", 360, 640, "dark"),
    ("zoomed to 200 %", 640, 400, "light"),
)
"""Name, width and height in CSS pixels, colours. A window of 1280 x 800 zoomed to 200 % has half of both."""
SCHEME = "() => matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'"
FITS = "document.documentElement.scrollWidth <= innerWidth"

AXE = Path(settings.BASE_DIR) / "node_modules" / "axe-core" / "axe.min.js"


def barriers(page: Any, *, within: str = "html") -> list[str]:
    """List the rules of axe-core that a page breaks as it stands, each with its first place.

    :param within: the part that is looked at, as a selector.
    """
    if not AXE.is_file():
        pytest.skip("needs axe-core: run `make setup`")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    look = "place => axe.run(place === 'html' ? document : place, { resultTypes: ['violations'] })"
    broken = page.evaluate(look, within)["violations"]
    return [f"{rule['id']} ({rule['impact']}): {rule['nodes'][0]['html'][:120]}" for rule in broken]


def barriers_everywhere(page: Any, *, within: str = "html") -> list[str]:
    """List what axe-core finds at every size, in light and dark, and where a page is too wide."""
    size, scheme = page.viewport_size, page.evaluate(SCHEME)
    broken = []
    for look, width, height, colours in LOOKS:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=colours)
        broken += [f"{look}: {rule}" for rule in barriers(page, within=within)]
        broken += [] if page.evaluate(FITS) else [f"{look}: wider than the window"]
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    return broken
