"""Maps, comparisons and downloads: right numbers, and for staff only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from django.urls import reverse
from PIL import Image

from almond.rng import generator
from encoder import services
from encoder.models import Encoder, EncoderVersion
from encoder.runs.maps import Background, draw_slices, round_limit
from jobs.models import Job
from jobs.services import run_now
from tests.site.encoder_rows import add_encoder, bare_encoder, write_bids, write_nifti

pytestmark = pytest.mark.django_db


def run_all() -> None:
    while job := Job.objects.filter(state="queued").order_by("pk").first():
        ended = run_now(job)
        assert ended.state == "done", ended.error


def test_downloads_of_what_is_not_there_lead_back(staff_client: Any) -> None:
    encoder = bare_encoder()
    EncoderVersion.objects.all().delete()
    for name in ("betas", "maps"):
        answer = staff_client.get(reverse(f"admin:encoder_encoder_{name}", args=[encoder.pk]), follow=True)
        assert "(expected" in answer.content.decode()


def test_encoders_that_share_nothing_say_so(staff_client: Any) -> None:
    first = bare_encoder()
    second = Encoder.objects.create(name="empty", dataset=first.dataset, feature_space=first.feature_space)
    page = staff_client.get(reverse("admin:encoder_encoder_compare"), {"a": first.pk, "b": second.pk})
    assert "share no fitted region of a subject" in page.content.decode()


def test_the_plot_shows_noise_control_and_ceiling(staff_client: Any) -> None:
    encoder = bare_encoder()
    encoder.versions.update(
        metrics={
            "heldout_r": {"mean": 0.4},
            "null_control": {"heldout_r": 0.3},
            "noise_ceiling": {"r_max": 0.7},
            "warning": "folds of single volumes inflate",
        }
    )
    text = staff_client.get(reverse("admin:encoder_encoder_change", args=[encoder.pk])).content.decode()
    assert text.count('class="al-hollow"') == 12
    assert text.count("noise ceiling: 0.700") == 3
    assert "folds of single volumes inflate" in text


def drawn(path: Path, r: float, centre: tuple[float, float, float]) -> tuple[Any, Any]:
    """Draw one voxel of a brain; return where its colour is on the axial slice, and the slice (h, w, 3)."""
    shape = (20, 24, 16)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-19.0, -23.0, -15.0]
    volume = np.full(shape, np.nan)
    index = np.rint(np.linalg.solve(affine, [*centre, 1.0]))[:3].astype(int)
    volume[tuple(index)] = r
    brain = np.zeros(shape)
    brain[2:-2, 2:-2, 2:-2] = generator(1, "brain").uniform(50, 100, size=(16, 20, 12))
    background = Background(brain, affine, "a brain")
    draw_slices(nibabel.Nifti1Image(volume, affine), background, path, centre=np.array(centre), limit=0.5)
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    axial = pixels[:, int(0.6 * pixels.shape[1]) : int(0.9 * pixels.shape[1])]
    return np.ptp(axial, axis=-1) > 40, axial


def test_a_map_shows_r_in_colour_over_grey_with_left_on_the_left(tmp_path: Path) -> None:
    marked, axial = drawn(tmp_path / "a.png", 0.4, (11.0, 5.0, 3.0))
    grey = (np.ptp(axial, axis=-1) == 0) & (axial[..., 0] > 60)
    assert marked.sum() > 100
    assert grey.sum() > 20 * marked.sum()
    columns, rows = (np.flatnonzero(marked.any(axis=axis)).mean() for axis in (0, 1))
    middle, height = (np.flatnonzero(grey.any(axis=axis)).mean() for axis in (0, 1))
    assert columns > middle + 20
    assert rows < height - 10
    assert (axial[marked][:, 0] > axial[marked][:, 2]).all()
    marked, axial = drawn(tmp_path / "b.png", -0.4, (-11.0, 5.0, 3.0))
    assert np.flatnonzero(marked.any(axis=0)).mean() < middle - 20
    assert (axial[marked][:, 0] < axial[marked][:, 2]).all()


def test_a_voxel_with_r_of_0_is_drawn_too(tmp_path: Path) -> None:
    marked, _ = drawn(tmp_path / "a.png", 0.0, (11.0, 5.0, 3.0))
    assert marked.sum() > 100


def test_the_colour_bar_ends_at_a_round_number() -> None:
    assert round_limit(np.array([0.31, -0.02])) == pytest.approx(0.35)
    assert round_limit(np.array([np.nan])) == 0.05


def test_remarks_stand_on_the_pages_and_in_the_report(
    tmp_path: Path, staff_client: Any, settings: Any
) -> None:
    settings.ALMOND_HOME = tmp_path / "home"
    root = write_bids(tmp_path / "bids")
    func = root / "sub-01" / "func"
    (func / "sub-01_task-scenes_run-1_bold.json").write_text('{"RepetitionTime": 2.0, "StartTime": 1.0}')
    file = func / "sub-01_task-scenes_run-2_bold.nii.gz"
    image: Any = nibabel.load(file)
    values = np.asarray(image.dataobj).copy()
    values[0, 0, 0, 3] = np.nan  # in LB alone
    write_nifti(file, values)
    encoder = add_encoder(root)
    services.start_fit(encoder=encoder, by=None)
    run_all()
    page = staff_client.get(reverse("admin:encoder_encoder_change", args=[encoder.pk])).content.decode()
    late = "task-scenes_run-1: sub-01_task-scenes_run-1_bold.nii.gz stands for 1 s after the start"
    bad = (
        "sub-01_task-scenes_run-2_bold.nii.gz (task-scenes_run-2) holds values that are not numbers in 1 of 8"
    )
    for heading, text in (("Volumes that stand for a later time", late), ("no numbers", bad)):
        assert heading in page
        assert page.count(text) == 1
    for region, shown in (("LB", True), ("CM", False)):
        version = encoder.versions.get(subject="01", region__name=region)
        one = staff_client.get(reverse("admin:encoder_encoderversion_change", args=[version.pk]))
        assert late in one.content.decode()
        assert (bad in one.content.decode()) is shown
    other = encoder.versions.get(subject="02", region__name="LB")
    clean = staff_client.get(reverse("admin:encoder_encoderversion_change", args=[other.pk]))
    assert 'id="remarks"' not in clean.content.decode()
    report = services.start_report(name="group", encoder=encoder, kind="evaluation", settings={}, by=None)
    run_all()
    text = (Path(report.path) / "report.md").read_text()
    assert "## Remarks" in text
    assert "sub-01, task-scenes_run-1: sub-01_task-scenes_run-1_bold.nii.gz" in text
    result = json.loads((Path(report.path) / "result.json").read_text())
    assert [(row["subject"], row["kind"], row["about"]) for row in result["remarks"]] == [
        ("01", "start-time", "task-scenes_run-1"),
        ("01", "bold-values", "LB"),
    ]
