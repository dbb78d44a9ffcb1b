"""Feature spaces of every kind: described in a form, noted when first used, refused when they changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.urls import reverse
from scipy.io import savemat

from almond.errors import DigestMismatch
from encoder import services
from encoder.models import Encoder, FeatureSpace
from encoder.services import feature_values
from jobs.services import run_now
from tests.site.encoder_rows import SETTINGS, add_dataset, add_encoder, write_bids

pytestmark = pytest.mark.django_db


def post(client: Any, **given: Any) -> Any:
    return client.post(reverse("admin:encoder_featurespace_add"), {"name": "space", "path": "", **given})


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        ({"kind": "world"}, {}),
        (
            {"kind": "emonet", "weights": "{weights}", "layer": "fc7"},
            {"weights": "{weights}", "layer": "fc7"},
        ),
        ({"kind": "emonet", "video": "{film}", "every": "5"}, {"video": "{film}", "every": 5}),
        ({"kind": "emonet", "every": "3", "resize": "20"}, {}),
        ({"kind": "events", "conditions": "face, house"}, {"conditions": ["face", "house"]}),
        (
            {"kind": "timm", "network": "vit_tiny", "weights": "{weights}", "pool": "mean"},
            {"model": "vit_tiny", "weights": "{weights}", "pool": "mean"},
        ),
        (
            {
                "kind": "torch",
                "network": "lab.networks:make",
                "weights": "{weights}",
                "layer": "body.3",
                "resize": "64",
                "range": "255",
                "mean": "0.4, 0.5, 0.6",
            },
            {
                "model": "lab.networks:make",
                "weights": "{weights}",
                "layer": "body.3",
                "resize": 64,
                "range": 255,
                "mean": [0.4, 0.5, 0.6],
            },
        ),
    ],
)
def test_a_network_is_described_without_being_loaded(
    staff_client: Any, tmp_path: Path, given: dict[str, str], spec: dict[str, Any]
) -> None:
    files = {"weights": str(tmp_path / "w.pt"), "film": str(tmp_path / "film.mp4")}
    for file in files.values():
        Path(file).write_bytes(b"bytes")
    page = post(staff_client, **{name: text.format(**files) for name, text in given.items()})
    assert page.status_code == 302, page.context["adminform"].form.errors
    space = FeatureSpace.objects.get()
    filled = {key: value.format(**files) if isinstance(value, str) else value for key, value in spec.items()}
    assert (space.kind, space.spec) == (given["kind"], filled)
    assert (space.digest, space.dimension) == ("", None)


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"kind": "torch"}, "weights", "is missing"),
        ({"kind": "torch"}, "network", "is missing"),
        ({"kind": "torch"}, "resize", "is missing"),
        ({"kind": "torch", "network": "nothing"}, "network", "not package.module:factory"),
        ({"kind": "timm", "network": "vit"}, "weights", "is missing"),
        ({"kind": "emonet", "layer": "fc9"}, "layer", "not one of fc6, fc7, fc8"),
        ({"kind": "emonet", "weights": "/no.pt"}, "weights", "file not found"),
        ({"kind": "emonet", "video": "/no.mp4"}, "video", "file not found"),
        ({"kind": "transformers", "folder": "/no"}, "folder", "folder not found"),
        ({"kind": "torch", "mean": "grey"}, "mean", "numbers separated by commas"),
        ({"kind": "table", "path": "/no.mat"}, "path", "is not a table of features"),
        ({"kind": "world", "path": "/x.csv"}, "path", "Only a table has a file."),
    ],
)
def test_what_is_missing_is_said_at_its_field(
    staff_client: Any, given: dict[str, str], field: str, words: str
) -> None:
    page = post(staff_client, **given)
    assert page.status_code == 200
    found = page.context["adminform"].form.errors
    assert any(words in text for text in found.get(field, [])), found
    assert not FeatureSpace.objects.exists()


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    return write_bids(tmp_path / "bids", subjects=["01"])


def fit(encoder: Encoder) -> Any:
    return run_now(services.start_fit(encoder=encoder, by=None)[0])


def test_a_matlab_table_lying_on_its_side_is_fitted_and_noted(staff_client: Any, root: Path) -> None:
    values = pd.read_csv(root / "features.csv").to_numpy()
    savemat(root / "features.mat", {"fc7": values.T, "other": values})
    page = post(staff_client, kind="table", path=f"{root}/features.mat", variable="fc7", rows="features")
    assert page.status_code == 302, page.context["adminform"].form.errors
    space = FeatureSpace.objects.get()
    dataset = add_dataset(root)
    encoder = services.create_encoder(
        name="mat",
        dataset=dataset,
        feature_space=space,
        regions=dataset.regions.all(),
        config=SETTINGS,
        by=None,
    )
    job = fit(encoder)
    assert job.state == "done", job.error
    space.refresh_from_db()
    assert space.dimension == values.shape[1]
    assert list(space.file_digests) == [f"{root}/features.mat"]


def test_a_table_that_changed_is_refused(root: Path) -> None:
    encoder = add_encoder(root)
    assert fit(encoder).state == "done"
    table = root / "features.csv"
    np.savetxt(table, pd.read_csv(table).to_numpy() + 1, delimiter=",", header="a,b,c,d", comments="")
    job = fit(encoder)
    assert job.state == "failed"
    assert "features.csv: its digest is" in job.error


def test_weights_that_changed_are_refused(db: None, tmp_path: Path) -> None:
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"first")
    space = services.create_feature_space(name="e", kind="emonet", spec={"weights": str(weights)}, by=None)
    found = feature_values.check_unchanged(space)
    services.note_feature_space(space=space, digest="f" * 64, dimension=4096, files=found, by=None)
    weights.write_bytes(b"second")
    with pytest.raises(DigestMismatch, match=r"w\.pt: its digest is"):
        feature_values.check_unchanged(space)


def test_several_spaces_make_a_banded_encoder(root: Path) -> None:
    encoder = add_encoder(root)
    values = pd.read_csv(root / "features.csv").to_numpy()[:, :2] ** 2
    pd.DataFrame(values, columns=["p", "q"]).to_csv(root / "squares.csv", index=False)
    second = services.create_feature_space(name="squares", kind="table", path=root / "squares.csv", by=None)
    banded = services.create_encoder(
        name="banded",
        dataset=encoder.dataset,
        feature_space=encoder.feature_space,
        more_spaces=[second],
        regions=encoder.regions.all(),
        model="banded",
        config={**SETTINGS, "null_control": False, "penalties": [1, 100]},
        by=None,
    )
    job = fit(banded)
    assert job.state == "done", job.error
    found = banded.versions.get(region__name="LB")
    assert found.heldout_r is not None
    assert found.heldout_r > 0.8
    second.refresh_from_db()
    assert list(second.file_digests) == [f"{root}/squares.csv"]
