"""A name added to a registry of the library is offered by the site, with no change to the site."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from almond.encoding.config.encoding_models import ENCODING_MODELS
from almond.encoding.config.features import FEATURE_KINDS
from almond.errors import InputError
from encoder import choices, services
from encoder.models import Dataset, Encoder, EncoderReport, EncoderVersion, FeatureSpace, Region

pytestmark = pytest.mark.django_db


def offered(client: Any, page: str, field: str) -> list[str]:
    """List the names that the add form of a page offers."""
    form = client.get(reverse(f"admin:encoder_{page}_add")).context["adminform"].form
    return [str(name) for name, _ in form.fields[field].choices]


def test_the_form_offers_a_registered_feature_kind(staff_client: Any) -> None:
    path = "almond.encoding.features.kinds.events:EventsSpec"
    with FEATURE_KINDS.registered("sounds", path, "sounds of a film"):
        assert "sounds" in offered(staff_client, "featurespace", "kind")
        form = staff_client.get(reverse("admin:encoder_featurespace_add")).context["adminform"].form
        assert "sounds" in form.conditions_shown()["conditions"].values
        space = FeatureSpace(name="x", kind="sounds")
        space.clean_fields()
        assert space.get_kind_display() == "sounds of a film"
    assert "sounds" not in offered(staff_client, "featurespace", "kind")


def test_the_form_offers_a_registered_encoding_model(staff_client: Any) -> None:
    path = "almond.encoding.pipeline.encoders.ridge:RIDGE"
    with ENCODING_MODELS.registered("lasso", path, "lasso regression"):
        assert "lasso" in offered(staff_client, "encoder", "model")
    assert "lasso" not in offered(staff_client, "encoder", "model")


LISTS = [
    ("FORMS", Region, "kind", "region"),
    ("PRESETS", None, "preset", "encoder"),
    ("REPORT_KINDS", EncoderReport, "kind", "encoderreport"),
]


@pytest.mark.parametrize(("names", "model", "field", "page"), LISTS, ids=[names for names, *_ in LISTS])
def test_lists_are_read_whenever_a_form_is_shown(
    staff_client: Any, monkeypatch: pytest.MonkeyPatch, names: str, model: Any, field: str, page: str
) -> None:
    known: Any = getattr(choices, names)
    more = {**known, "invented": "an invention"} if isinstance(known, dict) else (*known, "invented")
    monkeypatch.setattr(choices, names, more)
    assert "invented" in offered(staff_client, page, field)
    if model is not None:
        assert "invented" in dict(model._meta.get_field(field).flatchoices)


def test_no_migration_holds_a_list_of_names() -> None:
    for model, field in (
        (FeatureSpace, "kind"),
        (Region, "kind"),
        (Encoder, "model"),
        (EncoderVersion, "model"),
        (EncoderReport, "kind"),
    ):
        column: Any = model._meta.get_field(field)
        assert callable(column.deconstruct()[3]["choices"])


def test_services_refuse_names_that_nobody_registered() -> None:
    dataset = Dataset.objects.create(name="d", root="/d", subjects=["01", "02"], runs=2)
    space = FeatureSpace.objects.create(name="s")
    region = Region.objects.create(dataset=dataset, name="V1", mask_path="/x.nii", mask_digest="0" * 64)
    encoder = Encoder.objects.create(name="e", dataset=dataset, feature_space=space)
    common: dict[str, Any] = {"dataset": dataset, "feature_space": space, "regions": [region], "by": None}
    for refused in (
        lambda: services.create_feature_space(name="x", kind="invented", by=None),
        lambda: services.create_encoder(name="x", model="invented", **common),
        lambda: services.add_region(
            dataset=dataset, name="x", kind="invented", spec={"invented": 1}, by=None
        ),
        lambda: services.start_report(name="x", encoder=encoder, kind="invented", settings={}, by=None),
    ):
        with pytest.raises(InputError):
            refused()
