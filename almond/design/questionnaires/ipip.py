"""What the questionnaires of the International Personality Item Pool share."""

from __future__ import annotations

from almond.design.questionnaires.base import QuestionnaireItem

LICENCE = (
    "Public domain: items and scales of the International Personality Item Pool may be copied, changed and "
    "used for any purpose without permission or fee (https://ipip.ori.org)."
)
INSTRUCTION = (
    "Describe yourself as you generally are now, not as you wish to be in the future. How accurately does "
    "each statement describe you?"
)
ANSWERS = (
    "Very inaccurate",
    "Moderately inaccurate",
    "Neither inaccurate nor accurate",
    "Moderately accurate",
    "Very accurate",
)


OWN_TRANSLATION = "German by the authors of Almond: a translation that was not validated."
INSTRUCTION_DE = (
    "Beschreiben Sie sich so, wie Sie zurzeit im Allgemeinen sind, nicht so, wie Sie in Zukunft sein "
    "möchten. Wie zutreffend beschreibt Sie jede dieser Aussagen?"
)
ANSWERS_DE = (
    "Sehr unzutreffend",
    "Eher unzutreffend",
    "Weder unzutreffend noch zutreffend",
    "Eher zutreffend",
    "Sehr zutreffend",
)


def keyed(scale: str, text: str) -> QuestionnaireItem:
    """Make an item from a statement behind a sign: ``+`` counts for its scale, ``-`` against it."""
    return QuestionnaireItem(text[1:].strip(), scale, reversed=text.startswith("-"))
