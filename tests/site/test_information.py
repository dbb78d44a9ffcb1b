"""What people read before they agree, in the study's language, and what is kept of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from almond.digest import digest_bytes
from almond.errors import InputError
from ratings.models import Consent, ConsentForm, Participant
from ratings.services import Recruit, export_tables, join, let_in
from ratings.services.presentation import addresses
from ratings.services.verifying import verify_study
from studies import texts
from studies.models import Construct, Information, Study
from studies.services import freeze, pause
from studies.services.copying import differences, new_version
from studies.services.plans import NotReady, build_plan
from tests.site.small_study import answer_to, make_matched_set, make_study
from tests.site.test_studies_admin import at

pytestmark = pytest.mark.django_db
State = Study.State


def translate_constructs() -> None:
    for row in Construct.objects.all():
        row.texts.create(language="de", question="Wie?", low="gar nicht", high="sehr", choice="Welche?")


def german(state: str = State.LIVE, **fields: Any) -> Study:
    study = make_study(state=State.DRAFT, language="de", **fields)
    translate_constructs()
    study = freeze(study=study, by=None)
    Study.objects.filter(pk=study.pk).update(state=state)
    return Study.objects.get(pk=study.pk)


def token_of(page: Any) -> str:
    found = re.search(r'name="begin_token" value="([^"]+)"', page.content.decode())
    assert found is not None
    return found[1]


def agree(client: Client, study: Study) -> Any:
    page = client.get(study.join_path)
    return client.post(study.join_path, {"begin_token": token_of(page), "agreed": "yes"})


def test_the_plan_records_the_language_and_the_words_that_are_shown() -> None:
    study = german(State.FROZEN)
    plan = study.frozen_plan
    assert plan.language == "de"
    assert {construct.question for construct in plan.constructs} == {"Wie?"}
    assert {pair.question for pair in plan.pairs} == {"Welche?"}
    assert plan.words[0].instructions.startswith("Sie sehen 4 Bilder, eines nach dem anderen.")
    assert plan.words[1].keys.startswith("Mit der Tastatur: F")
    assert study.consent == texts.consent("de")
    # What was shown does not change with the rows that it was made from.
    study.blocks.update(instructions="Later.")
    Study.objects.filter(pk=study.pk).update(state=State.LIVE)
    client = Client()
    agree(client, study)
    page = client.get(addresses(client.cookies[f"almond-study-{study.pk}"].value)["study"])
    assert "Sie sehen 4 Bilder" in page.context["config"]["state"]["blocks"][0]["instructions"][0]


def test_what_is_not_translated_is_in_the_way_of_freezing_with_a_link(staff_client: Any) -> None:
    study = make_study(state=State.DRAFT, language="de")
    Construct.objects.get(name="threat").texts.create(
        language="de", question="Wie?", low="gar nicht", high="sehr"
    )
    Study.objects.filter(pk=study.pk).update(consent=texts.consent())
    study.refresh_from_db()
    with pytest.raises(NotReady) as caught:
        build_plan(study)
    assert sorted(str(problem) for problem in caught.value.problems) == [
        "consent: is the usual text in English (expected one in German)",
        "construct 'threat': has no question of a pair in German (expected its translation)",
        "construct 'urgency': has no words in German (expected its translation)",
    ]
    page = staff_client.get(at("change", study)).content.decode()
    for name in ("threat", "urgency"):
        address = reverse("admin:studies_construct_change", args=[Construct.objects.get(name=name).pk])
        assert f'<a href="{address}#texts-group">Go to the translations</a>' in page
        assert 'id="texts-group"' in staff_client.get(address).content.decode()
    assert '<a href="#id_consent">Go to the field</a>' in page


def test_settings_that_people_read_are_written_in_the_language() -> None:
    study = make_study(state=State.DRAFT, language="de")
    translate_constructs()
    block = study.blocks.create(order=3, kind="break", name="rest")
    with pytest.raises(NotReady, match="block 'rest': its text is the usual text in English"):
        build_plan(study)
    block.settings = {"text": "Ruhen Sie die Augen aus."}
    block.save()
    assert build_plan(study).words[2].instructions == ""


def test_a_construct_written_in_german_needs_no_translation() -> None:
    study = make_study(state=State.DRAFT, language="de")
    Construct.objects.update(language="de")
    assert build_plan(study).constructs[0].question == "How threatening is this scene?"


def test_usual_words_follow_the_language_and_those_of_the_experimenter_do_not() -> None:
    assert make_study(state=State.DRAFT, language="de").debriefing == texts.debriefing("de")
    own = make_study(
        state=State.DRAFT, language="de", slug="own", consent="Do you?", matched_set=make_matched_set("own")
    )
    assert own.consent == "Do you?"


def test_translations_are_added_to_a_construct_that_is_shown_but_not_changed(staff_client: Any) -> None:
    german(State.FROZEN)
    construct = Construct.objects.get(name="threat")
    address = reverse("admin:studies_construct_change", args=[construct.pk])
    form = staff_client.get(address).context["inline_admin_formsets"][0]
    assert (form.has_add_permission, form.has_change_permission, form.has_delete_permission) == (
        True,
        False,
        False,
    )


def test_the_text_that_somebody_agreed_to_is_stored_with_its_digest() -> None:
    study = make_study()
    told = {"researchers": "Lab", "contact": "lab@example.org", "ethics": "EK 1", "payment": "3 pounds"}
    Information.objects.create(study=study, **told)
    client = Client()
    page = client.get(study.join_path).content.decode()
    assert agree(client, study).status_code == 302
    form = Consent.objects.get(participant=Participant.objects.get()).form
    assert form.digest == digest_bytes(form.text.encode())
    for text in (study.title, *told.values(), "about 1 minute", "I have read this and I agree"):
        assert text in form.text
        assert text in page
    copy = client.get(reverse("participant_consent_copy", args=[study.slug]))
    assert copy.content.decode() == form.text
    assert "attachment" in copy.headers["Content-Disposition"]
    assert agree(Client(), study).status_code == 302
    assert ConsentForm.objects.count() == 1
    assert list(verify_study(study)) == []


def test_what_was_agreed_to_cannot_be_changed_unnoticed() -> None:
    study = make_study()
    agree(Client(), study)
    ConsentForm.objects.update(text="You gave us your house.")
    assert ["its text was changed" in problem for problem in verify_study(study)] == [True]
    ConsentForm.objects.create(study=study, digest="0" * 64, language="en", text="Another.")
    Consent.objects.update(form=ConsentForm.objects.get(digest="0" * 64))
    assert any("differ from what joining wrote" in problem for problem in verify_study(study))


def test_nobody_agrees_to_a_text_that_changed_while_it_was_open() -> None:
    study = make_study()
    client = Client()
    token = token_of(client.get(study.join_path))
    Information.objects.create(study=study, payment="nothing after all")
    page = client.post(study.join_path, {"begin_token": token, "agreed": "yes"})
    assert page.status_code == 400
    assert "nothing after all" in page.content.decode()
    assert not Participant.objects.exists()


def test_refusals_and_pages_are_in_the_language_of_the_study() -> None:
    study = german()
    client = Client(headers={"Accept-Language": "fr"})
    page = client.post(study.join_path, {"begin_token": token_of(client.get(study.join_path))})
    assert "Bitte setzen Sie das Häkchen" in page.content.decode()
    assert '<html lang="de" dir="ltr">' in page.content.decode()
    assert page.headers["Content-Language"] == "de"
    joined = join(study=study)
    pause(study=study, by=None)
    body = answer_to(joined.participant.trials.get(index=0))
    reply = client.post(addresses(joined.token)["responses"], body, content_type="application/json")
    assert reply.json()["say"] == "Die Studie ist im Moment unterbrochen."
    # The next page of the same process is nobody's study again.
    assert '<html lang="en" dir="ltr">' in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("asked", "language"),
    [("de-AT,de;q=0.9,en;q=0.8", "de"), ("fr,en;q=0.5", "en"), ("fr", "en"), ("", "en"), ("de;q=0,en", "en")],
)
def test_pages_of_no_study_are_in_the_language_of_the_browser(asked: str, language: str) -> None:
    reply = Client(headers={"Accept-Language": asked}).get("/take/nobody/")
    assert reply.status_code == 404
    assert f'<html lang="{language}"' in reply.content.decode()
    assert "Accept-Language" in reply.headers["Vary"]


def test_the_pages_of_the_lab_are_english_whatever_the_browser_asks_for(staff_client: Any) -> None:
    page = staff_client.get(reverse("admin:studies_study_add"), headers={"Accept-Language": "de"})
    assert '<html lang="en' in page.content.decode()
    assert "Speichern" not in page.content.decode()


def test_the_preview_is_in_the_language_of_the_study(staff_client: Any) -> None:
    page = staff_client.get(at("preview", german(State.FROZEN))).content.decode()
    assert "Vorschau: Nichts wird gespeichert" in page
    assert '"Welcome back": "Willkommen zur' in page


def test_what_is_told_goes_into_a_new_version_and_differences_are_said() -> None:
    study = make_study(state=State.DRAFT)
    Information.objects.create(study=study, payment="3 pounds", devices="computer")
    draft = new_version(study=freeze(study=study, by=None), by=None)
    assert draft.information.payment == "3 pounds"
    assert differences(draft, build_plan(draft)) == []
    Information.objects.filter(study=draft).update(payment="4 pounds")
    told = differences(draft, build_plan(draft))
    assert [(one.what, one.before, one.after) for one in told] == [
        ("information: payment", "3 pounds", "4 pounds")
    ]


def test_a_draft_without_contact_says_so(staff_client: Any) -> None:
    study = make_study(state=State.DRAFT)
    assert "who runs the study and contact" in staff_client.get(at("change", study)).content.decode()
    Information.objects.create(study=study, researchers="Lab", contact="lab@example.org")
    assert "not told everything" not in staff_client.get(at("change", study)).content.decode()


def test_the_page_of_withdrawing_says_id_contact_and_code() -> None:
    study = german()
    Information.objects.create(study=study, contact="lab@example.org")
    participant = join(study=study).participant
    page = Client().post(reverse("participant_leave"), {"code": participant.withdrawal_code})
    text = page.content.decode()
    for said in (participant.name, participant.withdrawal_code, "lab@example.org", "endgültig gelöscht"):
        assert said in text


def test_a_kind_without_words_in_the_language_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study(state=State.DRAFT, language="de")
    translate_constructs()
    monkeypatch.setattr("almond.design.words.de.KINDS", {})
    monkeypatch.setattr("almond.design.words.LANGUAGES._loaded", {})
    with pytest.raises(InputError, match="trial kind 'choice': has no words in the language 'de'"):
        build_plan(study)


def test_the_export_tells_to_which_form_somebody_agreed() -> None:
    study = make_study()
    agree(Client(), study)
    join(study=study)  # as a script would, without a form
    rows = export_tables(study)["participants"]
    assert sorted(row["consent_sha256"] for row in rows) == ["", ConsentForm.objects.get().digest]
    person = Participant.objects.get(consent__isnull=False)
    told = next(row for row in rows if row["participant_id"] == person.name)
    assert told["started_at"] == person.consented_at.isoformat(timespec="milliseconds")


def test_who_goes_on_with_another_device_is_held_to_the_rule_too(client: Client) -> None:
    study = make_study()
    Information.objects.create(study=study, devices="computer", least_width=900)
    joined = join(study=study, recruit=Recruit("panel", "p1", {}))
    device_pass = let_in(participant=joined.participant, by=None)
    page = client.get(reverse("participant_go_on", args=[device_pass])).content.decode()
    assert "This study can be taken on a computer only" in page
    assert '<form method="post" class="consent device-fits computer">' in page
    assert "min-width: 900px" in page
