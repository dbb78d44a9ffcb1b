"""The digest of a design: of what decides what a study can find, without its words."""

from __future__ import annotations

from almond.design.plan import StudyPlan
from almond.digest import digest_json

WORDS = ("title", "language", "preregistration", "words")


def design_digest(plan: StudyPlan, lists: int) -> str:
    """Return the SHA-256 of a plan and its number of lists, without title, language, preregistration and the
    words before its blocks.

    A draft whose texts are edited keeps it; with other images, blocks, participants or tests it has another.
    """
    values = {name: value for name, value in plan.to_json().items() if name not in WORDS}
    return digest_json({**values, "lists": lists})
