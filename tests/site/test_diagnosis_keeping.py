"""Pictures of diagnoses go when their days are over; reports stay, and what others still keep."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from almond.files.writing import write_atomically
from generation import services
from generation.diagnoses import KEPT_DAYS, Diagnosis, picture_root
from jobs.services import enqueue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    return tmp_path


def diagnosis(
    name: str, *digests: str, days_ago: float = 0.0, keep_days: int | None = KEPT_DAYS
) -> Diagnosis:
    """A finished diagnosis with its pictures on the disk."""
    row = Diagnosis.objects.create(name=name, keep_days=keep_days)
    for digest in digests:
        write_atomically(path_of(digest), b"picture")
    services.finish_diagnosis(
        diagnosis=row, folder=f"diagnosis-{row.pk}", verdict="good", result={}, by=None, pictures=digests
    )
    Diagnosis.objects.filter(pk=row.pk).update(finished_at=timezone.now() - timedelta(days=days_ago))
    row.refresh_from_db()
    return row


def path_of(digest: str) -> Path:
    return picture_root() / digest[:2] / f"{digest}.png"


def there() -> set[str]:
    return {path.stem for path in picture_root().rglob("*.png")}


def test_pictures_whose_days_are_over_go_unless_another_diagnosis_keeps_them() -> None:
    over = diagnosis("over", "aa1", "aa2", "bb1", days_ago=KEPT_DAYS + 1)
    diagnosis("new", "bb1", days_ago=KEPT_DAYS - 1)
    diagnosis("for ever", "cc1", days_ago=900, keep_days=None)
    diagnosis("short", "dd1", days_ago=2, keep_days=1)
    write_atomically(path_of("ee1"), b"of one that was stopped")
    assert services.prune_pictures(dry_run=True) == 3
    assert there() == {"aa1", "aa2", "bb1", "cc1", "dd1", "ee1"}
    out = io.StringIO()
    call_command("prune", stdout=out)
    assert "3 pictures of diagnoses removed" in out.getvalue()
    assert there() == {"bb1", "cc1", "ee1"}
    over.refresh_from_db()
    assert (over.pictures, over.verdict, over.folder) == ([], "good", f"diagnosis-{over.pk}")
    assert services.prune_pictures() == 0


def test_nothing_goes_while_a_diagnosis_waits_or_runs() -> None:
    diagnosis("over", "aa1", days_ago=KEPT_DAYS + 1)
    job = enqueue(kind="generation.diagnose", arguments={}, by=None)
    assert services.prune_pictures() == 0
    assert there() == {"aa1"}
    type(job).objects.filter(pk=job.pk).update(state="cancelled", finished_at=timezone.now())
    assert services.prune_pictures() == 1
