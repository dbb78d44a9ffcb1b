"""Real photographs with real norms: OASIS, where a copy of it is at hand (``ALMOND_REAL_DATA``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from generation import services
from jobs.services import run_now

DATA = Path(os.environ.get("ALMOND_REAL_DATA", Path(__file__).parents[3] / "shared" / "data")) / "oasis"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the OASIS photographs: set ALMOND_REAL_DATA"),
]


def test_oasis_is_brought_in_with_its_norms(tmp_path: Path, settings: Any) -> None:
    """The norms file has bare CR line ends and rows for photographs that are not here."""
    settings.ALMOND_HOME, settings.DATA_ROOTS = tmp_path, [DATA]
    assert b"\n" not in (DATA / "OASIS.csv").read_bytes()
    image_set = services.import_image_set(
        name="OASIS", folder=DATA / "images", norms=DATA / "OASIS.csv", theme_column="Theme", by=None
    )
    assert image_set.job is not None
    job = run_now(image_set.job)
    assert job.state == "done", job.error
    image_set.refresh_from_db()
    assert image_set.stimuli.count() == len(list((DATA / "images").glob("*.jpg")))
    assert {"Valence_mean", "Arousal_mean"} <= set(image_set.norms)
    acorns = image_set.stimuli.get(name="Acorns 1.jpg")
    assert acorns.norms["Valence_mean"] == pytest.approx(4.68627451)
    assert acorns.path.read_bytes() == (DATA / "images" / "Acorns 1.jpg").read_bytes()
    assert "have no image here" in job.log
    themes = {image.theme for image in image_set.stimuli.all()}
    assert len(themes) < image_set.stimuli.count()
    assert acorns.theme == "acorns"
    assert f"{len(themes)} themes of" in job.log
