"""Regions of every kind in the admin: filled in without JSON, wrong words at their field, bytes held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import User
from almond.encoding.artifacts.artifact import load_artifact
from encoder import services
from encoder.models import Dataset, EncoderVersion, Region
from encoder.services import region_values
from jobs.services import run_now
from tests.site.encoder_rows import GRID, add_dataset, add_encoder, write_bids, write_nifti

pytestmark = pytest.mark.django_db
ADD = "admin:encoder_region_add"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """With an atlas of four slabs along x, named in a table, and a map that rises along x."""
    root = write_bids(tmp_path / "bids", subjects=["01"])
    slabs = np.broadcast_to(np.arange(1, 5)[:, None, None], GRID).astype(np.int16)
    write_nifti(root / "atlas.nii.gz", slabs)
    write_nifti(root / "map.nii.gz", slabs.astype(np.float32) / 10)
    (root / "labels.txt").write_text("1 front\n2 middle left\n3 middle right\n4 back\n")
    return add_dataset(root)


def post(client: Any, dataset: Dataset, **given: Any) -> Any:
    form = {"of_dataset": dataset.pk, "name": "made", "mask_path": "", **given}
    return client.post(reverse(ADD), form)


def errors(page: Any) -> dict[str, list[str]]:
    assert page.status_code == 200
    return {name: list(found) for name, found in page.context["adminform"].form.errors.items()}


def test_areas_of_an_atlas_by_name_and_number(staff_client: Any, dataset: Dataset) -> None:
    root = dataset.root
    page = post(
        staff_client,
        dataset,
        kind="atlas",
        atlas=f"{root}/atlas.nii.gz",
        table=f"{root}/labels.txt",
        labels="front, 4",
    )
    assert page.status_code == 302, errors(page)
    region = Region.objects.get(name="made")
    assert region.spec == {
        "atlas": f"{root}/atlas.nii.gz",
        "labels": ["front", 4],
        "table": f"{root}/labels.txt",
    }
    assert region_values.in_words(region) == "atlas.nii.gz: front, 4"
    assert (region.mask_path, len(region.mask_digest)) == ("", 64)


def test_a_thresholded_map_of_one_side(staff_client: Any, dataset: Dataset) -> None:
    page = post(
        staff_client, dataset, kind="map", map_file=f"{dataset.root}/map.nii.gz", above="0.15", side="right"
    )
    assert page.status_code == 302, errors(page)
    region = Region.objects.get(name="made")
    assert region.spec == {"map": f"{dataset.root}/map.nii.gz", "above": 0.15, "side": "right"}
    assert region_values.in_words(region) == "map.nii.gz > 0.15, right side"


def test_a_side_of_a_mask_keeps_its_file(staff_client: Any, dataset: Dataset) -> None:
    mask = f"{dataset.root}/masks/LB.nii.gz"
    assert post(staff_client, dataset, kind="mask", mask_path=mask, side="right").status_code == 302
    region = Region.objects.get(name="made")
    assert (region.mask_path, region.value) == (mask, {"mask": mask, "side": "right"})
    assert region.mask_digest != dataset.regions.get(name="LB").mask_digest


def test_combined_regions_are_written_out(staff_client: Any, dataset: Dataset) -> None:
    both = [region.pk for region in dataset.regions.order_by("name")]
    assert post(staff_client, dataset, kind="union", members=both).status_code == 302
    union = Region.objects.get(name="made")
    assert union.spec == {"union": [{"mask": f"{dataset.root}/masks/{name}.nii.gz"} for name in ("CM", "LB")]}
    assert region_values.in_words(union) == "CM ∪ LB"
    left = {"kind": "difference", "name": "rest", "whole": union.pk, "members": both[:1]}
    assert post(staff_client, dataset, **left).status_code == 302
    rest = Region.objects.get(name="rest")
    assert rest.spec["difference"][0] == union.spec
    assert rest.parts == ["made", "CM"]


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"kind": "mask"}, "mask_path", "is not a NIfTI file"),
        ({"kind": "atlas", "atlas": "/no.nii"}, "atlas", "file not found: /no.nii"),
        ({"kind": "atlas", "atlas": "{atlas}"}, "labels", "is not a list of label numbers"),
        ({"kind": "atlas", "atlas": "{atlas}", "labels": "front"}, "table", "labels by name need"),
        (
            {"kind": "atlas", "atlas": "{atlas}", "labels": "midle", "table": "{table}"},
            "labels",
            "midle is not in labels.txt",
        ),
        ({"kind": "map", "map_file": "{atlas}"}, "map_file", "without a threshold"),
        ({"kind": "map", "map_file": "{atlas}", "above": "much"}, "above", "Enter a number"),
        ({"kind": "union"}, "members", "none is selected"),
        ({"kind": "difference"}, "whole", "none is selected"),
        ({"kind": "sphere"}, "kind", "Select a valid choice"),
        ({"kind": "mask", "mask_path": "{mask}", "name": "LB"}, "name", "already has a region LB"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    staff_client: Any, dataset: Dataset, given: dict[str, str], field: str, words: str
) -> None:
    root = dataset.root
    files = {
        "atlas": f"{root}/atlas.nii.gz",
        "table": f"{root}/labels.txt",
        "mask": f"{root}/masks/LB.nii.gz",
    }
    found = errors(
        post(staff_client, dataset, **{name: text.format(**files) for name, text in given.items()})
    )
    assert any(words in text for text in found.get(field, [])), found
    assert dataset.regions.count() == 2


def test_regions_of_another_dataset_cannot_be_united(
    staff_client: Any, dataset: Dataset, tmp_path: Path
) -> None:
    other = services.create_dataset(
        name="other", root=write_bids(tmp_path / "other", subjects=["01"]), by=None
    )
    stranger = services.add_region(
        dataset=other, name="far", mask_path=f"{other.root}/masks/LB.nii.gz", by=None
    )
    found = errors(post(staff_client, dataset, kind="union", members=[stranger.pk]))
    assert "far belong to another dataset" in found["members"][0]


def test_labels_are_listed_for_who_may_add_regions(client: Any, staff_client: Any, dataset: Dataset) -> None:
    address = reverse("admin:encoder_region_labels")
    answer = staff_client.get(address, {"table": f"{dataset.root}/labels.txt"})
    assert answer.json()["labels"][1] == [2, "middle left"]
    wrong = staff_client.get(address, {"table": f"{dataset.root}/dataset_description.json"})
    assert wrong.status_code == 400
    assert "is not a label table" in wrong.json()["error"]
    viewer = User.objects.create_user("viewer", password="a long enough password", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_region"))
    client.force_login(viewer)
    assert client.get(address, {"table": f"{dataset.root}/labels.txt"}).status_code == 403
    client.logout()
    assert client.get(address).status_code == 302


@pytest.fixture
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    return Path(settings.ALMOND_HOME)


def test_every_kind_is_fitted_on_its_voxels(home: Path, tmp_path: Path) -> None:
    root = write_bids(tmp_path / "bids", subjects=["01"])
    slabs = np.broadcast_to(np.arange(1, 5)[:, None, None], GRID).astype(np.int16)
    write_nifti(root / "atlas.nii.gz", slabs)
    encoder = add_encoder(root)
    dataset, parts = encoder.dataset, list(encoder.regions.all())
    shared: dict[str, Any] = {"dataset": dataset, "by": None}
    added = [
        services.add_region(name="both", kind="union", parts=parts, **shared),
        services.add_region(
            name="slab", kind="atlas", spec={"atlas": f"{root}/atlas.nii.gz", "labels": [2]}, **shared
        ),
    ]
    encoder.regions.set(added)
    job = run_now(services.start_fit(encoder=encoder, by=None)[0])
    assert job.state == "done", job.error
    counts = {
        version.region.name: len(load_artifact(Path(version.path)).voxels)
        for version in EncoderVersion.objects.all()
    }
    assert counts == {"both": 16, "slab": GRID[1] * GRID[2]}
    write_nifti(root / "atlas.nii.gz", slabs[::-1].copy())
    again = run_now(services.start_fit(encoder=encoder, by=None)[0])
    assert again.state == "failed"
    assert "slab: its digest is" in again.error
