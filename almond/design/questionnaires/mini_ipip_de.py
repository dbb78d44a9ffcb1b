"""The Mini-IPIP in German: our own translation of its items, which nobody has validated.

Key and scales are those of the English instrument; norms and reliabilities published for it, or for other
German translations, do not hold for this one.
"""

from __future__ import annotations

from almond.design.questionnaires.base import Questionnaire
from almond.design.questionnaires.ipip import ANSWERS_DE, INSTRUCTION_DE, LICENCE, OWN_TRANSLATION, keyed
from almond.design.questionnaires.mini_ipip import (
    AGREEABLENESS,
    CONSCIENTIOUSNESS,
    EXTRAVERSION,
    IMAGINATION,
    NEUROTICISM,
)
from almond.design.questionnaires.mini_ipip import QUESTIONNAIRE as ENGLISH_ONE

QUESTIONNAIRE = Questionnaire(
    title="Mini-IPIP (German)",
    source=f"{ENGLISH_ONE.source} {OWN_TRANSLATION}",
    licence=LICENCE,
    language="de",
    instruction=INSTRUCTION_DE,
    answers=ANSWERS_DE,
    items=(
        keyed(EXTRAVERSION, "+ Auf Partys sorge ich für Stimmung."),
        keyed(AGREEABLENESS, "+ Ich fühle mit anderen mit."),
        keyed(CONSCIENTIOUSNESS, "+ Ich erledige anfallende Arbeiten sofort."),
        keyed(NEUROTICISM, "+ Meine Stimmung schwankt häufig."),
        keyed(IMAGINATION, "+ Ich habe eine lebhafte Fantasie."),
        keyed(EXTRAVERSION, "- Ich rede nicht viel."),
        keyed(AGREEABLENESS, "- Die Probleme anderer Leute interessieren mich nicht."),
        keyed(CONSCIENTIOUSNESS, "- Ich vergesse oft, Dinge an ihren Platz zurückzulegen."),
        keyed(NEUROTICISM, "- Ich bin die meiste Zeit entspannt."),
        keyed(IMAGINATION, "- Abstrakte Ideen interessieren mich nicht."),
        keyed(EXTRAVERSION, "+ Auf Partys unterhalte ich mich mit vielen verschiedenen Leuten."),
        keyed(AGREEABLENESS, "+ Ich spüre, was andere fühlen."),
        keyed(CONSCIENTIOUSNESS, "+ Ich mag Ordnung."),
        keyed(NEUROTICISM, "+ Ich rege mich leicht auf."),
        keyed(IMAGINATION, "- Es fällt mir schwer, abstrakte Ideen zu verstehen."),
        keyed(EXTRAVERSION, "- Ich halte mich im Hintergrund."),
        keyed(AGREEABLENESS, "- Ich interessiere mich nicht wirklich für andere."),
        keyed(CONSCIENTIOUSNESS, "- Ich bringe Dinge durcheinander."),
        keyed(NEUROTICISM, "- Ich bin selten niedergeschlagen."),
        keyed(IMAGINATION, "- Ich habe keine gute Vorstellungskraft."),
    ),
    scales=ENGLISH_ONE.scales,
)
