"""What services allow, refuse and write down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accounts.models import AuditEvent
from almond.errors import InputError
from encoder import services
from encoder.models import Dataset, Encoder, Region
from encoder.services.fit_settings import candidates, settings_of
from jobs.models import Job
from tests.site.encoder_rows import add_dataset, add_encoder, add_target, bare_encoder, digest, write_bids

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_bids(tmp_path / "bids")


def test_adding_a_dataset_is_written_down(root: Path, experimenter: Any) -> None:
    dataset = services.create_dataset(name="tiny", root=root, by=experimenter)
    assert (dataset.subjects, dataset.runs) == (["01", "02"], 4)
    event = AuditEvent.objects.get(subject_type="encoder.dataset")
    assert (event.actor, event.verb) == (experimenter, "create")


def test_a_folder_that_is_not_bids_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset_description\.json"):
        services.create_dataset(name="x", root=tmp_path, by=None)
    assert not Dataset.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_mask_keeps_its_digest(root: Path) -> None:
    dataset = add_dataset(root)
    assert len(dataset.regions.get(name="LB").mask_digest) == 64
    with pytest.raises(InputError, match="is not a NIfTI file"):
        services.add_region(dataset=dataset, name="x", mask_path=root / "features.csv", by=None)


def test_a_feature_table_must_be_a_table(root: Path) -> None:
    with pytest.raises(InputError, match="is not a table of features"):
        services.create_feature_space(name="x", kind="table", path=root / "absent.csv", by=None)


def test_an_encoder_keeps_its_settings(root: Path) -> None:
    encoder = add_encoder(root)
    assert encoder.config["folds"] == 3
    found = settings_of(encoder)
    assert found.components == (1, 2, 3)
    assert set(found.regions) == {"LB", "CM"}
    assert found.gap == 0


@pytest.mark.parametrize(
    ("config", "problem"),
    [({"folds": 1}, "folds"), ({"gap": -1}, "gap"), ({"fold": 3}, "fold"), ({"model": "pls"}, "encoder")],
)
def test_settings_that_cannot_be_fitted_are_refused(root: Path, config: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        add_encoder(root, config=config)
    assert not Encoder.objects.exists()


def test_regions_of_another_dataset_are_refused(root: Path, tmp_path: Path) -> None:
    other = services.create_dataset(name="other", root=write_bids(tmp_path / "other"), by=None)
    strange = services.add_region(dataset=other, name="far", mask_path=root / "masks" / "LB.nii.gz", by=None)
    with pytest.raises(InputError, match="far belong to another dataset"):
        add_encoder(root, regions=[strange])
    Region.objects.all().delete()
    Dataset.objects.filter(name="tiny").delete()


def test_candidates_end_with_the_number_asked_for() -> None:
    assert candidates(7) == [1, 2, 3, 4, 6, 7]
    assert candidates([2, 5]) == [2, 5]


def test_fit_is_one_job_per_subject_and_a_double_click_does_nothing_twice(root: Path) -> None:
    encoder = add_encoder(root)
    first = services.start_fit(encoder=encoder, by=None)
    again = services.start_fit(encoder=encoder, by=None)
    assert [job.pk for job in first] == [job.pk for job in again]
    assert [job.arguments["subject"] for job in first] == ["01", "02"]
    assert Job.objects.filter(kind="encoder.fit").count() == 2
    assert [job.pk for job in services.fit_jobs(encoder=encoder)] == [job.pk for job in first]
    with pytest.raises(InputError, match="07 are not in tiny"):
        services.start_fit(encoder=encoder, subjects=["07"], by=None)


def test_a_version_is_kept_once(db: None) -> None:
    encoder = bare_encoder()
    region = encoder.regions.get(name="LB")
    values: dict[str, Any] = {
        "encoder": encoder,
        "subject": "01",
        "region": region,
        "model": "pls",
        "digest": digest(77),
        "path": "/x",
        "metrics": {"heldout_r": {"mean": float("nan")}},
        "job": None,
        "by": None,
    }
    first, again = services.record_version(**values), services.record_version(**values)
    assert first.pk == again.pk
    first.refresh_from_db()
    assert first.metrics == {"heldout_r": {"mean": None}}


def test_a_target_waits_for_its_job(db: None) -> None:
    encoder = bare_encoder()
    target = services.make_target(name="LB", encoder=encoder, subjects=["01"], by=None)
    assert (target.kind, target.coefficients, target.digest) == ("region", {"LB": 1.0}, "")
    assert target.job is not None
    assert target.job.kind == "encoder.make_target"
    assert target.reference == {"kind": "world", "scenes": 400, "seed": 0}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"name": "LB", "subjects": ["99"]}, "LB is not fitted for sub-99"),
        ({"name": "XX"}, "XX is not fitted"),
        ({"name": "two words"}, "cannot head a column"),
        ({"name": "LB_judge"}, "ends like the name of a judge's score"),
        ({"name": "LB", "subjects": []}, "none is selected"),
        ({"name": "LB", "coefficients": {"LB": 0.0}}, "no region has a weight"),
    ],
)
def test_targets_that_cannot_be_made_are_refused(db: None, given: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        services.make_target(encoder=bare_encoder(), by=None, **given)


def test_a_judge_shares_no_subject_with_a_guide(db: None) -> None:
    encoder = bare_encoder()
    add_target(encoder, "LB", "guide")
    with pytest.raises(InputError, match="sub-02 already serve the guide LB"):
        services.make_target(name="CM", role="judge", subjects=["02", "03"], encoder=encoder, by=None)
    judge = services.make_target(name="CM", role="judge", subjects=["03", "04"], encoder=encoder, by=None)
    assert judge.role == "judge"


def test_a_feature_space_cannot_change_unnoticed(db: None) -> None:
    space = bare_encoder().feature_space
    services.note_feature_space(space=space, digest=digest(5), dimension=256, by=None)
    services.note_feature_space(space=space, digest=digest(5), dimension=256, by=None)
    assert AuditEvent.objects.filter(verb="note").count() == 1
    with pytest.raises(InputError, match="changed since it was first used"):
        services.note_feature_space(space=space, digest=digest(6), dimension=256, by=None)
