"""A study from login to its new version, made in the admin's pages alone and taken by everybody who may come.

Ratings of photographs, choices with one question over all targets, practice, an attention check, a form and
a break, in German: somebody takes it on a desktop and somebody on a telephone, both by keyboard; one is
screened out, one declines, one goes on on a second device.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from django.urls import reverse

from ratings.models import Participant, Response
from studies.models import Study
from tests.browser.conftest import Visit
from tests.browser.oasis_lab import Desk, run_waiting
from tests.site.small_study import make_image_set, make_matched_set

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
MOST_CLICKS = 40
COUNT = """() => {
    const told = (kind) => window.almondClicked?.(kind);
    addEventListener("click", (event) => event.isTrusted && event.detail && told("click"), true);
    addEventListener("change", (event) => event.target.tagName === "SELECT" && told("select"), true);
}"""
QUESTION = "Wie bedrohlich ist diese Szene?"
WHICH = "Welche Szene ist bedrohlicher?"
CHECK = "Dies ist eine Aufmerksamkeitsprüfung. Bitte wählen Sie „Stimme zu“."
ANSWERS = "Stimme nicht zu, Weder noch, Stimme zu"


class CountedDesk(Desk):
    """An experimenter's browser in which every click, and every choice from a list, is counted."""

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        self.clicks: Counter[str] = Counter()
        self.page.expose_function("almondClicked", lambda kind: self.clicks.update([kind]))
        self.page.add_init_script(f"({COUNT})()")

    def follow(self, name: str) -> None:
        """A link, by its words; a page comes."""
        with self.page.expect_navigation():
            self.page.get_by_role("link", name=re.compile(rf"\b{name}\b")).first.click()

    def add_block(self, kind: str, name: str, *, ticks: tuple[str, ...] = (), **fields: Any) -> None:
        self.page.get_by_role("link", name="Add another Block").click()
        number = self.blocks = getattr(self, "blocks", -1) + 1
        self.page.locator(f"#id_blocks-{number}-kind").select_option(kind)
        self.fill(**{f"blocks-{number}-name": name})
        for construct in ticks:
            self.page.locator(f"#id_blocks-{number}-constructs").get_by_label(construct).check()
        for field, value in fields.items():
            control = self.page.locator(f"#id_blocks-{number}-{field}")
            if control.evaluate("one => one.tagName") == "SELECT":
                control.select_option(label=value)
            else:
                control.fill(str(value))


SCREEN = """() => {
    const here = (selector) => document.querySelector(`#study ${selector}`)?.checkVisibility();
    const focused = document.activeElement?.closest("#study");
    if (document.querySelector("main h1") && !document.getElementById("study")) return "end";
    if (here(".words button") && focused) return "words";
    if (here(".rating[data-shown]")) return "rating";
    if (here(".pair[data-shown]")) return "pair";
    if (!here("form[data-shown]")) return null;
    if (here("input[type=radio]")) return "check";
    return here("input") ? "form" : "rest";
}"""
CHANGED = "([stage, before]) => !stage.isConnected || stage.innerHTML !== before"


