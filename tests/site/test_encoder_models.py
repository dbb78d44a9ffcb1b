"""Integrity lives in the database: each constraint is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from encoder.models import Dataset, Encoder, EncoderVersion, FeatureSpace, Target, read_heldout
from tests.site.encoder_rows import add_target, bare_encoder, digest

pytestmark = pytest.mark.django_db


@pytest.fixture
def encoder() -> Encoder:
    return bare_encoder()


def refused(constraint: str, make: Callable[[], Any]) -> None:
    """``make`` fails in the database; SQLite names the constraint only where it is a check."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        make()
    text = str(caught.value)
    assert constraint in text or "UNIQUE constraint failed" in text


def test_a_dataset_has_a_folder(db: None) -> None:
    refused("dataset_has_a_folder", lambda: Dataset.objects.create(name="x", root=""))


def test_a_region_is_named_once_per_dataset(encoder: Encoder) -> None:
    make = encoder.dataset.regions.create
    refused("region_named_once_per_dataset", lambda: make(name="LB", mask_path="/x", mask_digest=digest(9)))


@pytest.mark.parametrize(("kind", "path"), [("world", "/x.csv"), ("table", ""), ("other", "/x.csv")])
def test_only_a_table_has_a_file(kind: str, path: str) -> None:
    refused("only_a_table_has_a_file", lambda: FeatureSpace.objects.create(name="x", kind=kind, path=path))


def test_an_artifact_is_kept_once_per_encoder_and_named(encoder: Encoder) -> None:
    first = encoder.versions.first()
    assert first is not None
    values = {"subject": "01", "region": first.region, "model": "pls", "path": "/x"}
    make = EncoderVersion.objects.create
    refused("artifact_once_per_encoder", lambda: make(encoder=encoder, digest=first.digest, **values))
    refused("version_has_a_digest", lambda: make(encoder=encoder, digest="", **values))
    twin = Encoder.objects.create(name="twin", dataset=encoder.dataset, feature_space=encoder.feature_space)
    assert make(encoder=twin, digest=first.digest, **values).pk


def test_a_target_is_named_once_per_role(encoder: Encoder) -> None:
    add_target(encoder, "LB", "guide", 1)
    add_target(encoder, "LB", "judge", 2)
    refused("target_named_once_per_role", lambda: add_target(encoder, "LB", "guide", 3))


@pytest.mark.parametrize(("number", "path"), [(digest(1), ""), ("", "/x.json")])
def test_a_target_is_made_or_not(encoder: Encoder, number: str, path: str) -> None:
    refused(
        "target_is_made_or_not",
        lambda: Target.objects.create(name="LB", encoder=encoder, digest=number, path=path),
    )


def test_scores_of_judges_have_a_name_of_their_own(encoder: Encoder) -> None:
    assert add_target(encoder, "LB", "guide", 1).score_name == "LB"
    assert add_target(encoder, "LB", "judge", 2).score_name == "LB_judge"


def test_ready_targets_are_those_with_weights(encoder: Encoder) -> None:
    made = add_target(encoder, "LB", "guide", 1)
    Target.objects.create(name="CM", encoder=encoder)
    judge = add_target(encoder, "LB", "judge", 2)
    assert list(Target.objects.guides()) == [made]
    assert list(Target.objects.judges()) == [judge]


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [({"heldout_r": {"mean": 0.5}}, 0.5), ({"heldout_r": 0.25}, 0.25), ({}, None), ({"heldout_r": {}}, None)],
)
def test_heldout_r_is_read_from_the_metrics(metrics: dict[str, Any], expected: float | None) -> None:
    assert read_heldout(metrics) == expected
