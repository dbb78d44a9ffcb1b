"""The form of an encoder: presets, every setting at its field, and weights that were fitted elsewhere."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse

from almond.encoding.artifacts.artifact import load_artifact
from encoder import services
from encoder.models import Dataset, Encoder, FeatureSpace
from encoder.services.fit_settings import settings_of
from jobs.models import Job
from jobs.services import run_now
from tests.site.encoder_rows import add_dataset, write_bids

pytestmark = pytest.mark.django_db
ADD = "admin:encoder_encoder_add"


@pytest.fixture
def form(tmp_path: Path, settings: Any) -> dict[str, Any]:
    """What is sent for a sound encoder."""
    settings.ALMOND_HOME = tmp_path / "home"
    dataset = add_dataset(write_bids(tmp_path / "bids"))
    space = services.create_feature_space(
        name="table", kind="table", path=f"{dataset.root}/features.csv", by=None
    )
    return {
        "name": "made",
        "of_dataset": dataset.pk,
        "feature_space": space.pk,
        "model": "pls",
        "regions": [region.pk for region in dataset.regions.all()],
    }


def errors(page: Any) -> dict[str, list[str]]:
    assert page.status_code == 200
    return {name: list(found) for name, found in page.context["adminform"].form.errors.items()}


def test_the_form_explains_presets_and_warns(staff_client: Any) -> None:
    text = staff_client.get(reverse(ADD)).content.decode()
    assert "Use it to reproduce, not to draw conclusions." in text
    assert "paper-subregions: subregions of the amygdala, as published" in text


def test_empty_fields_mean_what_is_usual(staff_client: Any, form: dict[str, Any]) -> None:
    page = staff_client.post(reverse(ADD), form)
    assert page.status_code == 302, errors(page)
    found = settings_of(Encoder.objects.get())
    assert (found.folds, found.gap, found.crossvalidation, found.null_control) == (5, 10.0, "blocks", 300)
    assert found.components[-1] == 20


def test_a_preset_brings_its_own_numbers(staff_client: Any, form: dict[str, Any]) -> None:
    page = staff_client.post(reverse(ADD), {**form, "preset": "paper-amygdala", "gap": "4"})
    assert page.status_code == 302, errors(page)
    encoder = Encoder.objects.get()
    assert encoder.config == {"preset": "paper-amygdala", "gap": 4.0}
    found = settings_of(encoder)
    assert (found.components, found.crossvalidation, found.order) == ((20,), "random", "paper-amygdala")
    assert (found.detrend, found.standardise, found.gap) == ("none", False, 4.0)


def test_every_field_becomes_a_setting(staff_client: Any, form: dict[str, Any]) -> None:
    filled = {
        **form,
        "crossvalidation": "runs",
        "hrf": "fir",
        "delays": "2, 4",
        "high_pass": "0.0078",
        "confounds": "trans_*, csf",
        "confound_path": "conf/{subject}_{run}.tsv",
        "censor": "censor/{subject}_{run}.txt",
        "censor_mode": "drop",
        "null_control": "0",
        "permutations": "5",
        "repeats": "stim_file",
        "standardise": "no",
        "detrend": "none",
        "target": "mean",
        "further": "penalties: [1, 10]\nseed: 3",
    }
    page = staff_client.post(reverse(ADD), filled)
    assert page.status_code == 302, errors(page)
    found = settings_of(Encoder.objects.get())
    assert (found.hrf, found.delays, found.high_pass, found.target) == ("fir", (2.0, 4.0), 0.0078, "mean")
    assert found.confounds is not None
    assert found.confounds.columns == ("trans_*", "csf")
    assert found.censor is not None
    assert (found.censor.mode, found.null_control, found.permutations) == ("drop", 0, 5)
    assert found.repeats is not None
    assert (found.repeats.by, found.standardise, found.seed) == ("stim_file", False, 3)
    assert found.penalties == (1.0, 10.0)


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"hrf": "fir"}, "delays", "hrf: fir needs delays"),
        ({"hrf": "fir", "delays": "soon"}, "delays", "numbers separated by commas"),
        ({"hrf": "spm+derivative", "order": "paper-amygdala"}, "hrf", "defined for spm only"),
        ({"high_pass": "-1"}, "high_pass", "not a number above 0"),
        ({"model": "banded"}, "model", "needs several feature spaces"),
        ({"censor": "x_{subject}.txt"}, "censor_mode", "is not selected"),
        ({"further": "penalties: [0]"}, "further", "penalties[0]: is 0"),
        ({"further": "penalty: 3"}, "further", "did you mean penalties?"),
        ({"further": "a: b: c"}, "further", "is not YAML"),
        ({"further": "just words"}, "further", "is not a mapping"),
        ({"further": "dataset: /x"}, "of_dataset", "is decided by the encoder itself"),
        ({"further": "folds: 3", "folds": "4"}, "further", "folds has a field of its own"),
        ({"further": "evaluation: {}"}, "further", "is decided by the encoder itself"),
        ({"regions": []}, "regions", "none is selected"),
        ({"of_dataset": ""}, "of_dataset", "This field is required."),
        ({"more_spaces": "own"}, "more_spaces", "are for banded ridge"),
    ],
)
def test_every_error_is_said_at_its_field(
    staff_client: Any, form: dict[str, Any], given: dict[str, Any], field: str, words: str
) -> None:
    if given.get("more_spaces"):
        given = {"more_spaces": [form["feature_space"]]}
    found = errors(staff_client.post(reverse(ADD), {**form, **given}))
    assert any(words in text for text in found.get(field, [])), found
    assert not Encoder.objects.exists()


def test_all_errors_are_said_at_once(staff_client: Any, form: dict[str, Any]) -> None:
    given = {"high_pass": "-1", "hrf": "fir", "further": "penalties: [0]\nseed: -1"}
    found = errors(staff_client.post(reverse(ADD), {**form, **given}))
    assert set(found) == {"high_pass", "delays", "further"}
    assert len(found["further"]) == 2


# ---- weights in files


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Files as the published analysis names and writes them, of two subjects and two regions."""
    folder = tmp_path / "betas"
    folder.mkdir()
    for subject in ("1", "10"):
        for place, region in enumerate(("LB", "Amygdala_CM_")):
            values = np.arange(4) + place + int(subject) / 100
            text = "\n".join(["Var1", *(repr(float(value)) for value in values), ""])
            (folder / f"meanbeta_sub-{subject}_{region}_fc7_invert_imageFeatures.csv").write_text(text)
    return folder


