"""axe-core in a page: whatever it finds is a failure, of any impact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

AXE = Path(settings.BASE_DIR) / "node_modules" / "axe-core" / "axe.min.js"


def barriers(page: Any) -> list[str]:
    """List the rules of axe-core that a page breaks as it stands, each with its first place."""
    if not AXE.is_file():
        pytest.skip("needs axe-core: run `make setup`")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    broken = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [f"{rule['id']} ({rule['impact']}): {rule['nodes'][0]['html'][:120]}" for rule in broken]
