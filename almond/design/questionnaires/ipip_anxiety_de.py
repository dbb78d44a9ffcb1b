"""The IPIP's scale of anxiety in German: our own translation of its items, which nobody has validated.

Key and scale are those of the English instrument; norms and reliabilities published for it, or for other
German translations, do not hold for this one.
"""

from __future__ import annotations

from almond.design.questionnaires.base import Questionnaire
from almond.design.questionnaires.ipip import ANSWERS_DE, INSTRUCTION_DE, LICENCE, OWN_TRANSLATION, keyed
from almond.design.questionnaires.ipip_anxiety import ANXIETY
from almond.design.questionnaires.ipip_anxiety import QUESTIONNAIRE as ENGLISH_ONE

QUESTIONNAIRE = Questionnaire(
    title="IPIP anxiety (German)",
    source=f"{ENGLISH_ONE.source} {OWN_TRANSLATION}",
    licence=LICENCE,
    language="de",
    instruction=INSTRUCTION_DE,
    answers=ANSWERS_DE,
    items=(
        keyed(ANXIETY, "+ Ich mache mir Sorgen."),
        keyed(ANXIETY, "+ Ich befürchte das Schlimmste."),
        keyed(ANXIETY, "+ Ich habe vor vielen Dingen Angst."),
        keyed(ANXIETY, "+ Ich bin schnell gestresst."),
        keyed(ANXIETY, "+ Meine Probleme nehmen mich ganz in Anspruch."),
        keyed(ANXIETY, "- Mich stört so leicht nichts."),
        keyed(ANXIETY, "- Ich bin die meiste Zeit entspannt."),
        keyed(ANXIETY, "- Ereignisse bringen mich nicht so leicht aus der Ruhe."),
        keyed(ANXIETY, "- Über Dinge, die schon geschehen sind, mache ich mir keine Sorgen."),
        keyed(ANXIETY, "- Ich stelle mich leicht auf neue Situationen ein."),
    ),
    scales=ENGLISH_ONE.scales,
)
