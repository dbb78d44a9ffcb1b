"""The form of a block: a field for every setting of every kind of trials, shown for kinds that have it."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from almond.design.trials import TRIAL_KINDS
from lab.parameter_fields import typed
from studies.admin.block_form import (
    COMMON,
    PAIRS_FILE,
    SOURCES,
    all_settings,
    block_form,
    setting_rows,
    settings_of,
)

pytestmark = pytest.mark.django_db


def test_every_setting_of_every_kind_has_a_field_with_label_help_and_default() -> None:
    form = block_form()()
    fields = all_settings()
    asked = {(kind, setting.name) for setting in fields.values() for kind in setting.kinds}
    assert asked == {(kind, name) for kind in TRIAL_KINDS.names() for name in settings_of(kind)}
    for name, setting in fields.items():
        assert form.fields[name].help_text, name
        assert setting.schema["title"][0].islower(), name
        assert form.fields[name].initial == typed(setting.schema.get("default")), name
    conditions = form.conditions_shown()
    assert set(conditions) == {*fields, *COMMON, *SOURCES, "most_of_scene", PAIRS_FILE}
    for name, setting in fields.items():
        shown_when = setting.schema.get("shown_when")
        values = setting.kinds if shown_when is None else tuple(*shown_when.values())
        assert conditions[name].values == values, name


def test_every_setting_stands_in_one_row() -> None:
    placed = [name for row in setting_rows() for name in row]
    assert sorted(placed) == sorted([*all_settings(), PAIRS_FILE])


def test_fields_that_mean_nothing_for_a_kind_are_hidden() -> None:
    conditions = block_form().conditions_shown()
    assert "choice" not in conditions["repeats"].values
    assert "choice" in conditions["constructs"].values


def test_a_list_of_pairs_comes_from_a_file() -> None:
    fields = {"kind": "choice", "name": "choices", "asked_of": "all", "choice_photograph_pairs": "listed"}
    listed = "left,right\r\nphoto 1,photo 2\r\n".encode("utf-8-sig")
    form = block_form()(fields, {PAIRS_FILE: SimpleUploadedFile("pairs.csv", listed)})
    form.is_valid()
    assert form.instance.settings["photograph_pairs"] == "listed"
    assert form.instance.settings["listed_pairs"].splitlines() == ["left,right", "photo 1,photo 2"]
    broken = block_form()(
        fields, {PAIRS_FILE: SimpleUploadedFile("pairs.csv", b"left,right\n\xff\xfe\xff\n")}
    )
    assert "pairs.csv: byte 12" in broken.errors[PAIRS_FILE][0]


def test_settings_of_pairs_are_refused_at_their_field() -> None:
    fields = {"kind": "choice", "name": "choices", "asked_of": "all", "choice_photograph_pairs": "difference"}
    form = block_form()({**fields, "choice_norm": "valence"})
    assert "pairs by a difference need it" in form.errors["choice_least_difference"][0]
