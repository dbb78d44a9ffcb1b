"""The IPIP's scale of anxiety: ten items, a facet of neuroticism."""

from __future__ import annotations

from almond.design.questionnaires.base import Questionnaire
from almond.design.questionnaires.ipip import ANSWERS, INSTRUCTION, LICENCE, keyed

ANXIETY = "anxiety"

QUESTIONNAIRE = Questionnaire(
    title="IPIP anxiety",
    source="Goldberg, L. R. (1999). A broad-bandwidth, public domain, personality inventory measuring the "
    "lower-level facets of several five-factor models. In I. Mervielde et al. (Eds.), Personality psychology "
    "in Europe, 7, 7-28: facet N1, anxiety.",
    licence=LICENCE,
    instruction=INSTRUCTION,
    answers=ANSWERS,
    items=(
        keyed(ANXIETY, "+ Worry about things."),
        keyed(ANXIETY, "+ Fear for the worst."),
        keyed(ANXIETY, "+ Am afraid of many things."),
        keyed(ANXIETY, "+ Get stressed out easily."),
        keyed(ANXIETY, "+ Get caught up in my problems."),
        keyed(ANXIETY, "- Am not easily bothered by things."),
        keyed(ANXIETY, "- Am relaxed most of the time."),
        keyed(ANXIETY, "- Am not easily disturbed by events."),
        keyed(ANXIETY, "- Don't worry about things that have already happened."),
        keyed(ANXIETY, "- Adapt easily to new situations."),
    ),
    scales={ANXIETY: "anxious"},
)
