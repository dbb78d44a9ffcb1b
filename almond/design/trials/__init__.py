"""The kinds of trials that a study can show, one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from almond.design.trials.base import TrialKind

TRIAL_KINDS: Registry[TrialKind] = Registry(
    "trial kind",
    {
        "rating": ("almond.design.trials.rating:TRIAL_KIND", "sliders"),
        "likert": ("almond.design.trials.scales.points:TRIAL_KIND", "Likert scale"),
        "buttons": ("almond.design.trials.scales.buttons:TRIAL_KIND", "labelled buttons"),
        "grid": ("almond.design.trials.scales.grid:TRIAL_KIND", "affective grid"),
        "figures": ("almond.design.trials.scales.figures:TRIAL_KIND", "self-assessment figures"),
        "number": ("almond.design.trials.scales.number:TRIAL_KIND", "number"),
        "text": ("almond.design.trials.words.text:TRIAL_KIND", "free text"),
        "options": ("almond.design.trials.words.options:TRIAL_KIND", "multiple choice"),
        "choice": ("almond.design.trials.choice:TRIAL_KIND", "choice between two"),
        "best_worst": ("almond.design.trials.best_worst:TRIAL_KIND", "best and worst of four"),
        "practice": ("almond.design.trials.pages.practice:TRIAL_KIND", "practice of another block"),
        "instruction": ("almond.design.trials.pages.instruction:TRIAL_KIND", "instructions"),
        "form": ("almond.design.trials.pages.form:TRIAL_KIND", "form"),
        "questionnaire": ("almond.design.trials.pages.questionnaire:TRIAL_KIND", "questionnaire"),
        "attention_check": ("almond.design.trials.pages.attention:TRIAL_KIND", "attention check"),
        "comprehension_check": (
            "almond.design.trials.pages.comprehension:TRIAL_KIND",
            "comprehension check",
        ),
        "screen": ("almond.design.trials.pages.screen:TRIAL_KIND", "full screen and size of the screen"),
        "break": ("almond.design.trials.pages.pause:TRIAL_KIND", "break"),
    },
)
