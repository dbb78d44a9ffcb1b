"""Fits and targets as workers make them: real files, real numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.features.tables import load_table
from almond.targets.target import load_target
from encoder import services
from encoder.models import Encoder, EncoderVersion, Target
from jobs.services import run_now
from tests.site.encoder_rows import add_encoder, write_bids

pytestmark = pytest.mark.django_db


@pytest.fixture
def encoder(tmp_path: Path, settings: Any) -> Encoder:
    settings.ALMOND_HOME = tmp_path / "home"
    return add_encoder(write_bids(tmp_path / "bids"))


def fit_all(encoder: Encoder) -> None:
    for job in services.start_fit(encoder=encoder, by=None):
        ended = run_now(job)
        assert ended.state == "done", ended.error


def test_a_fit_recovers_the_mixture_and_runs_once(encoder: Encoder) -> None:
    fit_all(encoder)
    versions = list(EncoderVersion.objects.all())
    assert {(one.subject, one.region.name) for one in versions} == {
        (subject, region) for subject in ("01", "02") for region in ("LB", "CM")
    }
    assert all(one.heldout_r is not None and one.heldout_r > 0.8 for one in versions)
    artifact = load_artifact(Path(versions[0].path))
    assert artifact.digest == versions[0].digest
    before = {path: path.stat().st_mtime_ns for path in Path(versions[0].path).iterdir()}
    fit_all(encoder)
    assert EncoderVersion.objects.count() == len(versions)
    assert {path: path.stat().st_mtime_ns for path in Path(versions[0].path).iterdir()} == before


def test_a_changed_mask_is_noticed(encoder: Encoder) -> None:
    region = encoder.regions.get(name="CM")
    Path(region.mask_path).write_bytes(Path(encoder.regions.get(name="LB").mask_path).read_bytes())
    job = run_now(services.start_fit(encoder=encoder, by=None, subjects=["01"])[0])
    assert job.state == "failed"
    assert "CM.nii.gz" in job.error
    assert "it was changed" in job.error
    assert not EncoderVersion.objects.exists()


def test_a_corrupt_run_is_named(encoder: Encoder) -> None:
    bold = next(Path(encoder.dataset.root).glob("sub-01/func/*run-2_bold.nii.gz"))
    bold.write_bytes(bold.read_bytes()[:200])
    job = run_now(services.start_fit(encoder=encoder, by=None, subjects=["01"])[0])
    assert job.state == "failed"
    assert bold.name in job.error
    assert not EncoderVersion.objects.exists()


def make(encoder: Encoder, **given: Any) -> Target:
    target = services.make_target(encoder=encoder, by=None, **given)
    assert target.job is not None
    job = run_now(target.job)
    assert job.state == "done", job.error
    target.refresh_from_db()
    return target


def test_targets_are_standardised_means_of_weights(encoder: Encoder) -> None:
    fit_all(encoder)
    target = make(encoder, name="LB")
    made = load_target(Path(target.path))
    assert made.digest == target.digest
    artifacts = [
        load_artifact(Path(version.path)) for version in EncoderVersion.objects.filter(region__name="LB")
    ]
    expected = np.mean([artifact.weights.mean(axis=1) for artifact in artifacts], axis=0)
    np.testing.assert_allclose(made.weights, expected, rtol=1e-12)
    reference = load_table(Path(encoder.feature_space.path)).values @ expected
    assert made.mean == pytest.approx(reference.mean())
    assert made.sd == pytest.approx(reference.std(ddof=1))
    assert target.sources == sorted(artifact.digest for artifact in artifacts)


def test_a_contrast_weighs_standardised_regions(encoder: Encoder) -> None:
    fit_all(encoder)
    parts = {name: load_target(Path(make(encoder, name=name).path)) for name in ("LB", "CM")}
    target = make(encoder, name="LBminusCM", coefficients={"LB": 1.0, "CM": -0.5})
    made = load_target(Path(target.path))
    expected = parts["LB"].weights / parts["LB"].sd - 0.5 * parts["CM"].weights / parts["CM"].sd
    np.testing.assert_allclose(made.weights, expected, rtol=1e-12)
    assert target.kind == "contrast"


def test_a_made_target_is_not_made_again(encoder: Encoder) -> None:
    fit_all(encoder)
    target = make(encoder, name="LB", subjects=["01"])
    with pytest.raises(Exception, match="is computed already"):
        services.ask_for_target(target=target, by=None)
