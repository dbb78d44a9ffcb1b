"""Guidance rules, one per file: each gives the shift of the x0 prediction that one step applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from almond.guidance.rules.base import Rule

RULES: Registry[Rule] = Registry(
    "guidance rule",
    {
        "through": ("almond.guidance.rules.through:guide", "gradient through the denoiser"),
        "x0": ("almond.guidance.rules.x0:guide", "gradient of the x0 prediction only"),
        "damped": ("almond.guidance.rules.damped:guide", "through the denoiser, damped where noise is high"),
        "braindive": ("almond.guidance.rules.braindive:guide", "BrainDiVE as published, for comparison"),
    },
)
"""The rules under the names that recipes use. Light: torch is loaded with the first rule."""

DEFAULT_RULE = "through"
