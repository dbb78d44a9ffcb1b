"""The form of a block: a field for every setting of every kind of trials, shown for kinds that have it."""

from __future__ import annotations

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
