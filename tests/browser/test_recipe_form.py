"""The form of a recipe in a real browser: words, cost, schedule and warnings follow what is typed."""

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
    before = page.inner_text("#cost-of-recipe").split(", ")[1]
    assert not page.is_visible("[name=best_of_candidates]")
    page.select_option("[name=search]", "best-of")
    page.fill("[name=best_of_candidates]", "3")
    page.wait_for_function(f"!document.querySelector('#cost-of-recipe').textContent.includes('{before}')")
    page.fill("[name=strengths]", "0.06, 0.5")
    page.wait_for_selector("#warning-of-recipe:has-text('beyond 0.25')")
    page.select_option("[name=search]", "initial-noise")
    page.wait_for_selector("#warning-of-recipe:not(:has-text('beyond'))", state="attached")
    assert page.is_visible("[name=initial_noise_iterations]")
    assert not page.is_visible("[name=strengths]")
    assert not page.is_visible("[name=best_of_candidates]")
    page.wait_for_function("document.querySelector('#curve-of-recipe').hidden")
    here.shot(f"recipe-search-{width}", whole=True)
    page.select_option("[name=search]", "single")
    page.fill("[name=steps]", "0")
    page.wait_for_selector("#cost-of-recipe:has-text('steps')")
    page.click("text=All words that it knows")
    page.wait_for_selector("td:has-text('group of people')")
    here.shot(f"vocabulary-{width}", whole=True)
    assert here.complaints == []
    assert not Recipe.objects.exists()