class Taker:
    """Somebody who takes a study by keyboard, whichever screen comes, and reads German."""

    def __init__(self, here: Visit, *, attentive: bool = True) -> None:
        self.here, self.page, self.attentive = here, here.page, attentive
        self.seen: Counter[str] = Counter()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def come(self, study: Study, query: str = "") -> None:
        self.page.goto(f"{self.here.address}{study.join_path}{query}")
        self.page.get_by_role("heading", name="Wie Szenen wirken").wait_for()
        assert self.page.evaluate("document.documentElement.lang") == "de"

    def agree(self) -> None:
        self.page.get_by_label("Ich habe das gelesen und bin mit der Teilnahme einverstanden.").focus()
        self.press("Space")
        self.page.get_by_role("button", name="Beginnen").focus()
        self.press("Enter")

    def take(self, *, screens: int = 40) -> None:
        """Answer the screens that come, up to so many of them or to the end."""
        for _ in range(screens):
            name = str(self.page.wait_for_function(SCREEN).json_value())
            if name == "end":
                return
            self.seen[name] += 1
            getattr(self, name)()

    def words(self) -> None:
        self.leave_by("#study .words button")

    def leave_by(self, button: str) -> None:
        """Press the button of a screen, which goes away."""
        stage = self.page.locator("#study").element_handle()
        shown = stage.inner_html()
        self.page.locator(button).focus()
        self.press("Enter")
        self.page.wait_for_function(CHANGED, arg=[stage, shown])

    def rating(self) -> None:
        self.page.locator(".slider-input").focus()
        self.press(*["PageUp"] * (1 + self.seen["rating"]))
        self.leave_by(".rating button.main")

    def pair(self) -> None:
        shown = self.page.locator("#study .pair").element_handle()
        self.press("f" if self.seen["pair"] % 2 else "j")
        self.page.wait_for_function("(pair) => !pair.isConnected", arg=shown)

    def check(self) -> None:
        answer = "Stimme zu" if self.attentive else "Weder noch"
        self.page.get_by_label(answer, exact=True).focus()
        self.press("Space")
        self.leave_by("#study form button[type=submit]")

    def rest(self) -> None:
        self.leave_by("#study form button[type=submit]")

    def form(self) -> None:
        self.page.get_by_label("Wie alt sind Sie?").focus()
        self.page.keyboard.type("34")
        self.leave_by("#study form button[type=submit]")


