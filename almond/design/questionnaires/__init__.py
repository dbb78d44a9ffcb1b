"""The questionnaires that a study can ask, one module each: only those whose licence lets them be shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from almond.design.questionnaires.base import Questionnaire

QUESTIONNAIRES: Registry[Questionnaire] = Registry(
    "questionnaire",
    {
        "mini_ipip": (
            "almond.design.questionnaires.mini_ipip:QUESTIONNAIRE",
            "Mini-IPIP: the Big Five, 20 items",
        ),
        "ipip_anxiety": (
            "almond.design.questionnaires.ipip_anxiety:QUESTIONNAIRE",
            "IPIP anxiety: 10 items",
        ),
        "mini_ipip_de": (
            "almond.design.questionnaires.mini_ipip_de:QUESTIONNAIRE",
            "Mini-IPIP in German, our translation",
        ),
        "ipip_anxiety_de": (
            "almond.design.questionnaires.ipip_anxiety_de:QUESTIONNAIRE",
            "IPIP anxiety in German, our translation",
        ),
    },
)
