"""Every add form of the admin in a real browser: what is clicked and typed is posted, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import RequestFactory
from django.urls import reverse

from accounts.models import User
from encoder import choices, services
from encoder.models import Encoder, FeatureSpace
from lab.conditional_fields import Condition, ConditionalFields
from tests.browser.admin_forms import CHOOSING, AdminForm, Control, Values
from tests.browser.conftest import Visit, log_in
from tests.browser.oasis_lab import Desk
from tests.site.encoder_rows import add_dataset, bare_encoder, write_bids
from tests.site.every_row import add_every_row

BANDED = dict(choices.encoder_models())["banded"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def addable() -> list[type[Model]]:
    """The models whose add form a superuser may open."""
    request = RequestFactory().get("/")
    request.user = User(is_active=True, is_staff=True, is_superuser=True)
    registry = admin.site._registry
    return [model for model, page in registry.items() if page.has_add_permission(request)]


def add_address(here: Visit, model: type[Model]) -> str:
    return here.address + reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


@pytest.fixture(scope="module")
def context(chromium: Any) -> Iterator[Any]:
    """A profile for all tests of the module: the admin's scripts and styles are fetched once."""
    shared = chromium.new_context(viewport={"width": 1280, "height": 1400})
    yield shared
    shared.close()


@pytest.fixture
def here(context: Any, live_server: Any) -> Iterator[Visit]:
    """A page in which an experimenter is logged in."""
    visit = Visit(context, live_server.url)
    log_in(visit)
    yield visit
    visit.page.close()


def without_blanks(values: Values) -> Values:
    """A list of no values posts nothing; a file that was not sent posts an empty name."""
    return {name: posted for name, posted in values.items() if posted and posted != [""]}


DECIDING = """(form) => [...form.querySelectorAll("[data-shown-when]")]
    .map((field) => JSON.parse(field.dataset.shownWhen).field)"""


@pytest.mark.parametrize("model", addable(), ids=lambda model: model._meta.label)
def test_each_field_arrives_with_its_own_value(here: Visit, model: type[Model], tmp_path: Path) -> None:
    add_every_row()
    form_class = admin.site._registry[model].form
    conditions = form_class.conditions_shown() if issubclass(form_class, ConditionalFields) else {}
    form = AdminForm(here.page, add_address(here, model), tmp_path)
    form.add_inlines()
    deciding = form.controlling()
    form.fill(without=[control.name for control in deciding])
    assert_posted(form)
    tried = {control.name for control in deciding}
    for control in deciding:
        (before,) = form.expected[control.name]
        for value in control.choices:
            operate_under(form, control, value)
            for inner in deciding_within(form, tried):
                tried.add(inner.name)
                for option in inner.choices:
                    form.choose(inner, option)
                    form.fill(without=form.operated)
            assert conditions.keys() & form.visible() == shown(conditions, form.expected)
            assert_posted(form)
        form.choose(control, before)
    assert form.operated == set(form.controls())
    assert here.complaints == []


def deciding_within(form: AdminForm, tried: set[str]) -> list[Control]:
    """Drop-down lists that came to be shown, and that decide themselves what else is."""
    fields = set(form.form.evaluate(DECIDING))
    controls = [control for control in form.controls().values() if control.name not in tried]
    return [
        control
        for control in controls
        if control.visible and control.kind in CHOOSING and control.name.rpartition("-")[2] in fields
    ]


def operate_under(form: AdminForm, control: Control, value: str) -> None:
    """Operate what is new where ``control`` has ``value``, and every list; then go to other values of
    ``control`` and back, which must leave the others as they are."""
    form.choose(control, value)
    lists = {entry.name for entry in form.controls().values() if entry.kind == "checkbox"}
    form.fill(without=form.operated - lists)
    for other in (control.choices[0], control.choices[-1], value):
        form.choose(control, other)


def shown(conditions: Mapping[str, Condition], values: Values) -> set[str]:
    """The fields whose condition is met, and whose deciding field is shown itself."""

    def is_met(name: str) -> bool:
        condition = conditions.get(name)
        if condition is None:
            return True
        value = next(iter(values.get(condition.field, [])), "")
        return is_met(condition.field) and (value in condition.values) is not condition.unless

    return {name for name in conditions if is_met(name)}


def assert_posted(form: AdminForm) -> None:
    assert without_blanks(form.posted()) == without_blanks(form.expected)


def test_an_encoder_is_made_of_the_regions_that_were_clicked(
    here: Visit, tmp_path: Path, settings: Any
) -> None:
    settings.ALMOND_HOME, settings.DATA_ROOTS = tmp_path / "home", [tmp_path]
    dataset = add_dataset(write_bids(tmp_path / "bids", subjects=["01"]))
    spaces = [FeatureSpace.objects.create(name=name) for name in ("scenes", "films", "words")]
    mask = tmp_path / "bids" / "masks" / "CM.nii.gz"
    services.add_region(dataset=dataset, name="SF", mask_path=mask, by=None)
    desk = Desk(here)
    desk.open(reverse("admin:encoder_encoder_add"))
    desk.fill(name="two regions")
    desk.choose(model=BANDED, of_dataset="tiny", feature_space="scenes")
    for name, rows in (("regions", ["LB", "SF"]), ("more_spaces", ["words"])):
        boxes = here.page.locator(f"#id_{name}")
        for row in rows:
            boxes.get_by_label(row).click()
    desk.save()
    assert here.complaints == []
    encoder = Encoder.objects.get(name="two regions")
    assert {region.name for region in encoder.regions.all()} == {"LB", "SF"}
    assert set(encoder.more_spaces.all()) == {spaces[2]}
    assert encoder.dataset == dataset


def test_a_hidden_field_with_an_error_is_shown(here: Visit) -> None:
    encoder = bare_encoder()
    FeatureSpace.objects.create(name="words")
    desk = Desk(here)
    desk.open(reverse("admin:encoder_encoder_add"))
    desk.fill(name="no banded ridge")
    desk.choose(model=BANDED, of_dataset="bare", feature_space="world-fc7")
    here.page.locator("#id_regions").get_by_label("LB").click()
    here.page.locator("#id_more_spaces").get_by_label("words").click()
    desk.choose(model="ridge regression")
    assert not here.page.locator("#id_more_spaces").is_visible()
    desk.press("Save", exact=True)
    here.page.get_by_text("are for banded ridge regression, each once").wait_for()
    assert here.page.locator("#id_more_spaces").get_by_label("words").is_checked()
    assert here.page.locator("#id_more_spaces").is_visible()
    assert list(Encoder.objects.all()) == [encoder]
    assert here.complaints == []
