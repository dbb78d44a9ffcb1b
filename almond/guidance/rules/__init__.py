"""Guidance rules, one per file: each gives the shift of the x0 prediction that one step applies."""

from __future__ import annotations

from almond.guidance.rules import through, x0
from almond.guidance.rules.base import Rule

BY_NAME: dict[str, Rule] = {"through": through.guide, "x0": x0.guide}
"""The rules under the names that recipes use (``almond.guidance.recipe.RULES``)."""