def test_a_study_from_login_to_its_new_version(
    visit: Any, experimenter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratings.services.rehearsals.robots.LONGEST_PAUSE", 20.0)
    make_matched_set(scenes=3)
    make_image_set(images=6)
    desk = CountedDesk(visit(1280, 900))
    desk.page.goto(f"{desk.visit.address}/admin/")
    desk.log_in("experimenter", "a long enough password")
    make_construct(desk)
    make_draft(desk)
    study = Study.objects.get(rehearsal=False)
    desk.press("Freeze")
    rehearse(desk)
    desk.press("Open")
    study.refresh_from_db()
    assert study.state == Study.State.LIVE
    assert sum(desk.clicks.values()) <= MOST_CLICKS, desk.clicks

    takers = [finish(visit(1280, 800), study), finish(visit(360, 640, touch=True, scheme="dark"), study)]
    takers += [fail_the_check(visit(), study), decline(visit(390, 844), study)]
    takers += move_to_a_second_device(desk, visit(), visit(360, 640, touch=True), study)
    check_stored(study)
    assert [taker.here.complaints for taker in takers] == [[]] * len(takers)

    desk.open(reverse("admin:studies_study_change", args=[study.pk]))
    desk.press("Close")
    desk.press("New version")
    desk.page.get_by_text("may still change").wait_for()
    copy = Study.objects.get(previous=study, rehearsal=False)
    assert copy.previous == study
    assert [block.name for block in copy.blocks.all()] == [block.name for block in study.blocks.all()]
    assert [text for text in desk.visit.complaints if "Error" in text] == []


def rehearse(desk: CountedDesk) -> None:
    """Send robots, two of them through the pages; what they answer is stored as planned."""
    desk.follow("Rehearse")
    desk.fill(people=4, studies=0)
    desk.press("Rehearse")
    run_waiting()
    desk.follow("Wie Szenen wirken")
    desk.page.get_by_text("4 robots, 2 through the pages; all stored rows as planned").wait_for()
    desk.visit.shot("whole-rehearsed")


def finish(here: Visit, study: Study) -> Taker:
    taker = Taker(here)
    taker.come(study)
    taker.agree()
    taker.take()
    assert taker.seen == {"words": 4, "rating": 3, "check": 1, "rest": 1, "pair": 2, "form": 1}
    here.page.get_by_role("heading", name="Sie sind fertig").wait_for()
    return taker


def fail_the_check(here: Visit, study: Study) -> Taker:
    taker = Taker(here, attentive=False)
    taker.come(study)
    taker.agree()
    taker.take()
    assert "pair" not in taker.seen
    here.page.get_by_role("heading", name="Die Studie endet hier für Sie").wait_for()
    return taker


def decline(here: Visit, study: Study) -> Taker:
    before = study.participants.count()
    taker = Taker(here)
    taker.come(study)
    here.page.get_by_role("button", name="Ich möchte nicht teilnehmen").focus()
    taker.press("Enter")
    here.page.get_by_role("heading", name="Sie nehmen nicht teil").wait_for()
    assert study.participants.count() == before
    return taker


def move_to_a_second_device(desk: CountedDesk, laptop: Visit, phone: Visit, study: Study) -> list[Taker]:
    """Begin on a laptop and go on on a telephone, by the link that the lab makes."""
    first, second = Taker(laptop), Taker(phone)
    first.come(study, "?id=jo.42")
    first.agree()
    first.take(screens=4)
    laptop.page.wait_for_function("() => document.getElementById('unsent').dataset.waiting === '0'")
    laptop.page.goto("about:blank")
    desk.open(reverse("admin:ratings_monitor", args=[study.pk]))
    desk.page.get_by_role("searchbox", name="Name or id of the panel").fill("jo.42")
    desk.press("Find")
    desk.follow(study.participants.latest("pk").name)
    desk.follow("Let in on a new device")
    desk.press("Make the link")
    phone.page.goto(desk.page.locator("#link").inner_text())
    phone.page.get_by_role("button", name="Hier fortfahren").focus()
    second.press("Enter")
    phone.page.locator("#study").wait_for()
    second.take()
    assert (first.seen + second.seen)["rating"] == 3
    phone.page.get_by_role("heading", name="Sie sind fertig").wait_for()
    return [first, second]


def check_stored(study: Study) -> None:
    people = study.participants.order_by("pk")
    done, out = Participant.Status.FINISHED, Participant.Status.SCREENED_OUT
    assert [person.status for person in people] == [done, done, out, done]
    rows = Response.objects.filter(trial__participant__study=study).select_related("trial")
    kinds = Counter(row.trial.block for row in rows)
    assert kinds == {"probe": 4, "fotos": 8, "pruefung": 4, "pause": 3, "wahl": 6, "person": 3}
    assert all(row.digests == row.trial.digests for row in rows)
    assert {row.values["alter"] for row in rows if row.trial.block == "person"} == {34}
    targets = {pair.id: pair.target for pair in study.frozen_plan.pairs}
    assert {pair.construct for pair in study.frozen_plan.pairs} == {"bedrohung"}
    chosen = {targets[row.trial.planned["pair"]] for row in rows if row.trial.block == "wahl"}
    assert chosen == set(targets.values()) == {"LB", "CM"}


def make_construct(desk: CountedDesk) -> None:
    desk.follow("Constructs")
    desk.follow("Add construct")
    desk.fill(name="bedrohung", question=QUESTION, low="gar nicht", high="äußerst", choice=WHICH, target="LB")
    desk.choose(language="German")
    desk.save()


def make_draft(desk: CountedDesk) -> None:
    desk.follow("Studies")
    desk.follow("Add study")
    desk.fill(
        title="Wie Szenen wirken", participants_planned=4, n_lists=2, unmatched_reason="Für einen Versuch."
    )
    desk.choose(language="German", matched_set="matched")
    desk.add_block("practice", "probe", practice_of="fotos", trials=1)
    desk.add_block("rating", "fotos", ticks=("bedrohung",), image_set="photographs", trials=2)
    desk.add_block(
        "attention_check",
        "pruefung",
        attention_check_question=CHECK,
        attention_check_options=ANSWERS,
        attention_check_correct="Stimme zu",
        end_if="pruefung.passed = no",
    )
    desk.add_block("break", "pause", break_text="Zeit für eine Pause.")
    desk.add_block("choice", "wahl", ticks=("bedrohung",), trials=2)
    desk.add_block(
        "form",
        "person",
        form_heading="Zu Ihrer Person",
        form_fields="alter (Wie alt sind Sie?): number 18-99",
    )
    desk.save()
