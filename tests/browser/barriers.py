"""axe-core in a page: whatever it finds is a failure, of any impact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

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
