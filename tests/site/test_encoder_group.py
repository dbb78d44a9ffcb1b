"""Models of all subjects at once, and statistics over subjects as jobs with a report for staff."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.urls import reverse

from accounts.models import User
from almond.rng import generator
from encoder import services
from encoder.models import Encoder, EncoderReport
from jobs.models import Job
from jobs.services import run_now
from tests.site.encoder_rows import FEATURES, SETTINGS, add_encoder, bare_encoder, write_bids

pytestmark = pytest.mark.django_db
ADD = "admin:encoder_encoderreport_add"
SUBJECTS = ["01", "02", "03", "04"]


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    return write_bids(tmp_path / "bids", subjects=SUBJECTS)


def finished(job: Job | None) -> Job:
    assert job is not None
    ended = run_now(job)
    assert ended.state == "done", f"{ended.error} {ended.traceback}"
    return ended


@pytest.fixture
def fitted(root: Path) -> Encoder:
    encoder = add_encoder(root, config={**SETTINGS, "null_control": {"features": 4}})
    for job in services.start_fit(encoder=encoder, by=None):
        finished(job)
    return encoder


def test_a_shared_model_is_one_job_for_all_subjects(root: Path) -> None:
    settings = {**SETTINGS, "shared": {"dimensions": 4}, "null_control": False}
    encoder = add_encoder(root, model="shared", config=settings)
    jobs = services.start_fit(encoder=encoder, by=None)
    assert [job.kind for job in jobs] == ["encoder.fit_group"]
    assert services.start_fit(encoder=encoder, by=None)[0].pk == jobs[0].pk
    finished(jobs[0])
    assert encoder.versions.count() == 2 * len(SUBJECTS)
    before = set(encoder.versions.values_list("digest", flat=True))
    finished(services.start_fit(encoder=encoder, by=None)[0])
    assert set(encoder.versions.values_list("digest", flat=True)) == before
    assert encoder.versions.count() == 2 * len(SUBJECTS)


@pytest.mark.slow
def test_a_flow_model_gives_versions_in_one_folder(root: Path) -> None:
    small = {"epochs": 2, "flow_epochs": 1, "width": 2, "hidden": 4, "kernel": 6, "samples": 2, "steps": 2}
    encoder = add_encoder(
        root, model="flow", config={**SETTINGS, "components": 2, "null_control": False, "flow": small}
    )
    finished(services.start_fit(encoder=encoder, by=None)[0])
    assert encoder.versions.count() == 2 * len(SUBJECTS)
    assert len(set(encoder.versions.values_list("digest", flat=True))) == 1
    finished(services.start_drawing(encoder=encoder, subject="01", by=None))
    assert all((one.pictures / "slices.png").is_file() for one in encoder.versions.filter(subject="01"))


def test_a_group_evaluation_is_written_and_read(fitted: Encoder, staff_client: Any, client: Any) -> None:
    form = {
        "name": "over all",
        "encoder": fitted.pk,
        "kind": "evaluation",
        "subregions": "LB, CM",
        "fdr": "0.1",
        "further": "least_subjects: 3",
    }
    page = staff_client.post(reverse(ADD), form)
    assert page.status_code == 302, page.context["adminform"].form.errors
    report = EncoderReport.objects.get()
    assert report.config == {"evaluation": {"subregions": ["LB", "CM"], "fdr": 0.1, "least_subjects": 3}}
    read = reverse("admin:encoder_encoderreport_read", args=[report.pk])
    assert staff_client.get(read).status_code == 404
    finished(report.job)
    report.refresh_from_db()
    assert len(report.sources) == 2 * len(SUBJECTS)
    text = staff_client.get(read).content.decode()
    assert "<svg" in text
    row = staff_client.get(reverse("admin:encoder_encoderreport_change", args=[report.pk]))
    assert "Read the report" in row.content.decode()

    file = reverse("admin:encoder_encoderreport_file", args=[report.pk, "result.json"])
    answer = staff_client.get(file)
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer.getvalue().startswith(b"{")
    for name in ("../../secret_key", "%2e%2e/%2e%2e/secret_key", "no.csv"):
        assert staff_client.get(file.replace("result.json", name)).status_code == 404
    client.force_login(User.objects.create_user("other", password="a long enough password", is_staff=True))
    assert [client.get(address).status_code for address in (read, file)] == [403, 403]
    client.logout()
    assert [client.get(address).status_code for address in (read, file)] == [302, 302]


def test_a_report_is_written_again_from_what_is_fitted_now(fitted: Encoder, staff_client: Any) -> None:
    report = services.start_report(name="r", encoder=fitted, kind="evaluation", settings={}, by=None)
    finished(report.job)
    address = reverse("admin:encoder_encoderreport_again", args=[report.pk])
    assert staff_client.post(address).status_code == 302
    report.refresh_from_db()
    finished(report.job)
    assert Job.objects.filter(kind="encoder.evaluate").count() == 2


@pytest.fixture
def norms(tmp_path: Path) -> dict[str, Path]:
    """Norms of 40 images, and a table of their features."""
    rng = generator(3, "norms")
    names = [f"image{number:02d}" for number in range(40)]
    values = rng.normal(size=(40, FEATURES))
    table = pd.DataFrame(values, columns=[f"f{n}" for n in range(FEATURES)])
    table.insert(0, "stim_file", names)
    table.to_csv(tmp_path / "image_features.csv", index=False)
    valence = np.clip(4 + values[:, 0], 1, 7)
    arousal = np.clip(4 + rng.normal(size=40), 1, 7)
    pd.DataFrame({"name": names, "v": valence, "a": arousal}).to_csv(tmp_path / "norms.csv", index=False)
    return {"norms": tmp_path / "norms.csv", "features": tmp_path / "image_features.csv"}


def test_a_validation_on_norms_is_written(fitted: Encoder, staff_client: Any, norms: dict[str, Path]) -> None:
    form = {
        "name": "on norms",
        "encoder": fitted.pk,
        "kind": "validation",
        "set_name": "ours",
        "norms": str(norms["norms"]),
        "column": "name",
        "valence": "v",
        "arousal": "a",
        "low_level": "none",
        "control": "CM",
        "further": f"features: {norms['features']}\npermutations: 0\nvoxelwise: false\ndeciles: 4",
    }
    page = staff_client.post(reverse(ADD), form)
    assert page.status_code == 302, page.context["adminform"].form.errors
    report = EncoderReport.objects.get()
    finished(report.job)
    text = staff_client.get(reverse("admin:encoder_encoderreport_read", args=[report.pk])).content.decode()
    assert "valence" in text


def test_weights_of_others_are_validated_too(root: Path, norms: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "betas"
    folder.mkdir()
    for subject in SUBJECTS:
        for place, region in enumerate(("LB", "CM")):
            values = generator(7, "betas", subject, region).normal(size=FEATURES) + place
            text = "\n".join(["Var1", *(repr(float(value)) for value in values), ""])
            (folder / f"meanbeta_sub-{subject}_{region}_mine.csv").write_text(text)
    space = services.create_feature_space(name="t", kind="table", path=norms["features"], by=None)
    encoder = services.import_weights(
        name="theirs", folder=folder, feature_space=space, suffix="mine", by=None
    )
    finished(Job.objects.get(kind="encoder.import_betas"))
    columns = {"norms": str(norms["norms"]), "name": "name", "valence": "v", "arousal": "a"}
    settings = {
        "sets": {"ours": columns},
        "features": str(norms["features"]),
        "low_level": "none",
        "permutations": 0,
        "deciles": 4,
    }
    report = services.start_report(
        name="theirs", encoder=encoder, kind="validation", settings=settings, by=None
    )
    finished(report.job)
    report.refresh_from_db()
    assert (report.folder / "report.html").is_file()


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"subregions": "LB"}, "subregions", "two or more"),
        ({"subregions": "LB, XX"}, "subregions", "XX is no region; known are LB, CM"),
        ({"whole": "XX"}, "whole", "XX is no region; known are LB, CM"),
        ({"fdr": "2"}, "fdr", "not a number below 1"),
        ({"splits": "10"}, "splits", "there is no whole region to split"),
        ({"further": "fdrr: 1"}, "further", "did you mean fdr?"),
        ({"kind": "validation"}, "norms", "is missing"),
        ({"kind": "validation", "norms": "/no.csv"}, "norms", "file not found"),
        ({"kind": "validation", "images": "/no"}, "images", "folder not found"),
        ({"name": "taken"}, "name", "is the name of another report"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    staff_client: Any, root: Path, given: dict[str, str], field: str, words: str
) -> None:
    encoder = add_encoder(root)
    EncoderReport.objects.create(name="taken", encoder=encoder)
    for subject in SUBJECTS:
        for region in encoder.regions.all():
            services.record_version(
                encoder=encoder,
                subject=subject,
                region=region,
                model="pls",
                digest=f"{subject}{region.pk}".ljust(64, "0"),
                path="/nowhere",
                metrics={},
                job=None,
                by=None,
            )
    page = staff_client.post(
        reverse(ADD), {"name": "new", "encoder": encoder.pk, "kind": "evaluation", **given}
    )
    assert page.status_code == 200
    found = page.context["adminform"].form.errors
    assert any(words in text for text in found.get(field, [])), found
    assert EncoderReport.objects.count() == 1


def test_one_subject_is_no_group(staff_client: Any) -> None:
    encoder = bare_encoder()
    encoder.versions.exclude(subject="01").delete()
    page = staff_client.post(reverse(ADD), {"name": "new", "encoder": encoder.pk, "kind": "evaluation"})
    assert "two or more subjects" in page.content.decode()
