"""The statistical questions that an analysis answers: one module and one line each."""

from __future__ import annotations

from typing import Any

from almond.design.criteria.base import Direction
from almond.registry import Registry

QUESTIONS: Registry[Any] = Registry(
    "statistical question",
    {
        "classification": "almond.analysis.questions.classification:QUESTION",
        "choices": "almond.analysis.questions.choices:QUESTION",
        "choice_specificity": "almond.analysis.questions.choice_specificity:QUESTION",
        "natural": "almond.analysis.questions.natural:QUESTION",
        "photograph_choices": "almond.analysis.questions.photograph_choices:QUESTION",
        "lowlevel": "almond.analysis.questions.lowlevel:QUESTION",
        "lowlevel_choices": "almond.analysis.questions.lowlevel_choices:QUESTION",
        "trend": "almond.analysis.questions.trend:QUESTION",
        "ordinal": "almond.analysis.questions.ordinal:QUESTION",
    },
)
"""Those with a test: a plan may call it primary."""

DESCRIPTIONS: Registry[Any] = Registry(
    "description of ratings",
    {
        "profiles": "almond.analysis.questions.profiles:QUESTION",
        "distributions": "almond.analysis.questions.distributions:QUESTION",
        "reliability": "almond.analysis.questions.reliability:QUESTION",
        "best_worst": "almond.analysis.questions.descriptions.best_worst:QUESTION",
        "confidence": "almond.analysis.questions.descriptions.confidence:QUESTION",
        "on_off": "almond.analysis.questions.on_off:QUESTION",
        "geometry": "almond.analysis.questions.geometry:QUESTION",
    },
)
"""Those without a p value of their own."""

ONE_WAY: dict[str, tuple[Direction, ...]] = {
    "classification": ("greater",),
    "natural": ("either",),
    "photograph_choices": ("either", "greater", "less"),
    "lowlevel": ("greater",),
}
"""What some tests can show at all: an accuracy above chance; a correlation of either sign. The first is that
of the usual hypothesis: a question may ask for what a norm is low in."""

SAME_RESPONSES = {"choice_specificity": "choices", "photograph_choices": "choices"}
"""Tests of the responses that the test of a trial kind uses, by its name."""


def directions_of(question: str) -> tuple[Direction, ...]:
    """Return the directions that a hypothesis about a test may have."""
    return ONE_WAY.get(question, ("greater", "less", "either"))
