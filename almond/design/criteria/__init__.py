"""Criteria by which a hypothesis counts as corroborated or falsified: one module and one line each."""

from __future__ import annotations

from typing import Any

from almond.registry import Registry

CRITERIA: Registry[Any] = Registry(
    "criterion",
    {
        "significance": (
            "almond.design.criteria.significance:Significance",
            "p below the error level, in the direction",
        ),
        "smallest_effect": (
            "almond.design.criteria.smallest_effect:SmallestEffect",
            "as large as the smallest effect of interest",
        ),
        "equivalence": (
            "almond.design.criteria.equivalence:Equivalence",
            "no difference as large as the smallest effect of interest",
        ),
    },
)
"""Each is a shape whose fields are its parameters, with ``judge`` and ``words`` (see ``base``)."""
