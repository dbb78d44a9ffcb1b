"""Contact sheets: every image in its place whatever differs, and files to take along with their manifest."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image

from accounts.models import User
from almond.digest import digest_bytes
from almond.pictures.contact_sheets import LARGEST_CELL, SheetCell, SheetRow, draw_contact_sheet
from generation import services
from generation.admin.downloads import scene_sheets
from generation.models import Batch
from tests.site.encoder_rows import bare_encoder
from tests.site.generation_rows import add_recipe, fill, full_batch, guides

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    return tmp_path


def test_images_of_two_searches_and_of_none_stand_in_rows_of_their_own() -> None:
    targets = guides(bare_encoder())[:1]
    recipes = [
        add_recipe(targets, name=f"by {search}", seeds=[1], strengths=strengths, search=search)
        for search, strengths in (("single", [0.1]), ("best-of", [0.1]), ("initial-noise", None))
    ]
    batch = fill(services.start_batch(recipes=recipes, by=None), judged=False)
    (sheet,) = scene_sheets(batch)
    assert sheet.headings == ["−0.1", "down", "base", "up", "+0.1"]
    rows = {line.way: [cell.stimulus for cell in line.cells] for line in sheet.lines}
    assert set(rows) == {"usual search", "best-of", "initial-noise"}
    shown = {image for row in rows.values() for image in row if image is not None}
    assert shown == set(batch.stimuli.all()) == set(sheet.images)
    assert all((row[0] is None) is (way == "initial-noise") for way, row in rows.items())
    assert all((row[1] is None) is (way != "initial-noise") for way, row in rows.items())


def test_a_base_stands_beside_images_of_the_same_steps() -> None:
    targets = guides(bare_encoder())[:1]
    recipes = [
        add_recipe(targets, name=f"{steps} steps", seeds=[1], strengths=[0.1], steps=steps)
        for steps in (5, 9)
    ]
    batch = fill(services.start_batch(recipes=recipes, by=None), judged=False)
    (sheet,) = scene_sheets(batch)
    for line in sheet.lines:
        steps = {cell.stimulus.recipe_json["steps"] for cell in line.cells if cell.stimulus}
        assert line.way == f"steps {steps.pop()}"
        assert not steps


def sheet_address(batch: Batch, kind: str) -> str:
    scene = scene_sheets(batch)[0].name
    return reverse("admin:generation_batch_sheet", args=[batch.pk, scene, kind])


def test_a_scene_is_a_picture_with_its_manifest(staff_client: Any) -> None:
    batch = full_batch(seeds=[1])
    page = staff_client.get(reverse("admin:generation_batch_change", args=[batch.pk])).content.decode()
    for kind in ("png", "json"):
        assert sheet_address(batch, kind) in page
    sent = staff_client.get(sheet_address(batch, "png"))
    assert sent["Content-Disposition"] == 'attachment; filename="rooms-a-room-1.png"'
    pixels = np.asarray(Image.open(io.BytesIO(sent.content)))
    assert pixels.shape[1] > 5 * 16
    for image in batch.stimuli.all():
        assert contains(pixels, np.asarray(Image.open(image.path))), image
    manifest = staff_client.get(sheet_address(batch, "json")).json()
    assert {entry["sha256"] for entry in manifest["images"]} == set(
        batch.stimuli.values_list("digest", flat=True)
    )
    entry = next(entry for entry in manifest["images"] if entry["intended_target"] == "LB")
    row = batch.stimuli.get(recipe_digest=entry["recipe_digest"])
    assert (entry["recipe"], entry["scores"]) == (row.recipe_json, row.scores)
    (sheet,) = manifest["sheets"]
    assert [line["target"] for line in sheet["rows"]] == ["CM", "LB", "SF"]
    assert (sheet["prompt"], sheet["seed"], len(sheet["columns"])) == ("a room", 1, 5)
    assert manifest["recipes"][0]["digest"] == batch.recipes.get().digest


def contains(sheet: Any, picture: Any) -> bool:
    """Whether a sheet shows a picture, pixel by pixel."""
    height, width = picture.shape[:2]
    places = np.argwhere((sheet == picture[0, 0]).all(axis=2))
    return any(np.array_equal(sheet[y : y + height, x : x + width], picture) for y, x in places)


def test_everything_comes_in_a_zip_file_whose_manifest_names_every_digest(staff_client: Any) -> None:
    batch = full_batch()
    answer = staff_client.get(reverse("admin:generation_batch_sheets", args=[batch.pk]))
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        manifest = json.loads(archive.read("manifest.json"))
        listed = {entry["file"]: entry["sha256"] for entry in (*manifest["images"], *manifest["sheets"])}
        assert names == {*listed, "manifest.json"}
        assert all(digest_bytes(archive.read(name)) == digest for name, digest in listed.items())
    assert len(manifest["sheets"]) == 2
    assert len(manifest["images"]) == batch.planned


def test_strangers_and_other_addresses_get_nothing(staff_client: Any, client: Any) -> None:
    batch = full_batch(seeds=[1])
    for kind in ("svg", "zip"):
        assert staff_client.get(sheet_address(batch, kind)).status_code == 404
    elsewhere = reverse("admin:generation_batch_sheet", args=[batch.pk, "no-scene", "png"])
    assert staff_client.get(elsewhere).status_code == 404
    client.force_login(User.objects.create_user("stranger", password="word", is_staff=True))
    assert client.get(sheet_address(batch, "png")).status_code == 403
    assert client.get(reverse("admin:generation_batch_sheets", args=[batch.pk])).status_code == 403


def test_large_pictures_are_drawn_small_and_gaps_stay() -> None:
    tall = np.full((2 * LARGEST_CELL, LARGEST_CELL, 3), (255, 0, 0), np.uint8)
    rows = [
        SheetRow("LB\na way of guiding with a long name", [SheetCell(lambda: tall, "+1.00"), SheetCell(None)])
    ]
    pixels = np.asarray(Image.open(io.BytesIO(draw_contact_sheet("scene", ["up", "down"], rows))))
    red = (pixels == (255, 0, 0)).all(axis=2)
    assert red.sum() == LARGEST_CELL * LARGEST_CELL // 2
    assert (pixels == (243, 244, 246)).all(axis=2).sum() == LARGEST_CELL * LARGEST_CELL // 2
