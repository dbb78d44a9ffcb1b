"""A row for each participant, the replay of their trials, exposure of images: blind, with bounded reads."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from almond.design.exclusions.straight_lining import runs_of, spread_of
from ratings import services
from ratings.models import Participant, Progress, Response
from ratings.services import erasing
from ratings.services.monitoring import catch_up
from ratings.services.monitoring.balance import balance_of
from ratings.services.monitoring.people_table import FILTERS, ORDERS, people_table
from ratings.services.monitoring.quality import binned, device_of
from ratings.services.monitoring.replay import replay_of
from ratings.services.monitoring.strips import block_medians, strip_of, strip_words
from studies.models import Study
from studies.services import close
from tests.site.paged_study import WRONG, make_paged_study, post
from tests.site.small_study import answer_all, answer_to, make_study
from tests.site.test_blind import colleague
from tests.site.test_monitor import event, happened

pytestmark = pytest.mark.django_db


def rated(study: Study, *values: float) -> Participant:
    """Somebody who rates everything of a trial with one number, and chooses left."""
    person = services.join(study=study).participant
    trials = person.trials.filter(kind="rating").order_by("index")
    for trial, value in zip(trials, values, strict=False):
        body = answer_to(trial)
        body["values"] = dict.fromkeys(body["values"], value)
        services.record_response(participant=person, body=body)
    return person


# -- what is measured


def test_runs_and_spread_are_those_of_the_exclusion_rule() -> None:
    pd = pytest.importorskip("pandas")
    study = make_study(rehearsal=True)
    rated(study, 30, 30, 30, 71)
    rated(study, 10, 90, 20, 80)
    catch_up(study)
    table = pd.DataFrame(services.export_tables(study)["ratings"])
    spreads, runs = spread_of(table), runs_of(table)
    rows = Progress.objects.order_by("pk").values_list("participant__name", "spread", "longest_run", "bins")
    assert {name: spread for name, spread, _, _ in rows} == pytest.approx(spreads, abs=1e-5)
    assert {name: run for name, _, run, _ in rows} == runs
    assert rows[0][3]["threat"] == [0, 0, 0, 3, 0, 0, 0, 1, 0, 0]


def test_failed_checks_and_windows_are_counted() -> None:
    study = make_paged_study(("understood", "attentive", "ratings"))
    person = services.join(study=study).participant
    blocks = dict(person.trials.values_list("index", "block"))
    for index, block in sorted(blocks.items()):
        post(person, index, WRONG.get(block))
    loads = [event("load", width=width) for width in (1400, 390, 900)] + [
        event("load"),
        event("load", width="x"),
    ]
    happened(person, *loads)
    catch_up(study)
    row = Progress.objects.get()
    assert (row.failed, row.failed_at) == (2, [index for index in sorted(blocks) if blocks[index] in WRONG])
    assert (row.loads, row.device) == (5, "phone")


@pytest.mark.parametrize(
    ("width", "device"), [(320, "phone"), (600, "tablet"), (1024, "computer"), (0, ""), (True, ""), ("9", "")]
)
def test_windows_have_classes(width: Any, device: str) -> None:
    assert device_of(width) == device


def test_the_ends_of_a_scale_belong_to_the_first_and_the_last_part() -> None:
    assert binned([0, 0.0, 9.9, 10, 100, 100]) == [3, 1, 0, 0, 0, 0, 0, 0, 0, 2]


# -- strips


def test_a_strip_says_fast_slow_failed_missing_and_to_come() -> None:
    blocks = ["a"] * 8 + ["b"] * 2
    times = [100, 1000, 1000, 2500, 5000, None, 1000, 1000]
    cells = strip_of(times, blocks, {"a": 1000.0}, failed=[7], skipped=[9])
    states = ["fast", "usual", "usual", "slow", "very_slow", "missing", "usual", "failed", "open", "skipped"]
    assert [cell.state for cell in cells] == states
    words = strip_words(cells)
    assert words.startswith("10 trials: 1 fast, 3 usual, 1 slow, 1 very slow, 1 failed check, 1 missing")
    assert words.endswith("failed: trial 8")


def test_long_lists_have_several_trials_in_a_cell_and_none_is_lost() -> None:
    cells = strip_of([1000.0] * 120 + [None], ["a"] * 200, {"a": 1000.0}, failed=[131])
    assert [cell.first for cell in cells[:3]] == [1, 5, 9]
    assert cells[-1].last == 200
    assert len(cells) == 50
    assert cells[32].state == "failed"
    assert strip_of([], [], {}) == []
    assert block_medians([([5.0, None, 7.0], ["a", "a", "b"])]) == {"a": 5.0, "b": 7.0}


# -- the table


def test_every_order_and_filter_lists_everybody_it_should(staff_client: Any) -> None:
    study = make_study()
    people = [rated(study, *range(number)) for number in (1, 4, 2)]
    erasing.erase_participant(code=people[2].name)
    for order in ORDERS:
        for sign in ("", "-"):
            assert len(people_table(study, order=f"{sign}{order}").rows) == 3
    rows = people_table(study, order="-answered").rows
    assert [row.done for row in rows] == [4, 2, 1]
    assert [row.cells is None for row in rows] == [False, True, False]
    assert [row.name for row in people_table(study, shown="active").rows] == [p.name for p in people[:2]]
    assert people_table(study, shown="nonsense", order="-nonsense").shown == "all"
    for shown in FILTERS:
        asked = {"show": shown, "page": "x", "order": "-run"}
        page = staff_client.get(reverse("admin:ratings_monitor_people", args=[study.pk]), asked)
        assert page.status_code == 200
    page = staff_client.get(reverse("admin:ratings_monitor_people", args=[study.pk]), {"order": "-run"})
    assert 'aria-sort="descending"' in page.content.decode()


def test_the_table_takes_as_many_statements_for_many_as_for_few() -> None:
    study = make_study(participants_planned=60, joins_per_minute=200)
    counts = []
    for _ in range(2):
        for _ in range(20):
            rated(study, 10, 20)
        catch_up(study)
        with CaptureQueriesContext(connection) as queries:
            people_table(study)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 10


def test_who_may_not_view_participants_sees_none_of_it(client: Any) -> None:
    study = make_study()
    person = rated(study, 10)
    pages = [reverse(f"admin:ratings_monitor_{name}", args=[study.pk]) for name in ("people", "balance")]
    replay = reverse("admin:ratings_replay", args=[person.pk])
    client.force_login(colleague("view_study"))
    assert [client.get(page).status_code for page in (*pages, replay)] == [403, 403, 403]


def test_whoever_sees_no_responses_sees_no_pictures(client: Any) -> None:
    study = make_study()
    person = rated(study, 10)
    client.force_login(colleague("view_participant"))
    page = client.get(reverse("admin:ratings_monitor_balance", args=[study.pk])).content.decode()
    assert "image 1" in page
    assert "/stimuli/" not in page
    assert client.get(reverse("admin:ratings_replay", args=[person.pk])).status_code == 403
    assert (
        "Replay trials"
        not in client.get(reverse("admin:ratings_participant_change", args=[person.pk])).content.decode()
    )


# -- exposure


def test_exposure_counts_what_was_answered_against_full_lists() -> None:
    study = make_study()
    people = [services.join(study=study).participant for _ in range(3)]
    answer_all(people[0])
    for trial in people[1].trials.order_by("index")[:2]:
        services.record_response(participant=people[1], body=answer_to(trial))
    balance = balance_of(study)
    shown = [name for row in Response.objects.select_related("trial") for name in row.trial.digests]
    assert sum(image.shown for image in balance.images) == len(shown)
    per_list = [trial for row in study.lists.all() for trial in row.trials for _ in range(row.capacity)]
    planned = sum(1 if trial["stimulus"] else 2 for trial in per_list)
    assert sum(image.planned for image in balance.images) == planned
    assert [row.construct for row in balance.distributions] == ["threat", "urgency"]
    erasing.erase_participant(code=people[0].name)
    assert sum(image.shown for image in balance_of(study).images) < len(shown)


# -- replay


def texts_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_a_replay_is_blind_until_the_study_is_closed(staff_client: Any) -> None:
    study = make_study()
    person = services.join(study=study).participant
    answer_all(person)
    address = reverse("admin:ratings_replay", args=[person.pk])
    page = staff_client.get(address).content.decode()
    assert "What was answered is hidden until the study is closed." in page
    assert 'class="rp-value"' not in page
    assert "rp-chosen" not in page
    stored = Response.objects.filter(trial__kind="rating").first()
    assert stored is not None
    replay = replay_of(person)
    assert all(not trial.values and not trial.said for trial in replay.trials)
    assert not any(picture.chosen for trial in replay.trials for picture in trial.pictures)
    assert [len(trial.pictures) for trial in replay.trials] == [
        len(row.digests) for row in person.trials.order_by("index")
    ]
    assert {trial.rt_ms for trial in replay.trials} == set(Response.objects.values_list("rt_ms", flat=True))
    close(study=study, by=None)
    page = staff_client.get(address).content.decode()
    assert 'class="rp-value"' in page
    assert "rp-chosen" in page
    for word in ("LB", "CM", "aligned", "direction", "base_scene", "a-street"):
        assert word not in texts_of(page)


def test_numbers_stand_on_their_scales_and_choices_at_their_pictures() -> None:
    study = make_study(rehearsal=True)
    person = rated(study, 25)
    choice = person.trials.filter(kind="choice").first()
    assert choice is not None
    for trial in person.trials.filter(response=None).order_by("index"):
        services.record_response(participant=person, body=answer_to(trial))
    trials = replay_of(person).trials
    values = trials[0].values
    assert [(value.percent, value.text, value.low) for value in values] == [(25.0, "25", "not at all")] * 2
    shown = trials[choice.index]
    stored = Response.objects.get(trial=choice)
    assert [picture.chosen for picture in shown.pictures] == [
        stored.chosen == side for side in ("left", "right")
    ]


def test_pages_and_erased_people_can_be_replayed(staff_client: Any) -> None:
    study = make_paged_study()
    person = services.join(study=study).participant
    for index in range(person.trials.count()):
        row = person.trials.get(index=index)
        if not hasattr(row, "response") and row.index != 4:
            post(person, index)
    close(study=study, by=None)
    page = staff_client.get(reverse("admin:ratings_replay", args=[person.pk])).content.decode()
    assert "34" in page
    erasing.erase_participant(code=person.name)
    page = staff_client.get(reverse("admin:ratings_replay", args=[person.pk])).content.decode()
    assert "The answers are erased." in page
    assert 'class="rp-value"' not in page
