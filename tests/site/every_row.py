"""Rows of every kind, several of each, so that each list of choices in the admin has something to choose."""

from __future__ import annotations

from django.utils import timezone

from analysis.models import Export
from encoder.models import Dataset, Encoder, FeatureSpace, Region
from generation.models import Batch, ImageSet, MatchedSet, Recipe
from studies.models import Construct, Study
from tests.site.encoder_rows import bare_encoder, digest
from tests.site.generation_rows import add_recipe, guides, judges


def add_every_row() -> None:
    """At least two rows of each model that a form refers to, made without files where that is possible."""
    encoder = bare_encoder()
    add_encoding_rows(encoder)
    targets = guides(encoder)
    judges(encoder)
    recipes = [add_recipe(targets, name=f"recipe {number}") for number in range(3)]
    add_generation_rows(recipes)
    add_studies()


def add_encoding_rows(encoder: Encoder) -> None:
    for name in ("second", "third"):
        space = FeatureSpace.objects.create(name=name, kind="events")
        dataset = Dataset.objects.create(name=name, root=f"/{name}", subjects=["01"], runs=2)
        Region.objects.create(dataset=dataset, name="V1", mask_path=f"/{name}/V1.nii", mask_digest=digest(90))
        Encoder.objects.create(name=name, dataset=dataset, feature_space=space)


def add_generation_rows(recipes: list[Recipe]) -> None:
    for number in range(3):
        Batch.objects.create(name=f"batch {number}").recipes.set(recipes)
    for number in range(2):
        ImageSet.objects.create(name=f"photographs {number}", folder="/nowhere", imported_at=timezone.now())


def add_studies() -> None:
    frozen = {"state": "frozen", "frozen_at": timezone.now()}
    for number in range(2):
        matched = MatchedSet.objects.create(name=f"matched {number}", **frozen)
        Construct.objects.create(name=f"construct-{number}", question="Which?", low="no", high="yes")
        study = Study.objects.create(
            title=f"study {number}",
            slug=f"study-{number}",
            matched_set=matched,
            plan_digest=digest(number),
            **frozen,
        )
        Export.objects.create(
            study=study, finished_at=timezone.now(), folder=str(number), digest=digest(number)
        )
