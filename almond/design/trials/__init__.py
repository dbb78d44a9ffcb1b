"""The kinds of trials that a study can show, one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from almond.design.trials.base import TrialKind

TRIAL_KINDS: Registry[TrialKind] = Registry(
    "trial kind",
    {
        "rating": ("almond.design.trials.rating:TRIAL_KIND", "rating"),
        "choice": ("almond.design.trials.choice:TRIAL_KIND", "choice between two"),
        "practice": ("almond.design.trials.pages.practice:TRIAL_KIND", "practice of another block"),
        "instruction": ("almond.design.trials.pages.instruction:TRIAL_KIND", "instructions"),
        "form": ("almond.design.trials.pages.form:TRIAL_KIND", "form"),
        "questionnaire": ("almond.design.trials.pages.questionnaire:TRIAL_KIND", "questionnaire"),
        "attention_check": ("almond.design.trials.pages.attention:TRIAL_KIND", "attention check"),
        "comprehension_check": (
            "almond.design.trials.pages.comprehension:TRIAL_KIND",
            "comprehension check",
        ),
        "break": ("almond.design.trials.pages.pause:TRIAL_KIND", "break"),
    },
)
