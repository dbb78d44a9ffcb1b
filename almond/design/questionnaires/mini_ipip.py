"""The Mini-IPIP: four items for each of the Big Five."""

from __future__ import annotations

from almond.design.questionnaires.base import Questionnaire
from almond.design.questionnaires.ipip import ANSWERS, INSTRUCTION, LICENCE, keyed

EXTRAVERSION, AGREEABLENESS, CONSCIENTIOUSNESS = "extraversion", "agreeableness", "conscientiousness"
NEUROTICISM, IMAGINATION = "neuroticism", "imagination"

QUESTIONNAIRE = Questionnaire(
    title="Mini-IPIP",
    source="Donnellan, M. B., Oswald, F. L., Baird, B. M., & Lucas, R. E. (2006). The Mini-IPIP scales: "
    "tiny-yet-effective measures of the Big Five factors of personality. Psychological Assessment, 18, "
    "192-203.",
    licence=LICENCE,
    instruction=INSTRUCTION,
    answers=ANSWERS,
    items=(
        keyed(EXTRAVERSION, "+ Am the life of the party."),
        keyed(AGREEABLENESS, "+ Sympathize with others' feelings."),
        keyed(CONSCIENTIOUSNESS, "+ Get chores done right away."),
        keyed(NEUROTICISM, "+ Have frequent mood swings."),
        keyed(IMAGINATION, "+ Have a vivid imagination."),
        keyed(EXTRAVERSION, "- Don't talk a lot."),
        keyed(AGREEABLENESS, "- Am not interested in other people's problems."),
        keyed(CONSCIENTIOUSNESS, "- Often forget to put things back in their proper place."),
        keyed(NEUROTICISM, "- Am relaxed most of the time."),
        keyed(IMAGINATION, "- Am not interested in abstract ideas."),
        keyed(EXTRAVERSION, "+ Talk to a lot of different people at parties."),
        keyed(AGREEABLENESS, "+ Feel others' emotions."),
        keyed(CONSCIENTIOUSNESS, "+ Like order."),
        keyed(NEUROTICISM, "+ Get upset easily."),
        keyed(IMAGINATION, "- Have difficulty understanding abstract ideas."),
        keyed(EXTRAVERSION, "- Keep in the background."),
        keyed(AGREEABLENESS, "- Am not really interested in others."),
        keyed(CONSCIENTIOUSNESS, "- Make a mess of things."),
        keyed(NEUROTICISM, "- Seldom feel blue."),
        keyed(IMAGINATION, "- Do not have a good imagination."),
    ),
    scales={
        EXTRAVERSION: "extraverted",
        AGREEABLENESS: "agreeable",
        CONSCIENTIOUSNESS: "conscientious",
        NEUROTICISM: "emotionally unstable",
        IMAGINATION: "imaginative (intellect, openness)",
    },
)
