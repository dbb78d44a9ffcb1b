"""What guidance asks of the scores, one objective per file; every rule and search climbs any of them."""

from __future__ import annotations

from almond.guidance.objectives.base import ObjectiveKind
from almond.registry import Registry

OBJECTIVES: Registry[ObjectiveKind] = Registry(
    "objective",
    {
        "clamp": ("almond.guidance.objectives.clamp:OBJECTIVE", "this target, the others held"),
        "contrast": ("almond.guidance.objectives.contrast:OBJECTIVE", "this target rather than the others"),
        "alone": ("almond.guidance.objectives.alone:OBJECTIVE", "this target, whatever the others do"),
        "partial": ("almond.guidance.objectives.partial:OBJECTIVE", "what the others do not predict of it"),
        "level": ("almond.guidance.objectives.level:OBJECTIVE", "a wanted score of this target"),
        "axis": ("almond.guidance.objectives.axis:OBJECTIVE", "any weighted sum of scores"),
    },
)
"""The objectives under the names that recipes use. Light: none of them loads torch."""

WEIGHTED_SUM = "axis"
"""What a recipe means that names no objective: the weighted sum that it writes down."""

DEFAULT_OBJECTIVE = "clamp"
"""What a matched set asks for: this target and nothing else."""
