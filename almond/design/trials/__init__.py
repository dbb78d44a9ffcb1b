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
    },
)
