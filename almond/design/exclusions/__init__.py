"""Rules by which participants are left out of an analysis: one module and one line each."""

from __future__ import annotations

from typing import Any

from almond.registry import Registry

EXCLUSIONS: Registry[Any] = Registry(
    "exclusion rule",
    {
        "speed": ("almond.design.exclusions.speed:Speed", "speed: answers too fast, or too long in all"),
        "straight_lining": (
            "almond.design.exclusions.straight_lining:StraightLining",
            "straight-lining: ratings that hardly move",
        ),
        "failed_checks": (
            "almond.design.exclusions.failed_checks:FailedChecks",
            "failed checks: answers that the server marked as implausible",
        ),
        "repeats": (
            "almond.design.exclusions.repeats:Repeats",
            "repeats: second showings rated unlike the first",
        ),
        "reloads": ("almond.design.exclusions.reloads:Reloads", "reloads: page loaded again, or window left"),
        "devices": (
            "almond.design.exclusions.devices:Devices",
            "devices: window too small, display too slow",
        ),
        "by_hand": (
            "almond.design.exclusions.by_hand:ByHand",
            "by hand: whom an experimenter excludes, with a reason, before answers can be seen",
        ),
    },
)
"""Each is a shape whose fields are its parameters, with ``judge`` and ``words`` (see ``base``)."""
