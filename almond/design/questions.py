"""Names of the statistical questions that a plan may name as primary tests; nothing here loads them."""

from __future__ import annotations

from typing import Any

from almond.registry import Registry

QUESTIONS: Registry[Any] = Registry(
    "statistical question",
    {
        "classification": "almond.analysis.questions.classification:QUESTION",
        "choices": "almond.analysis.questions.choices:QUESTION",
        "natural": "almond.analysis.questions.natural:QUESTION",
    },
)
