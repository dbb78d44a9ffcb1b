"""Templates: designs to begin with, those that come with Almond and those that a lab has kept.

Each that comes with Almond is a file in ``shipped/``: a name, a description and a design.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from almond.shapes import read
from studies.models import Study, StudyTemplate
from studies.services import save_new
from studies.services.designs.shape import StudyDesign
from studies.services.designs.writing import design_json

SHIPPED = Path(__file__).with_name("shipped")


@dataclass(frozen=True)
class Template:
    """A design under a name. ``key`` tells it from all others: the file of one that comes with Almond, the
    number of one that was kept."""

    key: str
    name: str
    description: str
    design: StudyDesign


@cache
def shipped_templates() -> tuple[Template, ...]:
    """Read the templates that come with Almond, in the order of their files' names."""
    return tuple(read_shipped(path) for path in sorted(SHIPPED.glob("*.json")))


def read_shipped(path: Path) -> Template:
    value = json.loads(path.read_bytes())
    return Template(
        path.stem, value["name"], value["description"], read(StudyDesign, value["design"], source=path)
    )


def all_templates() -> list[Template]:
    """Return the templates that come with Almond, then those kept, by name."""
    kept = [
        Template(str(row.pk), row.name, row.description, read(StudyDesign, row.design, source=row.name))
        for row in StudyTemplate.objects.order_by("name")
    ]
    return [*shipped_templates(), *kept]


def template_of(key: str) -> Template:
    """Return the template of a key.

    :raises InputError: there is none.
    """
    found = next((template for template in all_templates() if template.key == key), None)
    if found is None:
        raise InputError("template", f"there is none called {key!r}", "one of the list")
    return found


@transaction.atomic
def keep_template(*, study: Study, name: str, description: str, by: User | None) -> StudyTemplate:
    """Keep the design of a study, in whatever state, as a template; ``InputError`` for a name that is taken.

    The names of its images are not kept: whoever begins with it chooses images.
    """
    design = {**design_json(study), "matched_set": None, "image_set": None}
    row = StudyTemplate(name=name, description=description, design=design, created_by=by)
    save_new(row)
    record(verb="create", subject=row, by=by, study=study.slug)
    return row
