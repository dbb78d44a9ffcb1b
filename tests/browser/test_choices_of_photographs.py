"""Pairs of photographs from a file: uploaded in the form of a block, frozen, and chosen from by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from ratings.models import Response
from studies.models import Study
from tests.browser.conftest import log_in, press
from tests.browser.test_take_part import begin_block, choose_by_key, consent
from tests.site.small_study import make_constructs
from tests.site.test_choices_of_photographs import asked, make_draft, normed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = "left,right,higher\nphoto 0,photo 5,left\nphoto 1,photo 6,right\nphoto 2,photo 99,\n"


def test_pairs_from_a_file_are_chosen_from(visit: Any, tmp_path: Path) -> None:
    draft = make_draft(asked(make_constructs()[0]), image_set=normed())
    file = tmp_path / "pairs.csv"
    lab = visit(1280, 900)
    log_in(lab)
    address = lab.address + reverse("admin:studies_study_change", args=[draft.pk])
    lab.page.goto(address)
    lab.page.get_by_text("nothing says how they are made").first.wait_for()
    choose_listed(lab, file, LIST)
    lab.page.goto(address)
    lab.page.get_by_text("line 4, column right: 'photo 99' is none of the photographs").first.wait_for()
    choose_listed(lab, file, LIST.replace("photo 99", "photo 7"))
    lab.page.goto(address)
    press(lab.page, "Freeze")
    lab.page.get_by_text("Open without a passed rehearsal").click()
    lab.page.locator("#rehearsals").get_by_label("Why").fill("A test.")
    lab.page.get_by_role("button", name="Open").click()
    study = Study.objects.get()
    assert [(pair.by, pair.target) for pair in study.frozen_plan.pairs] == [
        ("list", None),
        ("list", None),
        (None, None),
    ]
    person = visit(390, 800, touch=True)
    consent(person, study)
    begin_block(person)
    for key in "fjf":
        choose_by_key(person, key)
    person.page.wait_for_url("**/done")
    assert sorted(Response.objects.values_list("chosen", flat=True)) == ["left", "left", "right"]
    assert person.complaints == []


def choose_listed(lab: Any, file: Path, text: str) -> None:
    """Upload a list in the form of the only block, and save."""
    file.write_text(text, encoding="utf-8")
    lab.page.locator("#id_blocks-0-choice_photograph_pairs").select_option("listed")
    lab.page.locator("#id_blocks-0-pairs_file").set_input_files(str(file))
    lab.page.get_by_role("button", name="Save", exact=True).click()
    lab.page.wait_for_load_state()
