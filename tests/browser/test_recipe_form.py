"""The form of a recipe in a real browser: words, cost and schedule follow what is typed."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from generation.models import Recipe
from tests.browser.conftest import log_in
from tests.site.encoder_rows import add_target, bare_encoder

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", [1280, 390])
def test_words_cost_and_schedule_are_shown_while_typing(visit: Any, width: int) -> None:
    encoder = bare_encoder()
    for number, name in enumerate(("LB", "CM"), start=1):
        add_target(encoder, name, "guide", number)
    here = visit(width, 1000)
    log_in(here)
    page = here.page
    page.goto(here.address + reverse("admin:generation_recipe_add"))
    page.fill("[name=prompt]", "a woman sitting in a kitchen")
    page.wait_for_selector("text=Ignored: sitting, kitchen.")
    assert "Understood: woman." in page.inner_text("#words-of-prompt")
    for box in page.query_selector_all("[name=targets]"):
        box.check()
    page.wait_for_function("document.querySelector('#cost-of-recipe').textContent.startsWith('52 images')")
    assert page.locator("#curve-of-recipe rect").count() == 25
    page.fill("[name=steps]", "10")
    page.wait_for_function("document.querySelectorAll('#curve-of-recipe rect').length === 10")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    here.shot(f"recipe-form-{width}", whole=True)
    page.fill("[name=steps]", "0")
    page.wait_for_selector("#cost-of-recipe:has-text('steps')")
    page.click("text=All words that it knows")
    page.wait_for_selector("td:has-text('group of people')")
    here.shot(f"vocabulary-{width}", whole=True)
    assert here.complaints == []
    assert not Recipe.objects.exists()
