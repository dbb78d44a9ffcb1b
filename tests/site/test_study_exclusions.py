"""Exclusion rules of a study: chosen in the form, refused at the field, frozen with the plan."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from almond.design.exclusions import EXCLUSIONS
from almond.design.exclusions.speed import Speed
from almond.errors import InputError
from studies.admin.exclusion_form import all_parameters, exclusion_form, form_field
from studies.models import Exclusion, Study
from studies.services import freeze
from studies.services.rehearsing import rehearse
from tests.site.small_study import make_matched_set, make_study
from tests.site.test_studies_admin import at, study_form

pytestmark = pytest.mark.django_db

DEFAULTS = {
    name: field.initial for name, field in exclusion_form()().fields.items() if field.initial is not None
}


def rules_form(*rules: dict[str, Any]) -> dict[str, Any]:
    """Write the fields of rules as a browser posts them: with the defaults of every rule."""
    fields: dict[str, Any] = {"exclusions-TOTAL_FORMS": len(rules)}
    for number, rule in enumerate(rules):
        posted = {**DEFAULTS, "order": number + 1, **rule}
        fields |= {f"exclusions-{number}-{name}": value for name, value in posted.items()}
    return fields


def post_new(client: Any, *rules: dict[str, Any]) -> Any:
    fields = study_form(matched_set=make_matched_set().pk, **rules_form(*rules))
    return client.post(reverse("admin:studies_study_add"), fields)


def test_rules_are_chosen_in_the_form_shown_and_frozen_in_their_order(staff_client: Any) -> None:
    added = post_new(
        staff_client,
        {"rule": "straight_lining", "order": 2, "straight_lining_least_sd": "4.5"},
        {"rule": "speed", "order": 1, "speed_longest_minutes": "90"},
        {"rule": "failed_checks", "order": 3, "failed_checks_mark": "any"},
    )
    assert added.status_code == 302, added.context["errors"]
    study = Study.objects.get()
    page = html.unescape(staff_client.get(at("change", study)).content.decode())
    for text in (
        "1. Speed: participants with more than 25 % of trials",
        "who took more than 90 minutes",
        "2. Straight-lining: participants whose ratings of a construct have a standard deviation below 4.5.",
        "3. Failed checks:",
    ):
        assert text in page
    assert 'value="4.5"' in page
    staff_client.post(at("freeze", study))
    study.refresh_from_db()
    rules = study.frozen_plan.analysis.exclusions
    assert [rule.kind for rule in rules] == ["speed", "straight_lining", "failed_checks"]
    assert rules[0] == Speed(longest_minutes=90.0)
    frozen = html.unescape(staff_client.get(at("change", study)).content.decode())
    assert "exclusions-0-rule" not in frozen
    assert frozen.count("who took more than 90 minutes") >= 2  # in the document, and in the list of rules


def test_a_draft_that_is_edited_keeps_its_other_parameters(staff_client: Any) -> None:
    post_new(staff_client, {"rule": "speed", "speed_fastest_ms": "250"})
    row = Exclusion.objects.get()
    assert row.parameters == {"fastest_ms": 250.0, "most_share": 0.25, "longest_minutes": None}
    form = exclusion_form()(instance=row)
    assert form["speed_fastest_ms"].value() == 250.0
    assert form["devices_least_width"].value() == 600.0


def test_an_empty_limit_is_no_limit_and_not_its_default(staff_client: Any) -> None:
    post_new(staff_client, {"rule": "reloads", "reloads_most_reloads": "", "reloads_most_blurs": "9"})
    assert Exclusion.objects.get().parameters == {"most_reloads": None, "most_blurs": 9}


@pytest.mark.parametrize(
    ("rule", "field", "message"),
    [
        ({"rule": "speed", "speed_most_share": "1.5"}, "speed_most_share", "not a number below 1"),
        ({"rule": "speed", "speed_fastest_ms": "fast"}, "speed_fastest_ms", "Enter a number"),
        ({"rule": "devices", "devices_least_width": ""}, "devices_least_width", "a limit is needed"),
        ({"rule": "repeats", "repeats_least_pairs": "0"}, "repeats_least_pairs", "of at least 1"),
        ({"rule": "failed_checks", "failed_checks_mark": "x"}, "failed_checks_mark", "Select a valid choice"),
        ({"rule": "magic"}, "rule", "Select a valid choice"),
        ({"rule": ""}, "rule", "This field is required"),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    staff_client: Any, rule: dict[str, Any], field: str, message: str
) -> None:
    page = post_new(staff_client, {**rule, "order": 2})
    assert page.status_code == 200
    errors = [form.errors for formset in page.context["inline_admin_formsets"] for form in formset.formset]
    (wrong,) = [error for error in errors if error]
    assert set(wrong) == {field}
    assert message in str(wrong[field][0])
    assert not Study.objects.exists()


def test_a_rule_twice_is_refused(staff_client: Any) -> None:
    page = post_new(staff_client, {"rule": "speed", "order": 1}, {"rule": "speed", "order": 2})
    assert "Please correct the duplicate data" in page.content.decode()
    assert not Study.objects.exists()


def test_rules_of_one_number_are_applied_as_they_were_added(staff_client: Any) -> None:
    rules = ("failed_checks", "speed", "devices")
    post_new(staff_client, *({"rule": rule, "order": 1} for rule in rules))
    planned = freeze(study=Study.objects.get(), by=None).frozen_plan.analysis.exclusions
    assert tuple(rule.kind for rule in planned) == rules


def test_a_rule_that_such_a_study_cannot_use_is_in_the_way_of_freezing(staff_client: Any) -> None:
    post_new(staff_client, {"rule": "repeats"})
    page = html.unescape(staff_client.get(at("change", Study.objects.get())).content.decode())
    assert "analysis.exclusions[0].kind: needs a block that shows images a second time" in page


def test_a_study_without_rules_freezes_the_plan_it_had() -> None:
    plan = make_study(state=Study.State.FROZEN).frozen_plan
    assert "exclusions" not in plan.to_json()["analysis"]


def test_a_rehearsal_has_the_rules_of_its_study(staff_client: Any) -> None:
    post_new(staff_client, {"rule": "speed"})
    study = freeze(study=Study.objects.get(), by=None)
    copy = rehearse(study=study, by=None)
    assert copy.frozen_plan.analysis == study.frozen_plan.analysis
    assert study.exclusions.count() == copy.exclusions.count() == 1


def test_every_parameter_of_every_rule_has_a_field_with_label_and_help() -> None:
    form = exclusion_form()()
    fields = all_parameters()
    assert {rule for rule, _, _ in fields.values()} == set(EXCLUSIONS.names())
    for name, (rule, parameter, schema) in fields.items():
        assert form.fields[name].help_text, name
        assert form.fields[name].initial == getattr(EXCLUSIONS.load(rule)(), parameter)
        assert schema["title"][0].islower(), name
    assert set(form.conditions_shown()) == set(fields)
    with pytest.raises(InputError, match="is of type array"):
        form_field({"type": "array", "title": "marks"})


def test_the_database_refuses_what_no_form_sends() -> None:
    study = make_study(state=Study.State.DRAFT)
    Exclusion.objects.create(study=study, rule="speed", order=1)
    for name, row in (
        ("exclusion_rule_once_per_study", {"rule": "speed", "order": 2}),
        ("exclusion_has_a_rule", {"rule": "", "order": 3}),
    ):
        with pytest.raises(IntegrityError) as refused, transaction.atomic():
            Exclusion.objects.create(study=study, **row)
        assert name in str(refused.value) or "UNIQUE" in str(refused.value)
