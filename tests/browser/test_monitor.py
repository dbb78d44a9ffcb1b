"""The monitor in a real browser: it keeps itself up to date, and lets somebody in on a new device."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from almond.progress import Part, Silent
from almond.rng import generator
from almond.world.null_worlds import seen_by
from almond.world.raters import simulate_rater, style_of
from ratings import services
from ratings.models import Participant, Response
from ratings.runs import read_study_percepts, take_part
from ratings.services import Recruit, slots
from ratings.services.refusals import Refused
from studies.models import Study
from tests.browser.conftest import Visit, log_in
from tests.site.small_study import answer_all, answer_to, make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]


def open_monitor(here: Visit, study: Study) -> Any:
    log_in(here)
    here.page.goto(here.address + reverse("admin:ratings_monitor", args=[study.pk]))
    return here.page


def seen(page: Any, name: str, value: str) -> None:
    page.locator(f'[data-number="{name}"]', has_text=value).wait_for(timeout=20_000)


def fill_study() -> Study:
    """A rehearsal with everything that the monitor can show."""
    study = make_study(
        rating_trials=12,
        choice_trials=6,
        participants_planned=48,
        n_lists=8,
        joins_per_minute=9,
        rehearsal=True,  # simulated participants join rehearsals only
    )
    rng = random.Random(4)
    for number in range(30):
        person = services.join(study=study, recruit=Recruit("prolific", f"5f0a{number}", {})).participant
        begin = timezone.now() - timedelta(minutes=rng.uniform(9, 16))
        Participant.objects.filter(pk=person.pk).update(consented_at=begin)
        trials = list(person.trials.order_by("index"))
        done = len(trials) if number < 17 else min(len(trials) - 1, int(rng.expovariate(0.12)))
        for trial in trials[:done]:
            rt_ms = rng.lognormvariate(8.2 if trial.kind == "rating" else 7.3, 0.4) * (
                1 + 0.6 / (1 + trial.index)
            )
            services.record_response(participant=person, body=answer_to(trial, rt_ms=rt_ms))
        tell(person, rng, done)
        if done == len(trials):
            services.finish(participant=person)
        elif number in (17, 18, 19):
            services.withdraw(participant=person)
        elif number in (20, 21, 22, 23):
            slots.release_slot(person, Participant.Status.TIMED_OUT)
        else:
            silent = timezone.now() - timedelta(seconds=rng.choice([2, 9, 14, 420, 1900]))
            Participant.objects.filter(pk=person.pk).update(last_seen_at=silent)
    percepts = seen_by(read_study_percepts(study, 1, Part(Silent(), 0.0, 1.0), null="none"), 0)
    for number in range(2):
        stream = generator(1, "rater", number)
        take_part(
            study,
            Recruit("simulation", f"{number}", {}),
            simulate_rater(stream, style_of(stream, 0.05)),
            percepts,
        )
    for refusal, reason, count in (
        ("PROLIFIC_PID: is '{{%PROLIFIC_PID%}}' (expected an id, not a placeholder of the link)", "link", 6),
        ("prolific id: already takes part in this study", "taken_part", 2),
        ("consent: was not given", "consent", 1),
    ):
        for _ in range(count):
            study.arrivals.create(address_digest="0" * 64, at=timezone.now(), refusal=refusal, reason=reason)
    return study


def tell(person: Participant, rng: random.Random, done: int) -> None:
    """Let a browser say what happened around the answers, and post a few that are refused."""
    kinds = [("frames", {"slow": int(rng.random() < 0.08)}) for _ in range(done)]
    kinds += [("offline", {})] * (rng.random() < 0.2)
    kinds += [("images", {"retries": rng.choice([0, 0, 0, 3]), "count": 12})]
    if rng.random() < 0.1:
        kinds += [("frames", {"slow": 4})] * 4
    events = [
        {"event_id": str(uuid.uuid4()), "kind": kind, "page_ms": 1.0, "detail": detail}
        for kind, detail in kinds
    ]
    services.record_events(participant=person, body={"events": events})
    if rng.random() < 0.25:
        wrong = rng.choice([{"images": ["0" * 64]}, {"rt_ms": -3.0}, {"trial_id": "p-0-t000"}])
        open_trial = person.trials.filter(response=None).first()
        if open_trial is not None:
            with pytest.raises(Refused):
                services.record_response(participant=person, body=answer_to(open_trial, **wrong))


@pytest.mark.parametrize(("width", "height", "scheme"), SIZES)
def test_the_monitor_fits_every_screen(visit: Any, width: int, height: int, scheme: str) -> None:
    study = fill_study()
    here = visit(width, height, scheme=scheme)
    page = open_monitor(here, study)
    assert page.locator(".al-plot").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    boxes = [plot.bounding_box() for plot in page.locator(".al-plot").all()]
    assert all(box["width"] > 250 for box in boxes)
    here.shot(f"monitor-{width}-{scheme}", whole=True)
    person = Participant.objects.filter(status="active").first()
    page.goto(here.address + reverse("admin:ratings_participant_change", args=[person.pk]))
    here.shot(f"participant-{width}-{scheme}")
    page.get_by_role("link", name="Let in on a new device").click()
    page.get_by_role("button", name="Make the link").wait_for()
    here.shot(f"new-device-{width}-{scheme}")
    page.get_by_role("button", name="Make the link").click()
    page.locator("#link").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    here.shot(f"new-device-link-{width}-{scheme}")


def test_the_monitor_keeps_itself_up_to_date_and_where_one_is(visit: Any) -> None:
    study = make_study()
    people = [services.join(study=study).participant for _ in range(3)]
    here = visit(390, 844)
    page = open_monitor(here, study)
    page.locator("#updated", has_text="Counted at").wait_for()
    table = page.get_by_role("group", name="Who is inside now")
    page.get_by_role("link", name=people[2].name, exact=True).focus()
    table.evaluate("box => { box.scrollLeft = 120; }")
    for trial in people[1].trials.all()[:3]:
        services.record_response(participant=people[1], body=answer_to(trial))
    seen(page, "responses", "3")
    page.locator('[data-part="dropout"] svg').wait_for()
    assert page.evaluate("document.activeElement.textContent") == people[2].name
    assert table.evaluate("box => box.scrollLeft") == 120
    answer_all(people[0])
    services.finish(participant=people[0])
    seen(page, "finished", "1")
    assert here.complaints == []


def test_the_monitor_says_when_the_site_cannot_be_reached_and_goes_on_when_it_can(visit: Any) -> None:
    study = make_study()
    here = visit()
    page = open_monitor(here, study)
    live = here.address + reverse("admin:ratings_monitor_live", args=[study.pk])
    trouble = page.locator("#trouble")
    page.route(live, lambda route: route.abort())
    page.locator("#trouble", has_text="The site cannot be reached: these numbers are of").wait_for()
    page.unroute(live)
    page.route(live, lambda route: route.fulfill(status=503, body="away"))
    page.locator("#trouble", has_text="The site answers with an error (503)").wait_for(timeout=20_000)
    page.unroute(live)
    page.route(live, lambda route: route.fulfill(status=200, body="<h1>Please accept cookies</h1>"))
    page.locator("#trouble", has_text="Something between here and the site").wait_for(timeout=30_000)
    page.unroute(live)
    services.join(study=study)
    seen(page, "started", "1")
    trouble.wait_for(state="hidden")
    Session.objects.all().delete()
    page.locator("#trouble", has_text="You are logged out").wait_for(timeout=20_000)


def test_the_monitor_asks_nothing_while_nobody_looks(visit: Any) -> None:
    study = make_study()
    here = visit()
    page = open_monitor(here, study)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    hide = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)
    page.locator("#updated", has_text="waits until somebody looks").wait_for()
    asked.clear()
    page.wait_for_timeout(7000)
    assert asked == []
    services.join(study=study)
    page.evaluate(hide, False)
    page.locator('[data-number="started"]', has_text="1").wait_for(timeout=4000)
    page.locator("#updated", has_text="again every few seconds").wait_for()


def test_somebody_locked_out_is_let_in_on_a_new_device(visit: Any) -> None:
    study = make_study(rating_trials=2, choice_trials=1)
    link = f"{study.join_path}?id=jo.42"
    laptop, phone, lab = visit(), visit(390, 844, touch=True), visit()
    for person in (laptop, phone):
        person.page.goto(person.address + link)
        person.page.get_by_label("I have read this and I agree to take part.").check()
        person.page.get_by_role("button", name="Begin").click()
    laptop.page.locator("#study").get_by_role("button", name="Begin").click()
    laptop.page.locator(".rating[data-shown]").wait_for()
    for slider in laptop.page.locator(".slider-input").all():
        slider.press("ArrowRight")
    laptop.page.get_by_role("button", name="Continue").click()
    laptop.page.locator('#progress[aria-valuetext^="1 of"]').wait_for()
    phone.page.get_by_text("Somebody with this link takes part already").wait_for()
    laptop.page.wait_for_function("() => document.getElementById('unsent').dataset.waiting === '0'")
    laptop.page.goto("about:blank")  # it is lost

    page = open_monitor(lab, study)
    page.get_by_text("An id that takes part already, in another browser").wait_for()
    page.get_by_role("searchbox", name="Name or id of the panel").fill("jo.42")
    page.get_by_role("button", name="Find").click()
    person = Participant.objects.get()
    page.get_by_role("link", name=person.name).click()
    page.get_by_role("link", name="Let in on a new device").click()
    page.get_by_role("button", name="Make the link").click()
    address = page.locator("#link").inner_text()

    phone.page.goto(address)
    phone.page.get_by_role("button", name="Continue here").click()
    phone.page.get_by_role("heading", name="Welcome back").wait_for()
    phone.page.get_by_role("button", name="Continue").click()
    phone.page.locator(".rating[data-shown]").wait_for()
    for slider in phone.page.locator(".slider-input").all():
        slider.press("ArrowRight")
    phone.page.get_by_role("button", name="Continue").click()
    phone.page.locator('#progress[aria-valuetext^="2 of"]').wait_for()
    phone.page.wait_for_function("() => document.getElementById('unsent').dataset.waiting === '0'")
    assert Response.objects.count() == 2
    laptop.page.goto(laptop.address + link)
    assert laptop.page.get_by_text("You have begun already").count() == 0
    phone.page.goto(address)
    phone.page.get_by_text("This link was used already").wait_for()
    assert phone.page.get_by_role("button", name="Continue here").count() == 0
