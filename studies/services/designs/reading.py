"""Drafts from the files of designs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User
from almond.errors import InputError
from almond.shapes import read
from generation.models import ImageSet, MatchedSet
from studies.models import Construct, ConstructText, Study
from studies.services import BlockSpec, create_construct, create_study, save_new
from studies.services.designs.parts import OWN, editable_fields, part_models
from studies.services.designs.shape import DesignConstruct, StudyDesign


def read_design(data: bytes, source: str) -> StudyDesign:
    """Read the file of a design; ``InputError`` names it and everything that is wrong with its shape."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise InputError(source, f"is not JSON: {error}", "the file of a study's design") from error
    return read(StudyDesign, value, source=source)


@transaction.atomic
def study_from_design(
    design: StudyDesign,
    *,
    title: str,
    slug: str,
    by: User | None,
    matched_set: MatchedSet | None = None,
    image_set: ImageSet | None = None,
    own_words: bool = False,
) -> Study:
    """Make a draft with everything of a design, or nothing at all.

    :param matched_set: the images, or ``image_set``; those that the design names where neither is given.
    :param own_words: whether a construct that stands here in other words is taken as it stands here.
    :raises InputError: a field, construct, set or part that cannot be had as the design says.
    """
    if matched_set is None and image_set is None:
        matched_set = named(MatchedSet, design.matched_set, "matched_set")
        image_set = named(ImageSet, design.image_set, "image_set")
    constructs = {item.name: construct_of(item, by, own_words=own_words) for item in design.constructs}
    blocks = [block_spec(design, number, constructs) for number in range(len(design.blocks))]
    fields = known_fields(design)
    study = create_study(
        title=title,
        slug=slug,
        matched_set=matched_set,
        image_set=image_set,
        blocks=blocks,
        by=by,
        **fields,
    )
    for key, rows in design.parts.items():
        for number, values in enumerate(rows):
            add_part(study, key, values, f"parts.{key}[{number}]")
    return study


def named(model: Any, name: str | None, where: str) -> Any:
    """Return the set of images of a name; None for none."""
    if name is None:
        return None
    row = model.objects.filter(name=name).first()
    if row is None:
        kind = model._meta.verbose_name
        raise InputError(f"design: {where}", f"there is no {kind} {name!r} here", f"a {kind} of this site")
    return row


def other_words(item: DesignConstruct) -> str:
    """Say how this site's construct of the same name differs; empty where it does not, or there is none."""
    row = Construct.objects.filter(name=item.name).first()
    names = [name for name in type(item).model_fields if name != "translations"]
    other = [name for name in names if row and getattr(row, name) != getattr(item, name)]
    return "; ".join(f"{name}: {getattr(row, name)!r}, not {getattr(item, name)!r}" for name in other)


def construct_of(item: DesignConstruct, by: User | None, *, own_words: bool) -> Construct:
    """Return the construct of this name, made where there is none.

    :raises InputError: one of this name asks in other words, and is not to be taken.
    """
    row = Construct.objects.filter(name=item.name).first()
    if row is None:
        own = {name: getattr(item, name) for name in type(item).model_fields if name != "translations"}
        made = create_construct(**own, by=by)
        for text in item.translations:
            save_new(ConstructText(construct=made, **text.model_dump()))
        return made
    said = other_words(item)
    if said and not own_words:
        raise InputError(
            f"construct {item.name!r}",
            f"stands here in other words ({said})",
            "the same words, another name in the design, or leave to use this site's words",
        )
    return row


def block_spec(design: StudyDesign, number: int, constructs: Mapping[str, Construct]) -> BlockSpec:
    block = design.blocks[number]
    unknown = [name for name in block.constructs if name not in constructs]
    if unknown:
        raise InputError(
            f"design: blocks[{number}].constructs",
            f"{', '.join(unknown)} is none of the design's constructs",
            ", ".join(sorted(constructs)) or "constructs in the design",
        )
    return BlockSpec(
        kind=block.kind,
        name=block.name,
        constructs=[constructs[name] for name in block.constructs],
        trials=block.trials,
        repeats=block.repeats,
        instructions=block.instructions,
        arms=block.arms,
        most_of_scene=block.most_of_scene,
        asked_of=block.asked_of,
        image_set=named(ImageSet, block.photographs, f"blocks[{number}].photographs"),
        settings=block.settings,
    )


def known_fields(design: StudyDesign) -> dict[str, Any]:
    """Return the design's fields of a study; ``InputError`` for one that a study does not have."""
    known = {field.name for field in editable_fields(Study)} - OWN
    unknown = sorted(set(design.fields) - known)
    if unknown:
        raise InputError(
            f"design: fields.{unknown[0]}", "is no field of a study", f"one of {', '.join(sorted(known))}"
        )
    return design.fields


def add_part(study: Study, key: str, values: Mapping[str, Any], where: str) -> None:
    """Add a hypothesis, a rule or texts to a draft; ``InputError`` names the field that is wrong."""
    model = part_models().get(key)
    if model is None:
        raise InputError(f"design: {where}", "is no part of a study", f"one of {', '.join(part_models())}")
    known = {field.name for field in editable_fields(model)}
    if unknown := sorted(set(values) - known):
        raise InputError(
            f"design: {where}.{unknown[0]}", "is not known", f"one of {', '.join(sorted(known))}"
        )
    row = model(study=study, **values)
    try:
        row.full_clean()
    except ValidationError as error:
        problems = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        raise InputError(f"design: {where}", problems) from error
    row.save(force_insert=True)
