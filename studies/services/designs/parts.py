"""The parts of a study that a copy and a file of its design hold, read off the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import models

from studies.models import Study

OWN = frozenset({"id", "title", "slug", "rehearsal"})
"""Fields that a copy does not take over from its study."""


def editable_fields(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    """List the fields of a model that experimenters fill in, without relations."""
    return [
        field
        for field in model._meta.concrete_fields
        if not field.primary_key and not field.is_relation and (field.editable or field.name == "parameters")
    ]


def part_models() -> dict[str, type[models.Model]]:
    """Return key in a file -> model, of everything else that belongs to a study's design.

    A model belongs to it that says so (``part_of_design``) and has a foreign key ``study``. How a study
    recruits does not: a panel's ids are of one study, and copies take what they may by ``rows_to_copy``.
    """
    related = (relation.related_model for relation in Study._meta.related_objects)
    found = {str(model.part_of_design): model for model in related if hasattr(model, "part_of_design")}
    return dict(sorted(found.items()))


def part_rows(study: Study) -> Iterator[tuple[str, models.Model]]:
    """Yield (key, row) of every part of a study's design beside its fields and blocks."""
    for key, model in part_models().items():
        for row in model._default_manager.filter(study=study).order_by("pk"):
            yield key, row
