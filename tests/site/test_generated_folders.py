"""Folders that ``python -m almond generate`` wrote, taken in by the site: verified, refused, resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from almond.digest import digest_bytes, digest_json
from almond.errors import Cancelled, DigestMismatch, InputError
from almond.generating.expand import GuidanceGrid, recipes_of_scene
from almond.generating.folder import ImageRecord, Manifest, begin_folder, write_record
from almond.stimuli.images import png_bytes
from almond.stimuli.lowlevel import measure
from encoder.models import Target
from generation import services
from generation.models import Batch, Stimulus
from jobs.models import Job
from jobs.services import run_now
from tests.site.encoder_rows import bare_encoder, digest
from tests.site.generation_rows import guides, judges, picture

pytestmark = pytest.mark.django_db

MADE_BY = "/models/sdxl"
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    settings.DATA_ROOTS = [tmp_path]
    return tmp_path


@pytest.fixture
def targets() -> dict[str, dict[str, str]]:
    encoder = bare_encoder()
    by_role = {"targets": guides(encoder)[:2], "judges": judges(encoder)[:2]}
    return {role: {row.score_name: row.digest for row in rows} for role, rows in by_role.items()}


@pytest.fixture
def write(home: Path, targets: dict[str, dict[str, str]]) -> Write:
    """Write a folder as ``generate`` does: two scenes of five images, or one of two shards."""

    def write_folder(name: str, *, shard: int | None = None, **changes: Any) -> Path:
        grid = GuidanceGrid(steps=4, strengths=(0.1,), window=(0.0, 0.5), objectives=("contrast",))
        planned = [
            image
            for seed in (1, 2)
            for image in recipes_of_scene(
                "a room",
                seed,
                grid,
                generator=MADE_BY,
                generator_digest=digest(7),
                targets=list(targets["targets"]),
                target_digests=targets["targets"],
            )
        ]
        values: dict[str, Any] = {
            "generator": MADE_BY,
            "generator_digest": digest(7),
            **targets,
            "images": len(planned),
            "recipes": digest_json([image.recipe.digest for image in planned]),
        }
        manifest = Manifest(**{**values, **changes})
        folder = home / "cluster" / name
        begin_folder(folder, manifest)
        for number, image in enumerate(planned):
            if shard is None or image.recipe.seed == shard:
                pixels = picture(number)
                png = png_bytes(pixels)
                scores = {score: float(number) for score in manifest.score_digests}
                record = ImageRecord(
                    image.recipe,
                    image.target,
                    image.objective,
                    digest_bytes(png),
                    16,
                    16,
                    scores,
                    manifest.score_digests,
                    measure(pixels),
                    [{"step": 0, "alpha_bar": 0.1, "strength": 0.0}],
                )
                write_record(folder, record, png)
        return folder

    return write_folder


def taken_in(folder: Path, name: str = "cluster") -> Batch:
    batch = services.import_batch(name=name, folder=folder, by=None)
    assert batch.job is not None
    ended = run_now(batch.job)
    assert ended.state == "done", ended.error + ended.traceback
    batch.refresh_from_db()
    return batch


def refused(folder: Path) -> str:
    batch = services.import_batch(name="refused", folder=folder, by=None)
    assert batch.job is not None
    ended = run_now(batch.job)
    assert ended.state == "failed"
    assert not batch.stimuli.exists()
    return ended.error


def test_a_folder_becomes_a_batch_with_its_provenance(write: Write, targets: Any) -> None:
    folder = write("joined")
    batch = taken_in(folder)
    assert (batch.planned, batch.stimuli.count()) == (10, 10)
    assert {row.score_name for row in batch.judges.all()} == set(targets["judges"])
    assert {row.name for row in batch.guides()} == {"LB", "CM"}
    batch.refresh_from_db()
    assert batch.objectives == {"contrast"}
    for row in batch.stimuli.all():
        record = json.loads((folder / "images" / f"{row.recipe_digest}.json").read_bytes())
        assert row.path.read_bytes() == (folder / "images" / f"{row.recipe_digest}.png").read_bytes()
        assert (row.digest, row.scores, row.lowlevel, row.trace) == tuple(
            record[name] for name in ("image_sha256", "scores", "lowlevel", "trace")
        )
        assert row.score_digests == {**targets["targets"], **targets["judges"]}
        assert row.recipe_json == record["recipe"]
        assert row.intended_target == record["intended_target"]
    assert batch.stimuli.bases().count() == 2


def test_shards_come_in_as_they_are_there(write: Write, home: Path) -> None:
    write("shards/1", shard=1)
    batch = taken_in(home / "cluster" / "shards")
    assert batch.stimuli.count() == 5
    assert batch.job is not None
    batch.job.refresh_from_db()
    assert "5 of 10 images are not in" in batch.job.log
    before = dict(Stimulus.objects.values_list("pk", "digest"))
    write("shards/2", shard=2)
    services.resume_batch(batch=batch, by=None)
    assert batch.job is not None
    assert run_now(batch.job).result == {"images": 10, "folders": 2}
    assert batch.stimuli.count() == 10
    assert before.items() <= dict(Stimulus.objects.values_list("pk", "digest")).items()


def test_a_stopped_job_stores_no_row_and_goes_on(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    keep = services.keep_bytes

    def keep_three(data: bytes, suffix: str) -> str:
        if len(kept) == 3:
            raise Cancelled("stop")
        kept.append(keep(data, suffix))
        return kept[-1]

    batch = services.import_batch(name="cluster", folder=write("joined"), by=None)
    monkeypatch.setattr(services, "keep_bytes", keep_three)
    assert batch.job is not None
    assert run_now(batch.job).state == "cancelled"
    monkeypatch.undo()
    assert not Stimulus.objects.exists()
    services.resume_batch(batch=batch, by=None)
    assert batch.job is not None
    assert run_now(batch.job).state == "done"
    assert batch.stimuli.count() == 10


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"targets": {"LB": digest(1000), "CM": digest(99)}},
            f"guide CM, digest {digest(99)[:12]}, which is not",
        ),
        ({"targets": {"LB": digest(1000), "V1": digest(1001)}}, "there is none of that name"),
        ({"judges": {"LB_judge": digest(98)}}, "judge LB_judge"),
    ],
)
def test_a_target_of_another_lab_is_refused_before_anything(
    write: Write, changes: dict[str, Any], problem: str
) -> None:
    folder = write("joined", **changes)
    with pytest.raises(InputError, match=problem):
        services.import_batch(name="cluster", folder=folder, by=None)
    assert not Batch.objects.exists()
    assert not Job.objects.exists()


def test_shards_of_another_generator_are_refused(write: Write, home: Path) -> None:
    write("shards/1", shard=1)
    write("shards/2", shard=2, generator_digest=digest(8))
    with pytest.raises(DigestMismatch, match="generator"):
        services.import_batch(name="cluster", folder=home / "cluster" / "shards", by=None)


def test_another_version_of_an_embedded_generator_is_refused(write: Write) -> None:
    assert "generator analytic" in refused(write("joined", generator="analytic"))


@pytest.mark.parametrize("what", ["image", "record", "recipe"])
def test_a_changed_file_is_refused_by_name_and_nothing_is_stored(write: Write, home: Path, what: str) -> None:
    folder = write("joined")
    path = sorted((folder / "images").glob("*.json"))[4]
    if what == "image":
        path.with_suffix(".png").write_bytes(png_bytes(picture(77)))
    else:
        values = json.loads(path.read_bytes())
        del values["record_digest"]
        if what == "record":
            values["scores"]["LB"] = 9.0
            values["record_digest"] = digest(5)
        else:  # a recipe of other targets, under its own digest and with a record that fits
            values["recipe"]["target_digests"] = {"LB": digest(66)}
            values["record_digest"] = digest_json(values)
            path = path.rename(path.with_name(f"{digest_json(values['recipe'])}.json"))
        path.write_text(json.dumps(values))
    error = refused(folder)
    assert path.stem[:12] in error
    assert not list((home / "home" / "stimuli").rglob("*.png"))


def test_other_bytes_of_a_recipe_that_the_lab_has_are_refused(write: Write) -> None:
    taken_in(write("joined"))
    row = Stimulus.objects.all()[3]
    Stimulus.objects.filter(pk=row.pk).update(digest=digest(3))
    rows = set(Stimulus.objects.values_list("pk", flat=True))
    assert "has other bytes" in refused(write("joined"))
    assert set(Stimulus.objects.values_list("pk", flat=True)) == rows


def test_the_page_asks_for_a_folder_and_says_what_is_wrong(
    staff_client: Any, write: Write, home: Path
) -> None:
    address = reverse("admin:generation_batch_take_in")
    assert address in staff_client.get(reverse("admin:generation_batch_changelist")).content.decode()
    for folder, words in (
        ("/etc", "outside of the server"),
        (str(home), "holds no generation.json"),
        (str(write("foreign", targets={"LB": digest(5)})), "which is not of this lab"),
    ):
        page = staff_client.post(address, {"name": "cluster", "folder": folder})
        assert words in page.content.decode()
    assert not Batch.objects.exists()
    answer = staff_client.post(address, {"name": "cluster", "folder": str(write("joined"))})
    batch = Batch.objects.get()
    assert answer.url == reverse("admin:generation_batch_change", args=[batch.pk])
    assert batch.job is not None
    run_now(batch.job)
    page = staff_client.get(answer.url).content.decode()
    assert batch.folder in page
    assert "10 of 10" in page
    again = staff_client.post(address, {"name": "cluster", "folder": str(home / "cluster" / "joined")})
    assert "there already" in again.content.decode()


def test_strangers_take_nothing_in(client: Any) -> None:
    assert client.get(reverse("admin:generation_batch_take_in")).status_code == 302


def test_matching_finds_the_guides_of_such_a_batch(write: Write) -> None:
    batch = taken_in(write("joined"))
    matched = services.start_matching(name="set", batches=[batch], by=None)
    assert "off_target" not in matched.held  # its images were pushed away from the other targets
    assert Target.objects.filter(pk__in=batch.guides()).count() == 2
    assert services.round_size(matched) == 0
