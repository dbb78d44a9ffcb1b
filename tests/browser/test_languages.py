"""A study in another language: German on a telephone, and one that is read from right to left."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils.translation import trans_real

from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import TrialKind
from almond.design.words import LANGUAGES
from almond.design.words.base import KindWords
from ratings.models import Consent, Participant
from studies.models import Construct, Information, Study
from studies.services import freeze, open_study
from studies.services.presentation import script_words
from tests.browser.barriers import barriers
from tests.browser.conftest import Visit
from tests.site.small_study import make_study
from tests.site.test_languages import script_texts, texts_of_modules, texts_of_templates

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
GERMAN = {
    "threat": ("Wie bedrohlich ist diese Szene?", "Welche Szene ist bedrohlicher?"),
    "urgency": ("Wie dringend fordert sie zum Handeln auf?", "Welche Szene ist dringender?"),
}
ENDS = ("überhaupt nicht", "äußerst")
HEADINGS = """() => [...document.querySelectorAll("h1")].filter(one => one.checkVisibility()).length"""
PICTURE_IN_VIEW = """() => {
    const picture = document.querySelector(".picture img").getBoundingClientRect();
    const slider = document.activeElement.getBoundingClientRect();
    const over = picture.bottom > slider.top && picture.right > slider.left && picture.left < slider.right;
    return picture.top >= -1 && picture.bottom <= innerHeight + 1 && picture.height > 100 && !over
        && slider.top >= 0 && slider.bottom <= innerHeight;
}"""


def study_in(language: str, words: dict[str, tuple[str, str]], ends: tuple[str, str], **fields: Any) -> Study:
    study = make_study(state=Study.State.DRAFT, language=language, rating_trials=2, choice_trials=2, **fields)
    for construct in Construct.objects.all():
        question, choice = words[construct.name]
        construct.texts.create(language=language, question=question, choice=choice, low=ends[0], high=ends[1])
    return open_study(study=freeze(study=study, by=None), by=None, reason="A study of a test.")


class Reader:
    """Somebody who takes a study, and whose every screen is looked at."""

    def __init__(self, here: Visit, name: str) -> None:
        self.here, self.page, self.name = here, here.page, name
        self.texts: list[str] = []

    def look(self, screen: str, *, whole: bool = False) -> None:
        self.here.shot(f"{self.name}-{screen}", whole=whole)
        assert barriers(self.page) == [], screen
        assert self.page.evaluate(HEADINGS) == 1, screen
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), screen
        self.texts.append(self.page.locator("body").inner_text())

    def consent(self, study: Study) -> None:
        self.page.goto(f"{self.here.address}{study.join_path}")
        self.look("consent", whole=True)
        self.page.locator("[name=agreed]").check()
        self.page.locator("form.consent button.main").first.click()
        self.page.locator("#study .words button").wait_for()
        self.look("instructions")

    def rate(self) -> None:
        self.page.locator("#study .words button").click()
        for number in range(2):
            self.page.locator(".rating[data-shown]").wait_for()
            if number == 0:
                self.look("rating")
            for slider in self.page.locator(".slider-input").all():
                slider.focus()
                assert self.page.evaluate(PICTURE_IN_VIEW)
                slider.press("ArrowUp")
            if number == 0:
                self.look("rated")
            self.page.locator(".rating button.main").click()
            self.page.wait_for_function(
                "n => document.getElementById('progress').ariaValueNow >= n", arg=25 * (number + 1)
            )

    def choose(self) -> None:
        self.page.locator("#study .words button").click()
        for number in range(2):
            self.page.locator(".pair[data-shown]").wait_for()
            if number == 0:
                self.look("pair")
                assert self.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
                left, right = (
                    self.page.locator(f"[data-side={side}]").bounding_box() for side in ("left", "right")
                )
                assert left["x"] < right["x"]
            self.page.locator("[data-side=left]").click()
            self.page.wait_for_function(
                "n => !(document.getElementById('progress')?.ariaValueNow < n)",
                arg=50 + 25 * (number + 1),
            )

    def take(self, study: Study) -> None:
        self.consent(study)
        self.rate()
        self.choose()
        self.page.wait_for_url("**/done")
        self.look("done", whole=True)


@pytest.mark.parametrize(
    ("name", "screen"),
    [
        ("phone", {"width": 360, "height": 640, "touch": True}),
        ("landscape", {"width": 640, "height": 360, "touch": True, "scheme": "dark"}),
    ],
)
def test_a_study_in_german_on_a_telephone(visit: Any, name: str, screen: dict[str, Any]) -> None:
    study = study_in("de", GERMAN, ENDS, title="Wie Szenen wirken")
    Information.objects.create(
        study=study, researchers="Labor für Bilder", contact="bilder@example.org", payment="3 Euro"
    )
    reader = Reader(visit(**screen), f"german-{name}")
    reader.take(study)
    assert reader.here.complaints == []
    shown = "\n".join(reader.texts)
    english = {*texts_of_templates(), *texts_of_modules(), *script_texts()[0], *script_texts()[1]}
    assert english & {line.strip() for line in shown.splitlines()} == set()
    for said in ("bilder@example.org", "etwa 1 Minute", "Teil 1 von 2", "Sie sehen 2 Bilder", *ENDS):
        assert said in shown
    assert GERMAN["threat"][0] in shown
    assert reader.page.evaluate("document.documentElement.lang") == "de"
    agreed = Consent.objects.get(participant=Participant.objects.get())
    assert "bilder@example.org" in agreed.form.text
    assert "Die Teilnahme ist freiwillig." in agreed.form.text
    assert agreed.form.language == "de"


MARK = "⟦"


def marked(text: str) -> str:
    return f"{MARK}{text}⟧"


def marked_words(kind: TrialKind) -> KindWords:
    def instructions(block: Any) -> str:
        text = kind.instructions(block)
        return "\n\n".join(map(marked, text.split("\n\n")))

    return KindWords(instructions, marked(kind.keys))


@pytest.fixture
def arabic_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A language that is read from right to left and consists of the English words between marks."""
    kinds = {name: marked_words(kind) for name, kind in TRIAL_KINDS.entries().items()}
    module = types.ModuleType("tests.browser.arabic_marks")
    module.KINDS = kinds  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    words: dict[str, Any] = {text: marked(text) for text in script_texts()[0]}
    words |= {text: {"other": marked(text)} for text in script_texts()[1]}
    (tmp_path / "locale" / "ar").mkdir(parents=True)
    (tmp_path / "locale" / "ar" / "scripts.json").write_text(json.dumps(words))
    catalogue = trans_real.DjangoTranslation("ar")
    for text in {*texts_of_templates(), *texts_of_modules()}:
        catalogue._catalog[text] = marked(text)  # type: ignore[attr-defined]
        for form in range(6):
            catalogue._catalog[text, form] = marked(text)  # type: ignore[attr-defined]
    monkeypatch.setitem(vars(trans_real)["_translations"], "ar", catalogue)
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    with LANGUAGES.registered("ar", f"{module.__name__}:KINDS", "Arabic"):
        yield
    script_words.cache_clear()


@pytest.mark.parametrize(("name", "width", "height"), [("phone", 360, 640), ("desktop", 1280, 800)])
def test_from_right_to_left_nothing_overlaps_and_all_is_translated(
    visit: Any, arabic_marks: None, name: str, width: int, height: int
) -> None:
    words = {name: (marked("Rate?"), marked("Which?")) for name in GERMAN}
    study = study_in(
        "ar", words, (marked("low"), marked("high")), title=marked("Scenes"), debriefing=marked("Thanks.")
    )
    reader = Reader(visit(width=width, height=height), f"rtl-{name}")
    reader.take(study)
    assert reader.page.evaluate("document.documentElement.dir") == "rtl"
    for text in reader.texts:
        lines = [line for line in text.splitlines() if any(letter.islower() for letter in line)]
        assert [line for line in lines if MARK not in line and not line.startswith(reader.here.address)] == []
