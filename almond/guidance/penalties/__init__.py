"""What is taken off an objective: changes that guidance should not make, one penalty per file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from almond.guidance.penalties.base import Penalty

PENALTIES: Registry[Penalty] = Registry(
    "penalty",
    {
        "low-level": ("almond.guidance.penalties.low_level:penalise", "change of low-level features"),
        "colour": ("almond.guidance.penalties.colour:penalise", "change of mean colours"),
        "high-frequency": ("almond.guidance.penalties.high_frequency:penalise", "added fine texture"),
        "pixel": ("almond.guidance.penalties.pixel:penalise", "distance to the base picture in pixels"),
        "perceptual": (
            "almond.guidance.penalties.perceptual:penalise",
            "distance to the base picture in the scorer's network",
        ),
    },
)
"""The penalties under the names that recipes use. Light: torch is loaded with the first penalty."""
