"""Whether a test of a planned design holds its error level, as simulated studies found it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def level_problem(finding: Mapping[str, Any]) -> str | None:
    """Say in one sentence that a test does not hold its level, and the number that would do; None if it does.

    :param finding: ``test``, the ``rate`` of simulated studies without effect in which it rejects with the
        interval ``low`` to ``high``, ``alpha``, ``holds``, ``themes_needed`` and ``people_needed``.
    """
    if finding["holds"]:
        return None
    rate, low, high = (f"{100 * finding[name]:.1f}" for name in ("rate", "low", "high"))
    return (
        f"The test “{finding['test']}” does not hold its level: without effect it rejects in {rate} % "
        f"[{low}, {high}] of simulated studies, above {100 * finding['alpha']:g} %. {_remedy(finding)}"
    )


def _remedy(finding: Mapping[str, Any]) -> str:
    ways = [
        f"{finding[name]} {noun}"
        for name, noun in (("themes_needed", "themes"), ("people_needed", "participants"))
        if finding[name] is not None
    ]
    if not ways:
        return "None of the larger numbers that were simulated would do: simulate more themes."
    return f"With {' or '.join(ways)} it does."