def imported_form(space: int, folder: Path) -> dict[str, Any]:
    return {
        "name": "theirs",
        "model": "imported",
        "feature_space": space,
        "weights_folder": str(folder),
        "region_names": "CM = Amygdala_CM_",
    }


def test_weights_of_others_become_versions_and_leave_again(
    staff_client: Any, form: dict[str, Any], weights: Path
) -> None:
    page = staff_client.post(reverse(ADD), imported_form(form["feature_space"], weights))
    assert page.status_code == 302, errors(page)
    encoder = Encoder.objects.get()
    assert (encoder.dataset.kind, encoder.subjects) == ("weights", ["1", "10"])
    job = run_now(Job.objects.get(kind="encoder.import_betas"))
    assert job.state == "done", job.error
    found = {(one.subject, one.region.name): one for one in encoder.versions.all()}
    assert set(found) == {(subject, region) for subject in ("1", "10") for region in ("LB", "CM")}
    artifact = load_artifact(Path(found["10", "CM"].path))
    np.testing.assert_array_equal(artifact.mean_weights, np.arange(4) + 1 + 0.1)
    for name, pk in (("encoder", encoder.pk), ("encoderversion", found["1", "LB"].pk)):
        assert staff_client.get(reverse(f"admin:encoder_{name}_change", args=[pk])).status_code == 200
    answer = staff_client.get(reverse("admin:encoder_encoder_betas", args=[encoder.pk]))
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as archive:
        original = (weights / "meanbeta_sub-1_LB_fc7_invert_imageFeatures.csv").read_bytes()
        assert archive.read("meanbeta_sub-1_LB_fc7_invert_imageFeatures.csv") == original
        assert len(archive.namelist()) == 4
    assert Dataset.objects.filter(kind="weights").count() == 1
    staff_client.post(reverse("admin:encoder_encoder_fit", args=[encoder.pk]))
    assert Job.objects.filter(kind="encoder.import_betas").count() == 2
    assert not Job.objects.filter(kind="encoder.fit").exists()


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"weights_folder": "/no"}, "weights_folder", "is not a folder on this server"),
        ({"weights_folder": ""}, "weights_folder", "holds no weights"),
        ({"suffix": "other"}, "weights_folder", "holds no weights"),
        ({"region_names": "CM"}, "region_names", "name = value"),
        ({"name": "tiny"}, "name", "is the name of another encoder or dataset"),
        ({"feature_space": ""}, "feature_space", "This field is required."),
    ],
)
def test_wrong_weights_are_said_at_their_field(
    staff_client: Any, form: dict[str, Any], weights: Path, given: dict[str, str], field: str, words: str
) -> None:
    sent = {**imported_form(form["feature_space"], weights), **given}
    found = errors(staff_client.post(reverse(ADD), sent))
    assert any(words in text for text in found.get(field, [])), found
    assert not Encoder.objects.exists()
    assert FeatureSpace.objects.count() == 1


def test_a_wrong_file_fails_the_job_by_its_name(form: dict[str, Any], weights: Path) -> None:
    (weights / "meanbeta_sub-10_LB_fc7_invert_imageFeatures.csv").write_text("Var1\n1\nmany\n")
    services.import_weights(
        name="theirs",
        folder=weights,
        feature_space=FeatureSpace.objects.get(),
        names={"CM": "Amygdala_CM_"},
        by=None,
    )
    job = run_now(Job.objects.get(kind="encoder.import_betas"))
    assert job.state == "failed"
    assert "meanbeta_sub-10_LB" in job.error
    assert not Encoder.objects.get().versions.exists()
