"""How the participants' pages look: they fit every screen, in light and dark, with targets large enough.

With ``ALMOND_SCREENSHOTS=folder`` each page is kept as a picture.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.template.loader import render_to_string
from django.urls import reverse

from config.error_pages import PAGES
from ratings.services import join, let_in
from studies.models import Information
from studies.services import create_construct
from tests.browser.barriers import barriers, barriers_everywhere
from tests.browser.conftest import Visit
from tests.site.small_study import TARGETS, answer_all, make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCREENS = [
    pytest.param("desktop", {"width": 1280, "height": 800}, id="desktop"),
    pytest.param("desktop-dark", {"width": 1280, "height": 800, "scheme": "dark"}, id="desktop-dark"),
    pytest.param("phone", {"width": 360, "height": 640, "touch": True}, id="phone"),
    pytest.param(
        "phone-dark", {"width": 390, "height": 844, "touch": True, "scheme": "dark"}, id="phone-dark"
    ),
]
SMALL_TARGETS = """() => [...document.querySelectorAll("button, input:not([type=hidden]), .agree")]
    .filter(one => one.offsetParent && !one.closest("label"))
    .map(one => [one.textContent.trim() || one.name, one.getBoundingClientRect()])
    .filter(([, box]) => box.height < 40 || box.width < 44).map(([name]) => name)"""
# The contrast of text against its background, as WCAG 2 defines it; backgrounds here are opaque or inherited.
PALE_TEXT = """() => {
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
    const ground = (one) => {
        for (let here = one; here; here = here.parentElement) {
            const found = rgb(getComputedStyle(here).backgroundColor);
            if (found.length < 4 || found[3] > 0) return found;
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll("h1, h2, p, label, span, button, a, output")]
        .filter(one => one.offsetParent && !one.disabled && one.textContent.trim())
        .map(one => {
            const both = [light(rgb(getComputedStyle(one).color)), light(ground(one))];
            const [a, b] = both.sort((x, y) => y - x);
            return [one.textContent.trim().slice(0, 40), (a + 0.05) / (b + 0.05)];
        }).filter(([, ratio]) => ratio < 4.5);
}"""


def check_looks(here: Visit, name: str) -> None:
    here.page.wait_for_load_state("load")  # with its style sheet
    here.shot(name)
    assert here.page.evaluate("document.documentElement.scrollWidth <= screen.width"), name
    assert here.page.evaluate(SMALL_TARGETS) == [], name
    assert here.page.evaluate(PALE_TEXT) == [], name
    wide = here.page.viewport_size["width"] == 1280
    assert (barriers_everywhere if wide else barriers)(here.page) == [], name


@pytest.mark.parametrize(("name", "screen"), SCREENS)
def test_every_page_fits(visit: Any, name: str, screen: dict[str, Any]) -> None:
    study = make_study(rating_trials=2, choice_trials=2)
    here = visit(**screen)
    page = here.page
    page.goto(f"{here.address}{study.join_path}")
    check_looks(here, f"consent-{name}")
    page.get_by_label("I have read this and I agree to take part.").check()
    page.get_by_role("button", name="Begin").click()
    begin = page.locator("#study").get_by_role("button", name="Begin")
    begin.wait_for()
    check_looks(here, f"instructions-{name}")
    begin.click()
    page.locator(".rating[data-shown]").wait_for()
    assert page.get_by_text("Loading the pictures").count() == 0
    check_looks(here, f"rating-first-{name}")
    for _ in range(2):
        page.locator(".rating[data-shown]").wait_for()
        for number, slider in enumerate(page.locator(".slider-input").all()):
            box = slider.bounding_box()
            slider.click(position={"x": box["width"] * (0.3 + 0.35 * number), "y": box["height"] / 2})
        check_looks(here, f"rating-{name}")
        page.get_by_role("button", name="Continue").click()
        page.wait_for_function("() => !document.querySelector('.rating')?.matches(':has(button:disabled)')")
    begin.wait_for()
    begin.click()
    page.locator(".pair[data-shown]").wait_for()
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    check_looks(here, f"pair-{name}")
    page.get_by_role("button", name="Stop taking part").click()
    check_looks(here, f"stop-{name}")
    page.get_by_role("button", name="Continue the study").click()
    for done in (3, 4):
        page.locator(".pair[data-shown]").wait_for()
        page.get_by_role("button", name="The picture on the right").click()
        page.locator(f'#progress[aria-valuetext^="{done} of"]').wait_for()
    page.wait_for_url("**/done")
    check_looks(here, f"done-{name}")
    assert here.complaints == []


def test_pages_for_links_that_lead_nowhere(visit: Any) -> None:
    here = visit(1280, 800)
    here.page.goto(f"{here.address}/take/forged/")
    check_looks(here, "unknown")
    participant = join(study=make_study()).participant
    answer_all(participant)
    here.page.goto(f"{here.address}/study/scenes/")
    check_looks(here, "consent-again")


@pytest.mark.parametrize(("width", "height"), [(360, 640), (1280, 800)])
def test_errors_are_pages_that_fit(visit: Any, width: int, height: int) -> None:
    here = visit(width, height)
    for status in PAGES:
        here.page.set_content(render_to_string(f"{status}.html").replace('href="/', f'href="{here.address}/'))
        here.page.wait_for_load_state("networkidle")
        check_looks(here, f"error-{status}-{width}")
    here.page.goto(f"{here.address}/")
    check_looks(here, f"front-{width}")


def test_long_words_wrap(visit: Any) -> None:
    """Words of more than a hundred letters, as in a chemical name or an address, on a telephone."""
    long = "Donaudampfschifffahrt" * 6
    for name, target in TARGETS.items():
        create_construct(
            name=target, question=long, low=long[:60], high=long[:60], choice=long, target=name, by=None
        )
    study = make_study(
        rating_trials=1, choice_trials=1, title=long, consent=f"{long}\n\n{long}", debriefing=long
    )
    here = visit(360, 640, touch=True)
    page = here.page
    page.goto(f"{here.address}{study.join_path}")
    check_looks(here, "long-consent")
    page.get_by_label("I have read this and I agree to take part.").check()
    page.get_by_role("button", name="Begin").click()
    begin = page.locator("#study").get_by_role("button", name="Begin")
    begin.click()
    page.locator(".rating[data-shown]").wait_for()
    check_looks(here, "long-rating")
    for slider in page.locator(".slider-input").all():
        slider.click()
    page.get_by_role("button", name="Continue").click()
    begin.click()
    page.locator(".pair[data-shown]").wait_for()
    check_looks(here, "long-pair")
    page.get_by_role("button", name="The picture on the right").click()
    page.wait_for_url("**/done")
    check_looks(here, "long-done")


def test_who_comes_with_another_device_reads_why_before_consent(visit: Any) -> None:
    study = make_study()
    Information.objects.create(
        study=study, devices="computer", least_width=900, researchers="Lab", contact="lab@example.org"
    )
    phone, narrow = visit(390, 844, touch=True), visit(800, 700)
    for here in (phone, narrow):
        page = here.page
        page.goto(f"{here.address}{study.join_path}")
        page.get_by_text("This study can be taken on a computer only").wait_for()
        assert page.get_by_role("button", name="Begin").count() == 0
    check_looks(phone, "device-phone")
    narrow.page.set_viewport_size({"width": 1280, "height": 800})
    narrow.page.get_by_role("button", name="Begin").wait_for()
    assert not narrow.page.locator(".device-rule").is_visible()
    check_looks(narrow, "device-computer")


def test_who_goes_on_on_another_device_reads_why_it_does_not_fit(visit: Any) -> None:
    study = make_study()
    Information.objects.create(study=study, devices="computer", researchers="Lab", contact="lab@example.org")
    device_pass = let_in(participant=join(study=study).participant, by=None)
    address = reverse("participant_go_on", args=[device_pass])
    phone, computer = visit(390, 844, touch=True), visit()
    for here, fits in ((phone, False), (computer, True)):
        here.page.goto(f"{here.address}{address}")
        assert here.page.get_by_role("button", name="Continue here").is_visible() is fits
        assert here.page.get_by_text("on a computer only").is_visible() is not fits
