"""What is in the way of freezing a study, each with the place in its form where it is mended."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.urls import reverse

from almond.errors import InputError
from almond.stimuli.photograph_pairs import told_of
from studies.models import Construct, Study
from studies.services.obstacles import NotReady

FIELDS = {
    "study": "id_matched_set",
    "matched set": "id_matched_set",
    "image set": "id_matched_set",
    "image": "id_matched_set",
    "pair": "id_matched_set",
    "stimuli": "id_matched_set",
    "pairs": "id_matched_set",
    "lists": "id_n_lists",
    "participants": "id_participants_planned",
    "title": "id_title",
    "seed": "id_seed",
    "consent": "id_consent",
    "debriefing": "id_debriefing",
    "trial kind": "id_language",
    "analysis.permutations": "id_permutations",
}
"""What an error is about, and the field of the form."""

BLOCK = re.compile(r"block '([^']*)'")
IN_BLOCK = re.compile(r"blocks\[(\d+)\](?:\.(\w+))?")
IN_RULE = re.compile(r"analysis\.exclusions\[(\d+)\](?:\.(\w+))?")
IN_HYPOTHESIS = re.compile(r"preregistration\.hypotheses\[(\d+)\](?:\.(\w+))?")


PAIRS_FIELD = "choice_photograph_pairs"
"""The field of a block that says how its photographs are paired."""
CONSTRUCT = re.compile(r"construct '([^']*)'")


@dataclass(frozen=True)
class Obstacle:
    """One thing to mend: what is wrong, what would be right, and where it is mended.

    ``field`` is one of the study's form (empty: none of it), ``page`` another page (empty: this one).
    """

    words: str
    remedy: str
    field: str
    page: str = ""


def obstacles(study: Study, error: InputError) -> list[Obstacle]:
    """List everything in the way of freezing a study."""
    problems = error.problems if isinstance(error, NotReady) else (error,)
    return [
        Obstacle(
            f"{name_of(study, one.source)}: {one.problem}",
            one.expected or "",
            field_of(study, one.source),
            page_of(one.source),
        )
        for one in problems
    ]


def page_of(source: str) -> str:
    """Return the address of the construct that an error is about, where its translations are added."""
    found = CONSTRUCT.match(source)
    row = Construct.objects.filter(name=found[1]).first() if found else None
    return f"{reverse('admin:studies_construct_change', args=[row.pk])}#texts-group" if row else ""


def name_of(study: Study, source: str) -> str:
    """Name what an error is about as the form does: a block by its name, not by its place in the plan."""
    names = list(study.blocks.order_by("order").values_list("name", flat=True))
    found = IN_BLOCK.match(source)
    if found and int(found[1]) < len(names):
        part = f", {found[2].replace('_', ' ')}" if found[2] else ""
        return f"block “{names[int(found[1])]}”{part}"
    return source


def field_of(study: Study, source: str) -> str:
    """Find the field of the form that an error is about; empty when it is none of them."""
    if named := BLOCK.match(source):
        names = list(study.blocks.order_by("order").values_list("name", flat=True))
        field = PAIRS_FIELD if source.startswith(told_of(named[1])) else "kind"
        return f"id_blocks-{names.index(named[1])}-{field}" if named[1] in names else ""
    for pattern, formset in ((IN_BLOCK, "blocks"), (IN_RULE, "exclusions"), (IN_HYPOTHESIS, "hypotheses")):
        if found := pattern.match(source):
            usual = {"blocks": "name", "exclusions": "rule", "hypotheses": "name"}[formset]
            return f"id_{formset}-{found[1]}-{found[2] or usual}"
    for start, field in FIELDS.items():
        if source.startswith(start):
            return field
    if source.startswith("preregistration.stopping.precision"):
        return "id_preregistration-0-precision_every"
    return "id_preregistration-0-looks" if source.startswith("preregistration.stopping") else ""
