"""The checks of a diagnosis, one per file: what is measured, in which words, and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from almond.diagnosis.check import DiagnosisCheck

CHECKS: Registry[DiagnosisCheck] = Registry(
    "diagnosis check",
    {
        "own_judge": ("almond.diagnosis.checks.own_judge:CHECK", "own against judged shift"),
        "dose": ("almond.diagnosis.checks.dose:CHECK", "dose curves"),
        "selectivity": ("almond.diagnosis.checks.selectivity:CHECK", "on against off target"),
        "spread": ("almond.diagnosis.checks.spread:CHECK", "spread of unguided scores"),
        "agreement": ("almond.diagnosis.checks.agreement:CHECK", "agreement of readers"),
        "augmentation": ("almond.diagnosis.checks.augmentation:CHECK", "stability under augmentation"),
        "prompts": ("almond.diagnosis.checks.prompts:CHECK", "prompt invariance"),
        "natural": ("almond.diagnosis.checks.natural:CHECK", "natural pictures and film frames"),
        "dissociation": ("almond.diagnosis.checks.dissociation:CHECK", "dissociability of targets"),
        "grouping": ("almond.diagnosis.checks.grouping:CHECK", "clusters and dissimilarities"),
        "interpolation": ("almond.diagnosis.checks.interpolation:CHECK", "smoothness between noises"),
        "late": ("almond.diagnosis.checks.late:CHECK", "late guidance"),
    },
)
"""The checks in the order of the report. Light: a check is loaded when a diagnosis runs."""
